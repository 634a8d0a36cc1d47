"""Runner: the contract of whatever executes one attempt at a datum."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from pfslib.model.errors import RunnerError


class AttemptLostError(RunnerError):
    """What an attempt ran in went away under it. It counts for nothing, and may be made again."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at one datum, laid out on the host and ready to run.

    Inside, the command sees ``/pfs/<name>`` read-only for each input and ``/pfs/out`` writable; it
    never sees the host paths.
    """

    inputs: Mapping[str, Path]
    """Input name to the existing host directory that becomes ``/pfs/<name>``."""

    out: Path
    """Existing empty host directory that becomes ``/pfs/out``."""

    cmd: tuple[str, ...]
    """Argument vector; no shell is put in between."""

    stdin: bytes
    """What the command reads on standard input; then end of file."""

    env: Mapping[str, str]
    """Variables added to the runner's base environment."""

    log: Path
    """Host file to which standard output and standard error are appended, interleaved."""

    working_dir: str | None = None
    """Absolute directory, as seen inside; the runner's default if None."""

    timeout_s: float | None = None
    """After this many seconds everything the attempt started is killed."""


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts of a session may use, and who they are."""

    user: str = ""
    """Name or number, as seen inside; empty for the runner's default."""

    network: bool = True
    """Whether there is one."""

    cpu_limit: float = 0.0
    """Processors, of one attempt; 0 for no limit."""

    memory_limit: int = 0
    """Bytes, of one attempt; 0 for no limit."""


UNCONFINED = Confinement()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt."""

    exit_code: int
    """The command's exit code; 128 + n after signal n; 127 or 126 when it could not start."""

    reason: str = ""
    """Empty after an ordinary exit, else one sentence: time-out, signal, command not found."""

    remark: str = ""
    """What may be behind an exit code that is not 0; no failure by itself."""

    seconds: float = 0.0
    """Wall time from start to exit."""


def out_of_memory(outcome: Outcome, confinement: Confinement) -> Outcome:
    """The outcome of an attempt of which something was killed because there was no more memory.

    If that was not the command itself, its exit code still says what it made of it.
    """
    if not outcome.exit_code:
        return outcome
    limit = confinement.memory_limit >> 20
    room = f"its processes may have {limit} MiB together" if limit else "the machine had no more"
    problem = f"out of memory: {room}"
    if outcome.exit_code == 128 + signal.SIGKILL:
        return msgspec.structs.replace(outcome, reason=problem)
    return msgspec.structs.replace(outcome, remark=problem)


class Session(Protocol):
    """A runner made ready for the datums of one job; safe to use from several threads."""

    @property
    def image_digest(self) -> str:
        """Identifies the image exactly; part of every datum's key. Empty when there is none."""
        ...

    def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt to its end.

        When this returns, every process that the attempt started is dead and nothing of it is
        still mounted. User failures are outcomes, never exceptions.

        Raises:
            AttemptLostError: What it ran in went away, and is there again: a restarted engine.
            RunnerError: The runner itself could not do its work (engine gone, no permission).

        Cost: that of the command, and what the runner adds: see ``benchmarks``.
        """
        ...

    def close(self) -> None:
        """Kill what still runs and remove everything the session made. Idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...


class Runner(Protocol):
    """Where transforms run: the local sandbox, Docker, or something of the user's."""

    name: str
    """What it is called where one is asked for, such as ``local``."""

    def digest_of(self, image: str | None) -> str:
        """What identifies the image that a name means now, as `Session.image_digest` does.

        Asked before each job whose session is there already, so it has to be quick.

        Returns:
            Empty when there is no image, or when a session would have to fetch it.

        Raises:
            RunnerError: It cannot be found out now.
        """
        ...

    def session(
        self, image: str | None, *, scratch: Path, confinement: Confinement = UNCONFINED
    ) -> Session:
        """Make ready to run attempts in an image.

        Args:
            image: Name of the image, None for the runner's own default.
            scratch: Private host directory (mode 0700) for whatever the session needs; the inputs,
                outputs and logs of its attempts need not be inside it.
            confinement: What its attempts may use. What a runner cannot hold them to, it refuses.

        Raises:
            RunnerError: The image cannot be had or the runner cannot work here; says what to do.
        """
        ...
