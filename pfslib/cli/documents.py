"""What --json prints: one function for each kind of thing.

Keys are stable. Ids are full, sizes are bytes, times are ISO 8601 in UTC, and what does not apply
is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pfslib
from pfslib.cli.states import job_state, pipeline_state
from pfslib.model.paths import to_text
from pfslib.model.times import when

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.differences import DiffEntry
    from pfslib.api.info import (
        BranchInfo,
        FileInfo,
        FoundCommit,
        HeadMove,
        OpenCommitInfo,
        RepoInfo,
        TagInfo,
    )
    from pfslib.maintenance.fsck import FsckReport
    from pfslib.maintenance.gc import GcReport
    from pfslib.maintenance.stats import StoreStats
    from pfslib.model.removal import Removal
    from pfslib.model.work import DatumRecord, Image, Job, Pipeline
    from pfslib.pipelines.datum_listing import Made
    from pfslib.trees.export import Exported

Document = dict[str, object]


def repo_document(repo: RepoInfo) -> Document:
    """A repo."""
    return {
        "name": repo.name,
        "created": _time(repo.created),
        "size_bytes": repo.size,
        "description": repo.description,
        "branches": list(repo.branches),
        "pipeline": repo.pipeline or None,
    }


def branch_document(branch: BranchInfo) -> Document:
    """A branch."""
    return {"name": branch.name, "head": branch.head, "created": _time(branch.created)}


def commit_document(commit: Commit | OpenCommitInfo) -> Document:
    """A commit; of an open one, what will be known when it is finished is null."""
    parent = commit.parent if isinstance(commit, pfslib.OpenCommitInfo) else commit.record.parent
    known = {
        "repo": commit.repo,
        "id": commit.id,
        "branch": commit.branch or None,
        "parent": parent or None,
        "message": commit.message,
        "started": _time(commit.started),
    }
    return {
        **known,
        **(_NOT_YET if isinstance(commit, pfslib.OpenCommitInfo) else _finished(commit)),
    }


_NOT_YET: Document = {
    **dict.fromkeys(("finished", "number", "added_bytes", "size_bytes", "files", "digest")),
    "error": None,
    "provenance": [],
}


def _finished(commit: Commit) -> Document:
    return {
        "finished": _time(commit.finished),
        "number": commit.number,
        "added_bytes": commit.added_bytes,
        "size_bytes": commit.size,
        "files": commit.files,
        "digest": commit.digest,
        "error": commit.error or None,
        "provenance": [{"repo": link.repo, "id": link.id} for link in commit.record.provenance],
    }


def file_document(file: FileInfo) -> Document:
    """A file, directory or link; bytes of the path that are not UTF-8 are lone surrogates."""
    return {
        "path": file.path,
        "type": file.kind,
        "size_bytes": file.size,
        "files": file.files,
        "modified": _time(file.modified),
        "last_commit_modified": file.commit,
        "digest": file.digest,
        "executable": file.executable,
    }


def tag_document(tag: TagInfo) -> Document:
    """A tag."""
    return {"name": tag.name, "commit": tag.commit, "created": _time(tag.created)}


def move_document(move: HeadMove) -> Document:
    """A line of the reflog."""
    return {
        "number": move.number,
        "repo": move.repo,
        "branch": move.branch,
        "old": move.old or None,
        "new": move.new or None,
        "when": _time(move.when),
    }


def inspected_document(commit: Commit | OpenCommitInfo, subvenance: Iterable[Commit]) -> Document:
    """A commit, with those that were made from it itself."""
    links = [{"repo": made.repo, "id": made.id} for made in subvenance]
    return {**commit_document(commit), "subvenance": links}


def found_document(found: FoundCommit) -> Document:
    """A commit that changed a path."""
    return {"op": found.op, "size_bytes": found.size, "commit": commit_document(found.commit)}


def diff_document(entry: DiffEntry) -> Document:
    """A file or link that differs."""
    return {
        "op": entry.op,
        "path": entry.path,
        "type": entry.kind,
        "old_size_bytes": entry.old_size if entry.op != "added" else None,
        "new_size_bytes": entry.new_size if entry.op != "removed" else None,
    }


def exported_document(directory: Path, done: Exported) -> Document:
    """What an export did."""
    return {
        "path": str(directory.absolute()),
        "files": done.files,
        "size_bytes": done.bytes,
        "skipped_files": done.skipped,
    }


def removal_document(removal: Removal, *, dry_run: bool) -> Document:
    """What went, or would go."""
    return {"dry_run": dry_run, **_fields(removal)}


def fsck_document(report: FsckReport) -> Document:
    """What a check found."""
    return {
        "clean": report.clean,
        "read_data": report.read_data,
        "seconds": report.seconds,
        "checked": _fields(report.checked),
        "problems": _fields(report.problems),
    }


def figures_document(figures: GcReport | StoreStats) -> Document:
    """What gc did, or what a store holds: every field has its unit in its name."""
    return _fields(figures)


def pipeline_document(pipeline: Pipeline) -> Document:
    """A pipeline, with its spec as given."""
    return {
        "name": pipeline.name,
        "description": pipeline.description,
        "created": _time_ns(pipeline.created_ns),
        "state": pipeline_state(pipeline),
        "inputs": [
            {
                "name": item.name,
                "repo": item.repo,
                "branch": item.branch or None,
                "glob": item.glob,
            }
            for item in pipeline.inputs
        ],
        "output_repo": pipeline.name,
        "output_branch": pipeline.output_branch or None,
        "spec": json.loads(pipeline.spec) if pipeline.spec else None,
    }


def job_document(job: Job) -> Document:
    """A job."""
    return {
        "id": job.id,
        "pipeline": job.pipeline,
        "state": job_state(job),
        "reason": job.reason or None,
        "inputs": [
            {"name": i.name, "repo": i.repo, "branch": i.branch, "commit": i.commit}
            for i in job.inputs
        ],
        "output_repo": job.pipeline,
        "output_branch": job.output_branch,
        "output_commit": job.output_commit,
        "created": _time_ns(job.created_ns),
        "started": _time_ns(job.started_ns),
        "finished": _time_ns(job.finished_ns),
        "datums": {
            "total": job.counts.total,
            "processed": job.counts.processed,
            "skipped": job.counts.skipped,
            "failed": job.counts.failed,
            "recovered": job.counts.recovered,
        },
    }


def datum_document(record: DatumRecord) -> Document:
    """A datum of a job."""
    return {
        "id": record.key.hex() or None,
        "state": str(record.state),
        "why": record.why or None,
        "reason": record.reason or None,
        "inputs": [
            {
                "name": seen.name,
                "path": "/" + to_text(seen.path),
                "slice": None if seen.end < 0 else [seen.start, seen.end],
            }
            for seen in record.inputs
        ],
        "attempts": record.attempts,
        "exit_code": record.exit_code if record.attempts else None,
        "seconds": record.seconds,
        "input_bytes": record.input_bytes,
        "output_bytes": record.output.size if record.output is not None else 0,
    }


def made_document(made: Made) -> Document:
    """A datum that made a file of an output."""
    return {
        "datum": datum_document(made.datum),
        "job": made.job.id if made.job is not None else None,
        "size_bytes": made.size,
        "made_from": [{"repo": item.repo, "commit": item.commit} for item in made.inputs],
    }


def log_document(log: tuple[int, int, bytes]) -> Document:
    """What one attempt at a datum printed."""
    datum, attempt, data = log
    return {"datum": datum, "attempt": attempt, "text": data.decode("utf-8", "backslashreplace")}


def image_document(image: Image) -> Document:
    """A local image."""
    return {
        "name": image.name,
        "created": _time_ns(image.created_ns),
        "size_bytes": image.root.size,
        "files": image.root.files,
        "digest": image.root.digest.hex(),
    }


def _time(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time_ns(time_ns: int) -> str | None:
    return _time(when(time_ns)) if time_ns else None


def _fields(record: object) -> Document:
    import msgspec  # completion imports this module with most commands, and shows no records

    fields: Document = msgspec.to_builtins(record)
    return fields
