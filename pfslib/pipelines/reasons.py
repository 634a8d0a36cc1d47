"""Why datums run: what has changed since the job that made the output before, or who wanted it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Final

import msgspec

from pfslib.kv.protocol import ReadTxn
from pfslib.model.work import Pipeline, Work
from pfslib.pipelines.datums import shape_stamp, transform_stamp
from pfslib.pipelines.ledger import find_job, get_pipeline, old_versions
from pfslib.pipelines.works import WorkTree

ASKED: Final = "it was asked to run again"
NO_OUTPUT: Final = "it is new: no job has put anything out before"
NO_RECORD: Final = "it is not known what made the output before: no job, or one that was deleted"
EVERY_JOB: Final = "the spec wants every job to run all of its datums"

_TRANSFORM: Final = (
    "cmd",
    "stdin",
    "env",
    "accept_return_code",
    "working_dir",
    "user",
    "network",
)
"""The fields of a transform that can change what a datum puts out."""


class SpecChanges:
    """What of a pipeline is not what it was when an output was made.

    Args:
        txn: The state to read.
        pipeline: The pipeline.
        work: How the output came about.
        image_digest: The exact image that the transform runs in now.
    """

    def __init__(self, txn: ReadTxn, pipeline: Pipeline, work: Work, image_digest: str) -> None:
        self._now = pipeline
        self._work = work
        self._image_digest = image_digest
        self._same_shape = work.shape == shape_stamp(pipeline)
        self._same_stamp = work.stamp == transform_stamp(pipeline, image_digest)
        self._before = _version_of(txn, pipeline, work.job)

    @property
    def inputs(self) -> str:
        """That the spec reads something else, or otherwise; empty if it does not."""
        before = self._before
        if self._same_shape:
            return ""
        if before is not None:
            merged = msgspec.structs.replace(before, output_merge=self._now.output_merge)
            if shape_stamp(merged) == shape_stamp(self._now):
                return ""
        return f"the inputs of the spec have changed since job {self._work.job}"

    @property
    def output_merge(self) -> str:
        """That outputs are merged otherwise; empty if they are not."""
        if self._same_shape or self.inputs:
            return ""
        return f"output_merge has changed since job {self._work.job}"

    @property
    def transform(self) -> str:
        """That the transform or the image has changed; empty if neither has."""
        before, now = self._before, self._now
        if self._same_stamp:
            return ""
        if before is None:
            return f"the transform or its image has changed since job {self._work.job}"
        if before.salt != now.salt:
            return f"{ASKED} since job {self._work.job}, by an update"
        fields = [
            name
            for name in _TRANSFORM
            if getattr(before.transform, name) != getattr(now.transform, name)
        ]
        changed = [f"the transform ({', '.join(fields)})"] if fields else []
        if not fields or transform_stamp(before, self._image_digest) != self._work.stamp:
            changed.append("the image")
        return f"{' and '.join(changed)} changed after job {self._work.job}"


class Reasons:
    """Tells of each datum of a job why it runs.

    Args:
        changes: What of the spec has changed since the output before; None if nothing is known
            of that.
        work: How the output before came about; None likewise.
        before: The same, as a tree.
        otherwise: What to say if nothing has changed, or nothing is known.
        changed: Gives the order names of the datums that see something else than in `before`, if
            the inputs of the spec are the same.
    """

    def __init__(
        self,
        changes: SpecChanges | None,
        work: Work | None,
        before: WorkTree,
        otherwise: str,
        changed: Callable[[], Collection[bytes]],
    ) -> None:
        self._changes = changes
        self._job = work.job if work is not None else ""
        self._before = before
        self._otherwise = otherwise
        self._list_changed = changed

    def of(self, order: bytes) -> str:
        """Why a datum runs that has no result."""
        if self._changes is None:
            return self._otherwise
        inputs, transform = self._spec
        if not inputs:
            if self._before.key(order) is None:
                return self.new
            if order in self._changed:
                inputs = self.changed
        return ", and ".join(filter(None, (inputs, transform))) or self._otherwise

    @property
    def new(self) -> str:
        """That there was no such datum."""
        return f"it is new: job {self._job} had nothing in its place"

    @property
    def changed(self) -> str:
        """That it sees something else."""
        return f"what it sees is not what it was in job {self._job}"

    @property
    def recovered(self) -> str:
        """That it had failed."""
        return f"it failed, and was recovered, in job {self._job}"

    @cached_property
    def _spec(self) -> tuple[str, str]:
        assert self._changes is not None
        return self._changes.inputs, self._changes.transform

    @cached_property
    def _changed(self) -> Collection[bytes]:
        return self._list_changed()


def _version_of(txn: ReadTxn, pipeline: Pipeline, job_id: str) -> Pipeline | None:
    """The pipeline as it was for a job of its; None if that is not known any more."""
    job = find_job(txn, job_id)
    if job is None:
        return None
    versions = (get_pipeline(txn, pipeline.name), *old_versions(txn, pipeline.name))
    return next((version for version in versions if version.version == job.version), None)
