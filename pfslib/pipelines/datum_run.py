"""One datum brought to its end: laid out, tried, collected, recorded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from pfslib.kv.protocol import KV, WriteTxn
from pfslib.kv.tables import id_key
from pfslib.model.errors import MountError, PfsError
from pfslib.model.nodes import Entry
from pfslib.model.work import DatumRecord, DatumResult, DatumState, Pipeline
from pfslib.mounts.mountinfo import is_alive
from pfslib.pipelines.claims import Claim
from pfslib.pipelines.datums import Datum, environment, write_input_tree
from pfslib.pipelines.ledger import add_result, put_datum, put_log
from pfslib.pipelines.runner import Attempt, Outcome, Session
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import Edit, apply_edits
from pfslib.trees.hosttree import read_tree
from pfslib.trees.nodestore import TreeCache

LOG_BYTES_MAX: Final = 1 << 20
"""Of what an attempt prints, this much is kept: its beginning and its end."""


class InputsLostError(MountError):
    """The mount that shows the inputs has died under an attempt."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"the mount of the inputs at {path} has gone while a datum was running")


class DatumRun:
    """Runs the datums of one job, several at once if asked; keeps no state between them."""

    def __init__(
        self,
        kv: KV,
        cache: TreeCache,
        claim: Claim,
        pipeline: Pipeline,
        session: Session,
        inputs_at: Path,
        scratch: Path,
    ) -> None:
        self._kv = kv
        self._cache = cache
        self._claim = claim
        self._pipeline = pipeline
        self._session = session
        self._inputs_at = inputs_at
        self._scratch = scratch

    def run(self, number: int, datum: Datum, key: bytes) -> DatumRecord:
        """Try a datum until it succeeds or its tries are used up.

        Args:
            number: Its place among the datums of the job.
            datum: What it sees.
            key: Its key; a success is stored under it at once, so that no crash repeats it.
        """
        with self._input_tree(datum) as root:
            return self._run(number, datum, key, root)

    def _run(self, number: int, datum: Datum, key: bytes, root: bytes) -> DatumRecord:
        record = DatumRecord(
            key, DatumState.FAILED, tuple((item.name, item.path) for item in datum)
        )
        started = time.monotonic()
        for attempt in range(1, self._pipeline.datum_tries + 1):
            folder = self._scratch / f"{number}-{attempt}"
            out = folder / "out"
            out.mkdir(parents=True)
            try:
                outcome = self._session.run(self._attempt(folder, root, datum, key))
                if not is_alive(self._inputs_at):
                    # Whatever came out was made of inputs that were not there.
                    raise InputsLostError(str(self._inputs_at))
                record = msgspec.structs.replace(
                    record,
                    exit_code=outcome.exit_code,
                    reason=self._why_failed(outcome),
                    attempts=attempt,
                    seconds=time.monotonic() - started,
                )
                record = self._collect(out, folder / "log", number, record)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            if record.state == DatumState.PROCESSED:
                break
        return record

    def stop(self) -> None:
        """Kill what runs; the runs under way return or raise."""
        self._session.close()

    @contextmanager
    def _input_tree(self, datum: Datum) -> Iterator[bytes]:
        """The root of what the datum sees, kept from gc: no commit leads to it."""
        hold = self._kv.hold()
        try:
            with self._kv.write() as txn:
                root = write_input_tree(txn, datum, self._cache)
                hold.add((root,))
            yield root
        finally:
            hold.release()

    def _attempt(self, folder: Path, root: bytes, datum: Datum, key: bytes) -> Attempt:
        transform = self._pipeline.transform
        below = self._inputs_at / root.hex()
        return Attempt(
            inputs={item.name: below / item.name for item in datum},
            out=folder / "out",
            cmd=transform.cmd,
            stdin="".join(f"{line}\n" for line in transform.stdin).encode(),
            env=environment(self._claim.job, self._pipeline, datum, key),
            log=folder / "log",
            working_dir=transform.working_dir or None,
            timeout_s=self._pipeline.datum_timeout_s or None,
        )

    def _why_failed(self, outcome: Outcome) -> str:
        accepted = {0, *self._pipeline.transform.accept_return_code}
        if outcome.exit_code in accepted and not outcome.reason:
            return ""
        return outcome.reason or f"the command exited with code {outcome.exit_code}"

    def _collect(self, out: Path, log: Path, number: int, record: DatumRecord) -> DatumRecord:
        """Take the output and the log into the store; the record, with the verdict."""
        writer = ContentWriter(self._kv)
        edits: list[Edit] = []
        try:
            edits = list(read_tree(out, writer, links_inside=True))
        except (PfsError, OSError) as error:
            reason = record.reason or f"its output cannot be kept: {error}".replace(
                str(out), "/pfs/out"
            )
            record = msgspec.structs.replace(record, reason=reason)
        with writer.writing() as txn:
            root = self._write_output(txn, edits)
            state = DatumState.FAILED if record.reason else DatumState.PROCESSED
            record = msgspec.structs.replace(record, state=state, output=root)
            job = self._claim.job
            put_datum(txn, job.id, number, record)
            put_log(txn, job.id, number, record.attempts, _shortened(log))
            if state == DatumState.PROCESSED:
                add_result(txn, record.key, DatumResult(root, job.id, record.seconds))
                self._claim.count(txn, processed=1)
            elif record.attempts == self._pipeline.datum_tries:
                self._claim.count(txn, failed=1)
        writer.close()
        return record

    def _write_output(self, txn: WriteTxn, edits: list[Edit]) -> Entry:
        now_ns = time.time_ns()
        origin = id_key(self._claim.job.output_commit)
        empty = empty_directory(txn, mtime_ns=now_ns, origin=origin)
        applied = apply_edits(txn, empty, edits, self._cache, origin=origin, now_ns=now_ns)
        return applied.root


def _shortened(log: Path) -> bytes:
    """What was printed; of too much, the beginning and the end."""
    if not log.exists():
        return b""
    size = log.stat().st_size
    with log.open("rb") as file:
        if size <= LOG_BYTES_MAX:
            return file.read()
        head = file.read(LOG_BYTES_MAX // 2)
        file.seek(size - LOG_BYTES_MAX // 2)
        left_out = size - LOG_BYTES_MAX
        return head + b"\n[... %d bytes left out ...]\n" % left_out + file.read()
