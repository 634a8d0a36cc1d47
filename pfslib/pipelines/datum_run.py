"""One datum brought to its end: laid out, tried, collected, recorded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, NamedTuple

import msgspec

from pfslib.kv.protocol import KV, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.errors import MountError, RunnerError
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_plain
from pfslib.model.work import DatumRecord, DatumResult, DatumState, Pipeline
from pfslib.pipelines.claims import Claim
from pfslib.pipelines.clearing import clear_away
from pfslib.pipelines.collecting import read_output
from pfslib.pipelines.datum_variables import LISTS, lists_of, variables_of
from pfslib.pipelines.datum_view import input_edits, write_input_tree
from pfslib.pipelines.datums import seen_of
from pfslib.pipelines.leases import POLL_S, end_lease, take_lease
from pfslib.pipelines.ledger import find_result, put_datum, put_log, put_result
from pfslib.pipelines.output_inspector import InputTrees
from pfslib.pipelines.plan import Task
from pfslib.pipelines.workshop import ShownTrees
from pfslib.runners.bounded_log import read_kept
from pfslib.runners.runner import Attempt, AttemptLostError, Outcome, Session
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, apply_edits
from pfslib.trees.nodestore import TreeCache

_log = logging.getLogger("pfslib")

_LOST_MAX: Final = 5
"""So often an attempt is made again that was lost through no fault of its own."""

_SENTENCE_MAX: Final = 2000
"""Characters."""


class InputsLostError(MountError):
    """The mount that shows the inputs has died under an attempt."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"the mount of the inputs at {path} has gone while a datum was running")


class DatumStoppedError(Exception):
    """The job is to end, or to be given back; the datum was not begun."""


class Turn(NamedTuple):
    """When the command of a datum may begin: none overtakes that of the datum before it."""

    before: threading.Event
    """Set when the command of the datum before it has begun, or need not be waited for."""

    begun: threading.Event
    """The same of this one; `DatumRun.run` sets it in any case."""


class DatumRun:
    """Runs the datums of one job, several at once if asked; keeps no state between them.

    As many commands run at once as the spec says. Called by more threads, one datum is laid out, or
    taken into the store, while the command of another runs: both wait for the disk.
    """

    def __init__(
        self,
        kv: KV,
        cache: TreeCache,
        claim: Claim,
        pipeline: Pipeline,
        session: Session,
        trees: ShownTrees,
        scratch: Path,
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._claim = claim
        self._pipeline = pipeline
        self._session = session
        self._trees = trees
        self._scratch = scratch
        self._stopped = threading.Event()
        self._is_for_good = False
        self._running = threading.Semaphore(pipeline.parallelism)

    def run(self, task: Task, turn: Turn) -> DatumRecord:
        """Try a datum until it succeeds or its tries are used up.

        A success is stored under the datum's key at once, so that no crash repeats it. If another
        job, of whatever process, is at a datum of the same key, that one's result is waited for;
        the datums that come after this one do not wait with it.

        Returns:
            What became of it; skipped, when a result came from elsewhere meanwhile.

        Raises:
            ClaimLostError: The job belongs to another process by now.
            DatumStoppedError: Stopped before its command ran.
            InputsLostError: What the attempt read went away under it; it counts for nothing.
            RunnerError: The runner is unable to work.
        """
        try:
            return self._run(task, turn)
        finally:
            turn.begun.set()

    def stop(self, *, for_good: bool) -> None:
        """Kill what runs; the runs under way return or raise.

        Args:
            for_good: Whether nobody goes on with the job, so that what they printed is kept.
        """
        self._is_for_good = for_good
        self._stopped.set()
        self._session.close()

    def _run(self, task: Task, turn: Turn) -> DatumRecord:
        record = DatumRecord(task.key, DatumState.FAILED, seen_of(task.datum), why=task.why)
        with self._laid_out(task, turn) as laid_out:
            if isinstance(laid_out, DatumResult):
                return msgspec.structs.replace(
                    record, state=DatumState.SKIPPED, output=laid_out.output
                )
            record = msgspec.structs.replace(
                record, input_bytes=sum(item.size for item in task.datum)
            )
            for attempt in range(1, self._pipeline.datum_tries + 1):
                record = self._try_until_not_lost(task, laid_out, attempt, record, turn)
                if record.state == DatumState.PROCESSED:
                    break
        return record

    # --- before --------------------------------------------------------------------------

    @contextmanager
    def _laid_out(self, task: Task, turn: Turn) -> Iterator[dict[str, bytes] | DatumResult]:
        """What the datum sees, kept from gc, for no commit leads to it; or a result for it.

        One transaction takes the lease and writes the few nodes that the view consists of.
        """
        writer = ContentWriter(self._kv)
        hold = self._kv.hold()
        try:
            with self._kv.read() as txn:
                edits = input_edits(txn, task.datum, writer, self._cache)
            found: dict[str, bytes] | DatumResult | None = None
            while found is None:
                with writer.writing() as writing:
                    own = self._claim.job.id if self._is_forced(task) else ""
                    found = find_result(writing, task.key, of_job=own)
                    if found is None and take_lease(writing, task.key, self._claim.job):
                        found = write_input_tree(writing, task.datum, edits, self._cache)
                        hold.add(found.values())
                if found is None:
                    turn.begun.set()
                    if self._stopped.wait(POLL_S):
                        raise DatumStoppedError
            yield found
        finally:
            hold.release()
            writer.close()

    def _is_forced(self, task: Task) -> bool:
        forced = self._claim.job.forced
        return self._pipeline.every_job or forced is None or task.key in forced

    # --- one attempt ---------------------------------------------------------------------

    def _try_until_not_lost(
        self, task: Task, trees: dict[str, bytes], number: int, record: DatumRecord, turn: Turn
    ) -> DatumRecord:
        for _ in range(_LOST_MAX):
            try:
                return self._try(task, trees, number, record, turn)
            except AttemptLostError as lost:
                _log.warning("an attempt is made again: %s", lost)
        return self._try(task, trees, number, record, turn)

    def _try(
        self, task: Task, trees: dict[str, bytes], number: int, record: DatumRecord, turn: Turn
    ) -> DatumRecord:
        self._scratch.mkdir(parents=True, exist_ok=True)
        # Of a new name each time, in case one before could not be removed. `log_reader` reads it.
        folder = Path(mkdtemp(prefix=f"{task.number}-{number}-", dir=self._scratch))
        (folder / "out").mkdir()
        try:
            attempt = self._attempt(folder, trees, task)
            turn.before.wait()
            with self._running:
                turn.begun.set()
                if self._stopped.is_set():
                    raise DatumStoppedError
                started = time.monotonic()
                with self._log_kept(task, number, attempt.log):
                    outcome = self._session.run(attempt)
                recovered = bool(self._why_failed(outcome)) and self._recovers(attempt)
            if not self._trees.alive:
                raise InputsLostError(str(self._trees.path))
            record = msgspec.structs.replace(
                record,
                exit_code=outcome.exit_code,
                reason=self._why_failed(outcome),
                attempts=number,
                seconds=time.monotonic() - started,
            )
            return self._collect(folder, task, trees, record, recovered=recovered)
        finally:
            clear_away(folder)

    @contextmanager
    def _log_kept(self, task: Task, number: int, log: Path) -> Iterator[None]:
        """Keeps what an attempt printed that ends with its job; it has no record otherwise."""
        try:
            yield
        except RunnerError:
            if self._is_for_good:
                with self._kv.write() as txn:
                    self._claim.check(txn)
                    put_log(txn, self._claim.job.id, task.number, number, read_kept(log))
            raise

    def _attempt(self, folder: Path, trees: dict[str, bytes], task: Task) -> Attempt:
        transform = self._pipeline.transform
        inputs = {name: self._trees.path / key.hex() for name, key in trees.items()}
        if lists := lists_of(task.datum):
            inputs[LISTS] = _written(folder / "paths", lists)
        return Attempt(
            inputs=inputs,
            out=folder / "out",
            cmd=transform.cmd,
            stdin=_lines(transform.stdin),
            env=variables_of(self._claim.job, self._pipeline, task.datum, task.key),
            log=folder / "log",
            working_dir=transform.working_dir or None,
            timeout_s=self._pipeline.datum_timeout_s or None,
        )

    def _recovers(self, failed: Attempt) -> bool:
        """Whether the spec's error command, on the same view, says that the failure may be."""
        transform = self._pipeline.transform
        if not transform.err_cmd:
            return False
        attempt = msgspec.structs.replace(
            failed, cmd=transform.err_cmd, stdin=_lines(transform.err_stdin)
        )
        outcome = self._session.run(attempt)
        return outcome.exit_code == 0 and not outcome.reason

    def _why_failed(self, outcome: Outcome) -> str:
        accepted = {0, *self._pipeline.transform.accept_return_code}
        if outcome.exit_code in accepted and not outcome.reason:
            return ""
        reason = outcome.reason or f"the command exited with code {outcome.exit_code}"
        return _shortened(f"{reason}; {outcome.remark}" if outcome.remark else reason)

    # --- after ---------------------------------------------------------------------------

    def _collect(
        self,
        folder: Path,
        task: Task,
        trees: dict[str, bytes],
        record: DatumRecord,
        *,
        recovered: bool,
    ) -> DatumRecord:
        """Take the output and the log into the store; the record, with the verdict."""
        writer = ContentWriter(self._kv)
        try:
            edits, problem = read_output(
                folder / "out", writer, InputTrees(self._kv, trees, self._cache)
            )
            record = msgspec.structs.replace(record, reason=record.reason or _shortened(problem))
            with writer.writing() as txn:
                root = self._write_output(txn, edits)
                record = msgspec.structs.replace(
                    record, state=self._state(record, recovered=recovered), output=root
                )
                self._record(txn, task, record, folder / "log")
        finally:
            writer.close()
        return record

    def _state(self, record: DatumRecord, *, recovered: bool) -> DatumState:
        if not record.reason:
            return DatumState.PROCESSED
        is_last = record.attempts == self._pipeline.datum_tries
        return DatumState.RECOVERED if recovered and is_last else DatumState.FAILED

    def _record(self, txn: WriteTxn, task: Task, record: DatumRecord, log: Path) -> None:
        """Whatever became of an attempt; of the last one, in the counts of the job, too."""
        job = self._claim.job
        put_datum(txn, job.id, task.number, record)
        put_log(txn, job.id, task.number, record.attempts, read_kept(log))
        if record.state == DatumState.PROCESSED:
            assert record.output is not None
            result = DatumResult(
                record.output, job.id, record.seconds, record.inputs, record.attempts
            )
            put_result(txn, record.key, result, replace=self._is_forced(task))
            self._claim.count(txn, processed=1)
        elif record.attempts < self._pipeline.datum_tries:
            self._claim.check(txn)
            return
        else:
            self._claim.count(txn, **{str(record.state): 1})
        end_lease(txn, record.key, job)

    def _write_output(self, txn: WriteTxn, edits: list[Edit]) -> Entry:
        now_ns = time.time_ns()
        origin = id_key(self._claim.job.output_commit)
        empty = empty_directory(txn, mtime_ns=now_ns, origin=origin)
        return apply_edits(txn, empty, edits, self._cache, origin=origin, now_ns=now_ns).root


def _shortened(sentence: str) -> str:
    """A sentence that is told with every listing, so not with a name of megabytes in it."""
    half, sentence = _SENTENCE_MAX // 2, to_plain(sentence)
    return sentence if len(sentence) <= _SENTENCE_MAX else f"{sentence[:half]} … {sentence[-half:]}"


def _written(directory: Path, files: Mapping[str, bytes]) -> Path:
    """A directory of files, which others may read, too: an image may have a user of its own."""
    directory.mkdir()
    directory.chmod(0o755)
    for name, content in files.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o644)
    return directory


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
