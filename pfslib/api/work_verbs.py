"""The verbs of a store for pipelines, jobs and local images."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pfslib.api.listing import Listing
from pfslib.model.errors import InvalidSpecError
from pfslib.model.names import check_image_name
from pfslib.model.removal import Removal
from pfslib.model.specs import parse_specs, pipeline_of
from pfslib.model.work import DatumRecord, Image, Job, Pipeline
from pfslib.model.work_pages import jobs_html
from pfslib.pipelines import ledger, manage
from pfslib.pipelines.runner import Runner
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import empty_directory
from pfslib.trees.edit import apply_edits
from pfslib.trees.hosttree import TreeReader

if TYPE_CHECKING:
    from pfslib.kv.protocol import KV
    from pfslib.trees.nodestore import TreeCache

_log = logging.getLogger("pfslib")
_PAGE = 64


class WorkVerbs:
    """Pipelines, jobs and images of a store."""

    path: Path
    kv: KV
    cache: TreeCache

    # --- pipelines -----------------------------------------------------------------------

    def create_pipeline(self, spec: Mapping[str, object] | str | Path) -> list[Pipeline]:
        """Create the pipelines of a spec; commits that are there already become jobs.

        Args:
            spec: One document as a dict; JSON text, of one document or several; or the path of a
                file of such text.

        Returns:
            What was created, in the order of the spec; all of it or, on an error, nothing.

        Raises:
            InvalidSpecError: Not a spec: says which field, or where the JSON breaks.
            AlreadyExistsError: The name is taken.
        """
        if isinstance(spec, Path):
            spec = _text_of(spec)
        pipelines = parse_specs(spec) if isinstance(spec, str) else [pipeline_of(spec)]
        with self.kv.write() as txn:
            return [manage.create_pipeline(txn, pipeline) for pipeline in pipelines]

    def list_pipeline(self) -> list[Pipeline]:
        """All pipelines, by name."""
        with self.kv.read() as txn:
            return list(ledger.list_pipelines(txn))

    def inspect_pipeline(self, name: str) -> Pipeline:
        """One pipeline.

        Raises:
            PipelineNotFoundError: There is none.
        """
        with self.kv.read() as txn:
            return ledger.get_pipeline(txn, name)

    def delete_pipeline(
        self, name: str, *, keep_repo: bool = False, dry_run: bool = False
    ) -> Removal:
        """Remove a pipeline with its jobs and output repo.

        Args:
            name: The pipeline.
            keep_repo: Leave the output where it is; the repo becomes an ordinary one.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            PipelineNotFoundError: There is none.
            StillNeededError: Something was made from its output.
        """
        if dry_run:
            with self.kv.read() as reading:
                return manage.plan_delete_pipeline(reading, name, keep_repo=keep_repo)
        with self.kv.write() as txn:
            removal = manage.plan_delete_pipeline(txn, name, keep_repo=keep_repo)
            manage.delete_pipeline(txn, name, keep_repo=keep_repo)
        return removal

    # --- jobs ----------------------------------------------------------------------------

    def run(
        self,
        *,
        runner: str | Runner = "auto",
        progress: Callable[[Job], None] | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> list[Job]:
        """Run the jobs that commits have triggered, and those that their outputs trigger.

        Returns when nothing is left to run. Several processes may run at once: each job runs in
        one. A job that a killed process left behind goes on here; its finished datums count.

        Args:
            runner: ``auto``: Docker for a pipeline that names an image, unless the store has an
                image of that name or no engine answers, else the local sandbox; ``local``;
                ``docker``; or a runner of one's own.
            progress: Told each job when it starts and when it ends.
            notice: Told, in a sentence and once, what one may not expect; logged if None.

        Returns:
            The jobs this call finished, in order; look at `state`, as they may have failed.

        Raises:
            RunnerError: The runner cannot work here; its jobs stay in the queue.
            MountError: FUSE cannot be used here.
        """
        # Imported here: most uses of a store, and every command of the shell, run nothing.
        from pfslib.pipelines.engine import Engine
        from pfslib.pipelines.runners import RunnerChoice

        choice = RunnerChoice(self.kv, self.path, runner, notice or _log.warning)
        return Engine(self.kv, self.cache, self.path, choice, progress=progress).run_until_idle()

    def list_job(self, pipeline: str = "") -> Listing[Job]:
        """Jobs, newest first; of one pipeline when it is named."""
        return Listing(lambda: self._list_job(pipeline), jobs_html)

    def _list_job(self, pipeline: str) -> Iterator[Job]:
        before: int | None = None
        while True:
            with self.kv.read() as txn:
                if pipeline:
                    ledger.get_pipeline(txn, pipeline)
                rows = ledger.list_jobs(txn, before=before)
                page = [job for job, _ in zip(rows, range(_PAGE), strict=False)]
            yield from (job for job in page if pipeline in {"", job.pipeline})
            if len(page) < _PAGE:
                return
            before = page[-1].number

    def inspect_job(self, job: str) -> Job:
        """One job, by its id or the unique beginning of it.

        Raises:
            JobNotFoundError: There is none.
        """
        with self.kv.read() as txn:
            return ledger.get_job(txn, job)

    def list_datum(self, job: str) -> list[DatumRecord]:
        """The datums that a job ran, in order; those it skipped have no record of their own."""
        with self.kv.read() as txn:
            return list(ledger.list_datums(txn, ledger.get_job(txn, job).id))

    def get_logs(self, job: str) -> Iterator[tuple[int, int, bytes]]:
        """What the job's datums printed: datum number, attempt, bytes (1 MiB at most of each).

        Raises:
            JobNotFoundError: There is none.
        """
        with self.kv.read() as txn:
            return iter(list(ledger.list_logs(txn, ledger.get_job(txn, job).id)))

    # --- images --------------------------------------------------------------------------

    def create_image(self, name: str, directory: str | Path) -> Image:
        """Make a local image of a directory: files the sandbox lays over the machine's own.

        The directory stands for what a Dockerfile would add to its base. It is read now; a new
        call with the name replaces the image.

        Raises:
            UnsupportedFileError: It holds a device, a fifo or a socket.
        """
        check_image_name(name)
        writer = ContentWriter(self.kv)
        edits = list(TreeReader(writer, leave_out=self.path).read(Path(directory), ()))
        now_ns = time.time_ns()
        with writer.writing() as txn:
            empty = empty_directory(txn, mtime_ns=now_ns, origin=b"")
            applied = apply_edits(txn, empty, edits, self.cache, origin=b"", now_ns=now_ns)
            image = Image(name, applied.root, now_ns)
            ledger.put_image(txn, image)
        writer.close()
        return image

    def list_image(self) -> list[Image]:
        """The local images, by name."""
        with self.kv.read() as txn:
            return list(ledger.list_images(txn))

    def delete_image(self, name: str, *, dry_run: bool = False) -> Removal:
        """Remove a local image.

        Args:
            name: The image.
            dry_run: Only say what would go.

        Returns:
            What went, or would.

        Raises:
            ImageNotFoundError: There is none.
        """
        if dry_run:
            with self.kv.read() as reading:
                ledger.get_image(reading, name)
        else:
            with self.kv.write() as txn:
                ledger.delete_image(txn, name)
        return Removal(images=(name,))


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSpecError(f"{path} is not UTF-8: {error}") from error
