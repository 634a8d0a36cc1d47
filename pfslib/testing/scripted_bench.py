"""Bench: a store whose pipelines run functions of the test, and little pipelines for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pfslib.api.store import Store
from pfslib.model.work import Job
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted

Script = Callable[[Call], Files | int]


class Bench:
    """A store, and functions as the commands of its pipelines.

    Attributes:
        store: The store.
        scripts: What each pipeline runs, by its name.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.scripts: dict[str, Script] = {}
        self.runner = ScriptedRunner(store, lambda call: self.scripts[call.cmd[0]](call))

    def pipeline(self, name: str, script: Script, *repos: str, **more: Any) -> None:  # noqa: ANN401
        """Create a pipeline that runs a function; for the rest see `scripted_spec`."""
        self.scripts[name] = script
        self.store.create_pipeline(scripted_spec(name, *repos, **more))

    def run(self) -> list[Job]:
        """Run what was triggered."""
        return run_scripted(self.store, self.runner)

    def states(self) -> dict[str, list[str]]:
        """The states of all jobs, oldest first, by pipeline."""
        found: dict[str, list[str]] = {}
        for job in reversed(list(self.store.list_job())):
            found.setdefault(job.pipeline, []).append(str(job.state))
        return found


def scripted_spec(name: str, *repos: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A modern spec with the cross of some repos, a datum a top-level entry.

    Args:
        name: The pipeline, and its command.
        repos: Its inputs.
        more: ``glob``, fields of ``transform``, or top-level fields of the spec.
    """
    inputs = [{"pfs": {"repo": repo, "glob": more.pop("glob", "/*")}} for repo in repos]
    return {
        "pipeline": {"name": name},
        "transform": {"cmd": [name], **more.pop("transform", {})},
        "input": inputs[0] if len(inputs) == 1 else {"cross": inputs},
        "datum_tries": 1,
        **more,
    }


def copy(call: Call) -> Files:
    """All that is seen."""
    return {path: data for files in call.inputs.values() for path, data in files.items()}


def glue(call: Call) -> Files:
    """One file that is named by, and holds, all that is seen."""
    texts = [data for _, files in sorted(call.inputs.items()) for _, data in sorted(files.items())]
    return {"/" + b"+".join(texts).decode(): b"+".join(texts)}


def fail_on(word: bytes) -> Script:
    """As `copy`, but failing if any of it has a word."""
    return lambda call: 1 if any(word in d for d in copy(call).values()) else copy(call)


def counts(job: Job) -> tuple[int, int, int, int, int]:
    """Datums of a job: total, processed, skipped, failed, recovered."""
    c = job.counts
    return c.total, c.processed, c.skipped, c.failed, c.recovered
