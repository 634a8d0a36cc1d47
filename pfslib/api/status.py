"""Store.status: what there is and what is going on, at a glance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from pfslib.api.commit import Commit
from pfslib.api.copy_origin import list_copies
from pfslib.api.info import OpenCommitInfo, RepoInfo
from pfslib.commits.branches import list_branches
from pfslib.commits.refs import find_commit, get_commit
from pfslib.commits.repos import list_repos
from pfslib.kv.protocol import ReadTxn
from pfslib.model.work import Job, Pipeline
from pfslib.mounts.mountinfo import kernel_mounts, states_of
from pfslib.pipelines import ledger

if TYPE_CHECKING:
    from pfslib.api.store import Store

_LOOKED_BACK: Final = 100
_COMMIT_OF_A_MOUNT: Final = re.compile(r"@([0-9a-f]{32})(?![0-9a-f])")


class BranchStatus(msgspec.Struct, frozen=True):
    """A branch with its newest commit."""

    repo: str
    """Where it is."""

    name: str
    """What it is called."""

    head: Commit
    """Its newest commit."""


class PipelineStatus(msgspec.Struct, frozen=True):
    """A pipeline with its newest job."""

    pipeline: Pipeline
    """The pipeline."""

    newest_job: Job | None
    """None if it is none of the store's 100 newest jobs."""


class MountStatus(msgspec.Struct, frozen=True):
    """A directory that shows a commit, several, or the store; or a working copy of a branch."""

    path: Path
    """The directory."""

    source: str
    """What it shows, as ``mount`` and ``df`` say it."""

    state: str
    """``running``, ``dead`` without a server, ``hung`` when that is silent; or ``working copy``."""


class StoreStatus(msgspec.Struct, frozen=True):
    """What a store holds and what is going on in it, of one moment."""

    path: Path
    """The store's directory."""

    file_bytes: int
    """Size of the store's file."""

    used_bytes: int
    """How much of it is in use; the rest is used again before it grows."""

    repos: tuple[RepoInfo, ...]
    """All, by name."""

    branches: tuple[BranchStatus, ...]
    """All, by repo and name."""

    open_commits: tuple[OpenCommitInfo, ...]
    """All, by repo."""

    pipelines: tuple[PipelineStatus, ...]
    """All, by name."""

    jobs: tuple[Job, ...]
    """Those that run or wait, oldest first."""

    mounts: tuple[MountStatus, ...]
    """Of the store itself, or of commits that are in it, as far as this user can see them; then the
    working copies."""


def look_at(store: Store) -> StoreStatus:
    """See `Store.status`."""
    room = store.kv.room()
    mounted = {mount.path: mount.source for mount in kernel_mounts() if mount.is_pfs}
    with store.kv.read() as txn:
        repos = list(list_repos(txn))
        ours = [path for path in sorted(mounted) if _shows(txn, mounted[path], store.path)]
        seen = StoreStatus(
            path=store.path,
            file_bytes=room.file,
            used_bytes=room.used,
            repos=tuple(RepoInfo.of(txn, repo) for repo in repos),
            branches=tuple(
                BranchStatus(repo.name, branch.name, Commit(store, get_commit(txn, branch.head)))
                for repo in repos
                for branch in list_branches(txn, repo.name)
            ),
            open_commits=tuple(
                info for repo in repos for info in OpenCommitInfo.of_repo(txn, repo.name)
            ),
            pipelines=tuple(_pipelines(txn)),
            jobs=tuple(ledger.queued_jobs(txn)),
            mounts=(),
        )
    # Asked outside the transaction, and of this store's alone, because a server may let us wait.
    states = zip(ours, states_of(ours), strict=True)
    mounts = [MountStatus(path, mounted[path], str(state)) for path, state in states]
    copies = [
        MountStatus(path, f"pfs:{origin.shown}", "working copy")
        for path, origin in list_copies(store.path)
    ]
    return msgspec.structs.replace(seen, mounts=(*mounts, *copies))


def _pipelines(txn: ReadTxn) -> Iterator[PipelineStatus]:
    newest: dict[str, Job] = {}
    for job in islice(ledger.list_jobs(txn), _LOOKED_BACK):
        newest.setdefault(job.pipeline, job)
    for pipeline in ledger.list_pipelines(txn):
        yield PipelineStatus(pipeline, newest.get(pipeline.name))


def _shows(txn: ReadTxn, source: str, store: Path) -> bool:
    """Whether a mount shows a store, or commits of it, by what it says of itself."""
    commits = _COMMIT_OF_A_MOUNT.findall(source)
    return source == f"pfs:{store}" or any(find_commit(txn, commit) for commit in commits)
