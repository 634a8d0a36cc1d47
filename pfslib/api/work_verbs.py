"""The verbs of a store for all that has to do with work."""

from __future__ import annotations

from pfslib.api.flush_verbs import FlushVerbs
from pfslib.api.image_verbs import ImageVerbs
from pfslib.api.job_verbs import JobVerbs
from pfslib.api.pipeline_verbs import PipelineVerbs


class WorkVerbs(PipelineVerbs, JobVerbs, FlushVerbs, ImageVerbs):
    """Pipelines, jobs and images of a store."""
