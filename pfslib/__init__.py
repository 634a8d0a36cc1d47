"""pfslib: git for data, in your process.

Versioned storage, mounts and pipelines with provenance, without a server. The folders, from the
bottom up, each importing only from those before it::

    model      the nouns: frozen records, names, paths, errors
    kv         ordered bytes to bytes, with transactions: LMDB
    chunks     bytes to deduplicated chunks and back
    trees      directories and files made of chunks
    commits    history, references, provenance
    mounts     a commit as a directory, served by a process of its own (pfsfuse)
    pipelines  commits in, commands in the middle, commits out
    maintenance  what is garbage, what is damaged, what there is
    api        the handles a user holds
    cli        the `pfs` command

The public names are those of `__all__`; each is imported when first used.
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers know it: to import typing would take most of the time

if TYPE_CHECKING:
    from pfslib.api.catalog import Catalog, CatalogEntry, open_catalog
    from pfslib.api.commit import Commit
    from pfslib.api.commit_path import CommitPath
    from pfslib.api.differences import DiffEntry
    from pfslib.api.flush_verbs import Flushed
    from pfslib.api.info import (
        BranchInfo,
        FileInfo,
        FoundCommit,
        HeadMove,
        OpenCommitInfo,
        RepoInfo,
        TagInfo,
    )
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.opening import init, open, recover  # noqa: A004
    from pfslib.api.repo import Repo
    from pfslib.api.status import BranchStatus, MountStatus, PipelineStatus, StoreStatus
    from pfslib.api.store import Store
    from pfslib.api.tree import Tree
    from pfslib.api.tree_source import TreeSource, open_trees
    from pfslib.api.working_copy import WorkingCopy
    from pfslib.maintenance.findings import Problem
    from pfslib.maintenance.fsck import FsckReport
    from pfslib.maintenance.gc import GcReport
    from pfslib.maintenance.stats import StoreStats
    from pfslib.model.errors import (
        AlreadyExistsError,
        BranchBusyError,
        BranchNotFoundError,
        BusyError,
        CommitFinishedError,
        CommitNotFoundError,
        CommitOpenError,
        ConflictError,
        CorruptionError,
        HeadMovedError,
        ImageNotFoundError,
        InvalidGlobError,
        InvalidInputError,
        InvalidNameError,
        InvalidPathError,
        InvalidReferenceError,
        InvalidSpecError,
        IsADirectoryInCommitError,
        JobFailedError,
        JobNotFoundError,
        MountError,
        NotADirectoryInCommitError,
        NotFoundError,
        OutputRepoError,
        PathClashError,
        PathNotFoundError,
        PfsError,
        PipelineNotFoundError,
        RepoNotFoundError,
        RunnerError,
        StateError,
        StillNeededError,
        StoreAccessError,
        StoreClosedError,
        StoreFullError,
        StoreNotFoundError,
        UnknownFormatError,
        UnsupportedFileError,
        WorkError,
        WrongKindError,
    )
    from pfslib.model.nodes import Entry, Kind
    from pfslib.model.removal import Removal
    from pfslib.model.spec_form import (
        CronInput,
        InputSpec,
        PfsInput,
        PipelineName,
        PipelineSpec,
        TransformSpec,
    )
    from pfslib.model.work import DatumRecord, DatumState, Image, Job, JobState, Pipeline
    from pfslib.mounts.mounting import Mounted
    from pfslib.runners.runner import Attempt, Confinement, Outcome, Runner, Session
    from pfslib.trees.export import Exported

_HOME = {
    "StoreStats": "pfslib.maintenance.stats",
    "Problem": "pfslib.maintenance.findings",
    "GcReport": "pfslib.maintenance.gc",
    "FsckReport": "pfslib.maintenance.fsck",
    "Catalog": "pfslib.api.catalog",
    "CatalogEntry": "pfslib.api.catalog",
    "open_catalog": "pfslib.api.catalog",
    "Commit": "pfslib.api.commit",
    "CommitPath": "pfslib.api.commit_path",
    "DiffEntry": "pfslib.api.differences",
    "Flushed": "pfslib.api.flush_verbs",
    "BranchInfo": "pfslib.api.info",
    "FileInfo": "pfslib.api.info",
    "FoundCommit": "pfslib.api.info",
    "HeadMove": "pfslib.api.info",
    "OpenCommitInfo": "pfslib.api.info",
    "RepoInfo": "pfslib.api.info",
    "TagInfo": "pfslib.api.info",
    "OpenCommit": "pfslib.api.open_commit",
    "Repo": "pfslib.api.repo",
    "BranchStatus": "pfslib.api.status",
    "MountStatus": "pfslib.api.status",
    "PipelineStatus": "pfslib.api.status",
    "StoreStatus": "pfslib.api.status",
    "Store": "pfslib.api.store",
    "init": "pfslib.api.opening",
    "open": "pfslib.api.opening",
    "recover": "pfslib.api.opening",
    "Tree": "pfslib.api.tree",
    "TreeSource": "pfslib.api.tree_source",
    "open_trees": "pfslib.api.tree_source",
    "WorkingCopy": "pfslib.api.working_copy",
    "Entry": "pfslib.model.nodes",
    "Kind": "pfslib.model.nodes",
    "Removal": "pfslib.model.removal",
    "CronInput": "pfslib.model.spec_form",
    "InputSpec": "pfslib.model.spec_form",
    "PfsInput": "pfslib.model.spec_form",
    "PipelineName": "pfslib.model.spec_form",
    "PipelineSpec": "pfslib.model.spec_form",
    "TransformSpec": "pfslib.model.spec_form",
    "DatumRecord": "pfslib.model.work",
    "DatumState": "pfslib.model.work",
    "Image": "pfslib.model.work",
    "Job": "pfslib.model.work",
    "JobState": "pfslib.model.work",
    "Pipeline": "pfslib.model.work",
    "Mounted": "pfslib.mounts.mounting",
    "Attempt": "pfslib.runners.runner",
    "Confinement": "pfslib.runners.runner",
    "Outcome": "pfslib.runners.runner",
    "Runner": "pfslib.runners.runner",
    "Session": "pfslib.runners.runner",
    "Exported": "pfslib.trees.export",
    "AlreadyExistsError": "pfslib.model.errors",
    "BranchBusyError": "pfslib.model.errors",
    "BranchNotFoundError": "pfslib.model.errors",
    "BusyError": "pfslib.model.errors",
    "CommitFinishedError": "pfslib.model.errors",
    "CommitNotFoundError": "pfslib.model.errors",
    "CommitOpenError": "pfslib.model.errors",
    "ConflictError": "pfslib.model.errors",
    "CorruptionError": "pfslib.model.errors",
    "HeadMovedError": "pfslib.model.errors",
    "ImageNotFoundError": "pfslib.model.errors",
    "InvalidGlobError": "pfslib.model.errors",
    "InvalidInputError": "pfslib.model.errors",
    "InvalidNameError": "pfslib.model.errors",
    "InvalidPathError": "pfslib.model.errors",
    "InvalidReferenceError": "pfslib.model.errors",
    "InvalidSpecError": "pfslib.model.errors",
    "IsADirectoryInCommitError": "pfslib.model.errors",
    "JobFailedError": "pfslib.model.errors",
    "JobNotFoundError": "pfslib.model.errors",
    "MountError": "pfslib.model.errors",
    "NotADirectoryInCommitError": "pfslib.model.errors",
    "NotFoundError": "pfslib.model.errors",
    "OutputRepoError": "pfslib.model.errors",
    "PathClashError": "pfslib.model.errors",
    "PathNotFoundError": "pfslib.model.errors",
    "PfsError": "pfslib.model.errors",
    "PipelineNotFoundError": "pfslib.model.errors",
    "RepoNotFoundError": "pfslib.model.errors",
    "RunnerError": "pfslib.model.errors",
    "StateError": "pfslib.model.errors",
    "StillNeededError": "pfslib.model.errors",
    "StoreAccessError": "pfslib.model.errors",
    "StoreClosedError": "pfslib.model.errors",
    "StoreFullError": "pfslib.model.errors",
    "StoreNotFoundError": "pfslib.model.errors",
    "UnknownFormatError": "pfslib.model.errors",
    "UnsupportedFileError": "pfslib.model.errors",
    "WorkError": "pfslib.model.errors",
    "WrongKindError": "pfslib.model.errors",
}

__all__ = [
    "AlreadyExistsError",
    "Attempt",
    "BranchBusyError",
    "BranchInfo",
    "BranchNotFoundError",
    "BranchStatus",
    "BusyError",
    "Catalog",
    "CatalogEntry",
    "Commit",
    "CommitFinishedError",
    "CommitNotFoundError",
    "CommitOpenError",
    "CommitPath",
    "Confinement",
    "ConflictError",
    "CorruptionError",
    "CronInput",
    "DatumRecord",
    "DatumState",
    "DiffEntry",
    "Entry",
    "Exported",
    "FileInfo",
    "Flushed",
    "FoundCommit",
    "FsckReport",
    "GcReport",
    "HeadMove",
    "HeadMovedError",
    "Image",
    "ImageNotFoundError",
    "InputSpec",
    "InvalidGlobError",
    "InvalidInputError",
    "InvalidNameError",
    "InvalidPathError",
    "InvalidReferenceError",
    "InvalidSpecError",
    "IsADirectoryInCommitError",
    "Job",
    "JobFailedError",
    "JobNotFoundError",
    "JobState",
    "Kind",
    "MountError",
    "MountStatus",
    "Mounted",
    "NotADirectoryInCommitError",
    "NotFoundError",
    "OpenCommit",
    "OpenCommitInfo",
    "Outcome",
    "OutputRepoError",
    "PathClashError",
    "PathNotFoundError",
    "PfsError",
    "PfsInput",
    "Pipeline",
    "PipelineName",
    "PipelineNotFoundError",
    "PipelineSpec",
    "PipelineStatus",
    "Problem",
    "Removal",
    "Repo",
    "RepoInfo",
    "RepoNotFoundError",
    "Runner",
    "RunnerError",
    "Session",
    "StateError",
    "StillNeededError",
    "Store",
    "StoreAccessError",
    "StoreClosedError",
    "StoreFullError",
    "StoreNotFoundError",
    "StoreStats",
    "StoreStatus",
    "TagInfo",
    "TransformSpec",
    "Tree",
    "TreeSource",
    "UnknownFormatError",
    "UnsupportedFileError",
    "WorkError",
    "WorkingCopy",
    "WrongKindError",
    "__version__",
    "init",
    "open",
    "open_catalog",
    "open_trees",
    "recover",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import pfslib` itself stays cheap."""
    home = _HOME.get(name)
    if home is None:
        msg = f"module 'pfslib' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
