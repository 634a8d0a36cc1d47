"""The verbs of a store for pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pfslib.commits.branches import find_branch
from pfslib.commits.refs import get_commit
from pfslib.commits.repos import get_repo
from pfslib.model.errors import InvalidSpecError, PipelineNotFoundError
from pfslib.model.history import Branch
from pfslib.model.inputs import Input
from pfslib.model.removal import Removal
from pfslib.model.spec_form import InputSpec, PipelineSpec
from pfslib.model.specs import parse_specs, pipeline_of
from pfslib.model.work import Pipeline, Seen
from pfslib.pipelines import ledger, manage
from pfslib.pipelines.combine import Datums
from pfslib.pipelines.datums import seen_of

if TYPE_CHECKING:
    from pfslib.api.function_pipelines import FunctionPipeline
    from pfslib.api.store import Store
    from pfslib.kv.protocol import KV, ReadTxn
    from pfslib.trees.nodestore import TreeCache

Spec = PipelineSpec | Mapping[str, object] | str | Path
"""A typed spec; one document as a dict; JSON text, of one document or several; or the path of a
file of such text."""


class _DryRunError(Exception):
    """Takes back what was done in a transaction."""


class PipelineVerbs:
    """Pipelines of a store."""

    kv: KV
    cache: TreeCache

    def create_pipeline(self, spec: Spec, *, dry_run: bool = False) -> list[Pipeline]:
        """Create the pipelines of a spec; commits that are there already become jobs.

        Args:
            spec: A `PipelineSpec`; one document as a dict; JSON text, of one document or several;
                or the path of a file of such text.
            dry_run: Only find out whether it could be done.

        Returns:
            What was created, in the order of the spec; all of it or, on an error, nothing. Their
            ``notes`` say what of the spec means nothing here.

        Raises:
            InvalidSpecError: Not a spec: says which field, or where the JSON breaks.
            AlreadyExistsError: The name is taken.
        """
        pipelines = read_spec(spec)
        made: list[Pipeline] = []
        with suppress(_DryRunError), self.kv.write() as txn:
            made = [manage.create_pipeline(txn, pipeline) for pipeline in pipelines]
            if dry_run:
                raise _DryRunError
        return made

    def pipeline(
        self,
        source: InputSpec | dict[str, Any],
        *,
        name: str = "",
        image: str = "",
        update: bool = True,
        **more: Any,  # noqa: ANN401 - fields of a spec
    ) -> Callable[[Callable[..., Any]], FunctionPipeline]:
        """Make a Python function the transform of a pipeline: a decorator.

        The function is called for each datum, in a process of its own. Its parameters are called as
        the inputs, or ``out``; each is given the path of that directory. Its source becomes part of
        the spec: a changed function runs again, an unchanged one does not.

        Args:
            source: The ``input`` of the spec: ``{"pfs": {"repo": "data", "glob": "/*"}}``.
            name: Name of the pipeline; that of the function if empty.
            image: An image with a ``python3``; without, this very interpreter runs it in the local
                sandbox.
            update: Give a pipeline of that name this function; else that is an error.
            more: Other fields of the spec, such as ``parallelism_spec``.

        Raises:
            InvalidSpecError: Not a spec; or the function uses what cannot be had elsewhere, or is a
                generator or async.
        """
        from pfslib.api.function_pipelines import create

        return lambda function: create(
            cast("Store", self), function, source, name=name, image=image, update=update, more=more
        )

    def update_pipeline(
        self, spec: Spec, *, reprocess: bool | None = None, create: bool = False
    ) -> list[Pipeline]:
        """Give pipelines new specs. Their jobs under way are ended, the heads processed again.

        Args:
            spec: As in `create_pipeline`; its names say which pipelines are meant.
            reprocess: True: every datum runs again. False: datums that have a result of an older
                version keep it, even if the transform has changed. None: those run again whose
                transform or inputs have changed.
            create: Create those that there are not.

        Raises:
            InvalidSpecError: Not a spec, or one that would make a pipeline read its own output.
            PipelineNotFoundError: There is none of that name.
        """
        with self.kv.write() as txn:
            return [
                manage.create_pipeline(txn, pipeline)
                if create and ledger.find_pipeline(txn, pipeline.name) is None
                else manage.update_pipeline(txn, pipeline, reprocess=reprocess)
                for pipeline in read_spec(spec)
            ]

    def rerun_pipeline(self, name: str, *, reprocess: bool = False) -> Pipeline:
        """Process the heads of a pipeline's inputs again, as a new version of the same spec.

        Args:
            name: The pipeline.
            reprocess: Run every datum again, instead of those without a result.

        Raises:
            PipelineNotFoundError: There is none.
        """
        with self.kv.write() as txn:
            pipeline = ledger.get_pipeline(txn, name)
            return manage.update_pipeline(txn, pipeline, reprocess=reprocess or None)

    def stop_pipeline(self, name: str) -> Pipeline:
        """Begin no more jobs of a pipeline; commits go on to queue them.

        Raises:
            PipelineNotFoundError: There is none.
        """
        with self.kv.write() as txn:
            return manage.stop_pipeline(txn, name)

    def start_pipeline(self, name: str) -> Pipeline:
        """Let the jobs of a stopped pipeline run, those that have waited first.

        Raises:
            PipelineNotFoundError: There is none.
        """
        with self.kv.write() as txn:
            return manage.stop_pipeline(txn, name, stopped=False)

    def run_cron(self, name: str) -> int:
        """Make the clocks of a pipeline tick now; how many there are.

        Raises:
            PipelineNotFoundError: There is none.
        """
        from pfslib.pipelines.crons import tick_now

        return tick_now(self.kv, self.cache, name)

    def list_pipeline(self) -> list[Pipeline]:
        """All pipelines, by name."""
        with self.kv.read() as txn:
            return list(ledger.list_pipelines(txn))

    def inspect_pipeline(self, name: str) -> Pipeline:
        """One pipeline; an older version of it by ``name^``, ``name^2`` and so on.

        Raises:
            PipelineNotFoundError: There is none.
        """
        base, _, steps = name.partition("^")
        back = 0 if base == name else int(steps) if steps.isdecimal() else 1 + steps.count("^")
        with self.kv.read() as txn:
            versions = [ledger.get_pipeline(txn, base), *ledger.old_versions(txn, base)]
        if back >= len(versions):
            raise PipelineNotFoundError(name, [version.name for version in versions[:1]])
        return versions[back]

    def list_datum_of(self, spec: Spec) -> Iterator[tuple[str, tuple[Seen, ...]]]:
        """The datums that pipelines would have for the heads of their inputs; nothing is created.

        None, if an input holds nothing yet.

        Args:
            spec: As in `create_pipeline`.

        Yields:
            The pipeline's name, and what the datum sees, in order.

        Raises:
            InvalidSpecError: Not a spec.
            RepoNotFoundError: An input is not there.
        """
        for pipeline in read_spec(spec):
            with self.kv.read() as txn:
                heads = [self._head_of(txn, item) for item in pipeline.inputs]
                roots = [get_commit(txn, head.head).root for head in heads if head is not None]
                if len(roots) == len(heads):
                    datums = Datums(txn, pipeline.inputs, pipeline.combined, self.cache)
                    for row in datums.rows(roots):
                        yield pipeline.name, seen_of(row.datum)

    def _head_of(self, txn: ReadTxn, item: Input) -> Branch | None:
        """The head that an input would be read at; None if there is nothing yet."""
        if item.cron is None:
            get_repo(txn, item.repo)
        return find_branch(txn, item.repo, item.branch or "master")

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


def read_spec(spec: Spec) -> list[Pipeline]:
    """The pipelines that a spec describes.

    Raises:
        InvalidSpecError: It is none.
    """
    if isinstance(spec, Path):
        spec = _text_of(spec)
    return parse_specs(spec) if isinstance(spec, str) else [pipeline_of(spec)]


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSpecError(f"{path} is not UTF-8: {error}") from error
