"""Pipelines whose transform is a Python function."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pfslib.commits.branches import get_branch
from pfslib.commits.refs import get_commit
from pfslib.model.errors import InvalidInputError, InvalidSpecError
from pfslib.model.spec_form import InputSpec
from pfslib.model.specs import pipeline_of
from pfslib.model.work import Pipeline
from pfslib.pipelines.combine import Datums
from pfslib.pipelines.datum_view import input_edits, write_input_tree
from pfslib.pipelines.datums import is_called, seen_of
from pfslib.pipelines.function_source import OUT, parameters_of, program_of
from pfslib.trees.contents import ContentWriter
from pfslib.trees.directories import root_entry
from pfslib.trees.export import export_tree

if TYPE_CHECKING:
    from pfslib.api.store import Store


class FunctionPipeline:
    """A function that is the transform of a pipeline. Calling it calls the function itself.

    Attributes:
        pipeline: The pipeline, as created.
    """

    def __init__(self, store: Store, pipeline: Pipeline, function: Callable[..., Any]) -> None:
        self.pipeline = pipeline
        self._store = store
        self._function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, D102 - the function's own
        return self._function(*args, **kwargs)

    def run_here(self, datum: str = "", *, into: str | Path | None = None) -> Path:
        """Call the function on one datum in this very process, so that a debugger can follow it.

        The datum is that of the inputs' heads; nothing of it is recorded.

        Args:
            datum: What it sees, as `list-datum` prints it or in part, such as `/2024`; the first
                one if empty.
            into: An empty directory for what is written; a temporary one if None.

        Returns:
            The directory that holds what was written, beside which are the inputs.

        Raises:
            InvalidInputError: There is no such datum.
            BranchNotFoundError: An input holds nothing yet.
        """
        trees = self._trees_of(datum)
        place = Path(into) if into is not None else Path(tempfile.mkdtemp(prefix="pfs-datum-"))
        out = place / OUT
        out.mkdir(parents=True)
        store = self._store
        for name, key in trees.items():
            with store.kv.read() as txn:
                root = root_entry(txn, key, store.cache)
                export_tree(txn, root, place / name, store.cache)
        wanted = parameters_of(self._function)
        self._function(**{name: out if name == OUT else place / name for name in wanted})
        return out

    def _trees_of(self, name: str) -> dict[str, bytes]:
        store, pipeline = self._store, self.pipeline
        with store.kv.read() as txn:
            roots = [
                get_commit(txn, get_branch(txn, item.repo, item.branch).head).root
                for item in pipeline.inputs
            ]
            datums = Datums(txn, pipeline.inputs, pipeline.combined, store.cache)
            rows = (row.datum for row in datums.rows(roots))
            found = next((row for row in rows if is_called(seen_of(row), name)), None)
            if found is None:
                raise InvalidInputError(f"pipeline {pipeline.name} has no datum {name!r}")
            writer = ContentWriter(store.kv)
            edits = input_edits(txn, found, writer, store.cache)
        with writer.writing() as writing:
            return write_input_tree(writing, found, edits, store.cache)


def create(
    store: Store,
    function: Callable[..., Any],
    source: InputSpec | dict[str, Any],
    *,
    name: str,
    image: str,
    update: bool,
    more: dict[str, Any],
) -> FunctionPipeline:
    """See `Store.pipeline`."""
    document = msgspec.to_builtins(source) if isinstance(source, InputSpec) else source
    spec = {
        "pipeline": {"name": name or function.__name__},
        "description": (function.__doc__ or "").strip().partition("\n")[0],
        "transform": {
            # From standard input, so that the program is in the spec and nowhere else.
            "cmd": ["python3", "-"] if image else [sys.executable, "-"],
            "stdin": program_of(function),
            "image": image,
            **more.pop("transform", {}),
        },
        "input": document,
        **more,
    }
    unknown = set(parameters_of(function)) - {OUT, *(i.name for i in pipeline_of(spec).inputs)}
    if unknown:
        raise InvalidSpecError(
            f"{function.__name__} has the parameter {min(unknown)}, which is no input",
            hint=f"parameters are called as inputs, or {OUT}",
        )
    made = store.update_pipeline(spec, create=True) if update else store.create_pipeline(spec)
    return FunctionPipeline(store, made[0], function)
