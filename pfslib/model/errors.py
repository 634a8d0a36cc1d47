"""Every error, as one tree, grouped by what a handler would do about it.

::

    PfsError
    ├── NotFoundError            LookupError         name another one        exit 12, ENOENT
    │   ├── RepoNotFoundError · BranchNotFoundError · CommitNotFoundError
    │   ├── PathNotFoundError    FileNotFoundError
    │   └── PipelineNotFoundError · JobNotFoundError · ImageNotFoundError
    ├── StoreNotFoundError       FileNotFoundError   make or name a store    exit 10, ENOENT
    ├── StoreAccessError         PermissionError     be its owner            exit 1,  EACCES
    ├── AlreadyExistsError       FileExistsError     name another one        exit 13, EEXIST
    ├── InvalidInputError        ValueError          mend the call           exit 2,  EINVAL
    │   ├── InvalidNameError · InvalidPathError · InvalidReferenceError · InvalidGlobError
    │   └── InvalidSpecError · UnsupportedFileError
    ├── WrongKindError           OSError             name another one        exit 12, ENOTDIR
    │   └── NotADirectoryInCommitError · IsADirectoryInCommitError
    ├── ConflictError                                read again, then retry  exit 13, EBUSY
    │   ├── HeadMovedError · PathClashError · StillNeededError
    │   └── BranchBusyError                          wait, then retry        exit 11
    ├── StateError                                   use another object      exit 13, EROFS
    │   ├── CommitFinishedError  OSError
    │   ├── StoreClosedError     ValueError
    │   └── CommitOpenError · OutputRepoError
    ├── BusyError                TimeoutError        wait, then retry        exit 11, EAGAIN
    ├── StoreFullError           OSError             make room               exit 1,  ENOSPC
    ├── CorruptionError          OSError             stop; run fsck          exit 14, EIO
    │   └── UnknownFormatError                       use the pfslib of that format
    ├── MountError               OSError             see its sentence        exit 1,  EIO
    └── WorkError                RuntimeError        look at the job         exit 3
        └── JobFailedError · RunnerError

Each error says what, where and what to do next: the message is the first two, the hint the third.
Errors survive pickling, with their attributes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar, Self


class PfsError(Exception):
    """Anything that pfslib raises on purpose.

    Attributes:
        message: What is wrong, and where; one sentence without a full stop.
        hint: What to do next; what its kind says, if it has nothing better. May be empty.
        exit_code: What the command line exits with.
        errno_code: What the mount answers the kernel with.
    """

    exit_code: ClassVar[int] = 1
    errno_code: ClassVar[int] = errno.EIO
    hint: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        if hint:
            self.hint = hint
        if self.hint:
            self.add_note(self.hint)
        _set_errno(self)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__)

    @classmethod
    def _bare(cls, message: str) -> Self:
        # Not `cls.__new__`: with several bases Python looks it up at one whose layout is too small.
        new = OSError.__new__ if OSError in cls.__mro__ else Exception.__new__
        error = new(cls, message)
        error.args = (message,)
        return error


def _rebuild(kind: type[PfsError], message: str, state: dict[str, Any]) -> PfsError:
    error = kind._bare(message)  # noqa: SLF001 - the other half of __reduce__
    error.__dict__.update(state)
    _set_errno(error)
    return error


def _set_errno(error: Exception) -> None:
    """Fill what callers of OSError look at; its own constructor cannot know."""
    if isinstance(error, OSError):
        error.errno = getattr(error, "errno_code", None)
        error.filename = getattr(error, "path", None)


def near_miss(name: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known name; empty when none is near."""
    near = get_close_matches(name, list(known))
    swapped = [other for other in near if sorted(other) == sorted(name)]  # the commonest mistake
    return f"did you mean {(swapped or near)[0]!r}?" if near else ""


# --- name another one ------------------------------------------------------------------------


class NotFoundError(PfsError, LookupError):
    """Something named does not exist."""

    exit_code = 12
    errno_code = errno.ENOENT
    hint = "the commands that begin with list- show what there is"


class RepoNotFoundError(NotFoundError):
    """No repo of that name."""

    def __init__(self, repo: str, known: Iterable[str] = ()) -> None:
        self.repo = repo
        hint = (
            near_miss(repo, known)
            or f"`pfs create-repo {repo}` makes it; `pfs list-repo` lists all"
        )
        super().__init__(f"repo {repo} not found", hint=hint)


class BranchNotFoundError(NotFoundError):
    """No branch of that name in the repo."""

    def __init__(
        self, repo: str, branch: str, known: Iterable[str] = (), *, hint: str = ""
    ) -> None:
        self.repo, self.branch = repo, branch
        known = sorted(known)
        listed = f"its branches: {', '.join(known[:8])}" if known else "it has no commits yet"
        near = near_miss(branch, known) or f"{listed};"
        super().__init__(
            f"branch {branch} not found in repo {repo}", hint=f"{near} {hint}".rstrip("; ")
        )


class CommitNotFoundError(NotFoundError):
    """No commit that the reference means."""

    def __init__(
        self, repo: str, reference: str, known: Iterable[str] = (), *, hint: str = ""
    ) -> None:
        self.repo, self.reference = repo, reference
        hint = hint or near_miss(reference, known) or f"`pfs list-commit {repo}` lists its commits"
        super().__init__(f"commit {reference} not found in repo {repo}", hint=hint)


class PathNotFoundError(NotFoundError, FileNotFoundError):
    """No file or directory at that path of the commit."""

    hint = "`pfs list-file` lists what is there"

    def __init__(self, path: str, where: str = "", *, hint: str = "") -> None:
        self.path, self.where = path, where
        super().__init__(f"file {path} not found" + (f" in {where}" if where else ""), hint=hint)


class PipelineNotFoundError(NotFoundError):
    """No pipeline of that name."""

    def __init__(self, pipeline: str, known: Iterable[str] = ()) -> None:
        self.pipeline = pipeline
        super().__init__(
            f"pipeline {pipeline} not found",
            hint=near_miss(pipeline, known) or "`pfs list-pipeline` lists all",
        )


class JobNotFoundError(NotFoundError):
    """No job of that id."""

    def __init__(self, job: str, *, hint: str = "") -> None:
        self.job = job
        super().__init__(f"job {job} not found", hint=hint or "`pfs list-job` lists all")


class ImageNotFoundError(NotFoundError):
    """No local image of that name in the store."""

    def __init__(self, image: str, known: Iterable[str] = ()) -> None:
        self.image = image
        super().__init__(
            f"image {image} not found in the store",
            hint=near_miss(image, known)
            or f"`pfs create-image {image} DIR` makes it of a directory",
        )


class StoreNotFoundError(PfsError, FileNotFoundError):
    """No store where one was expected."""

    exit_code = 10
    errno_code = errno.ENOENT

    def __init__(self, path: str, problem: str = "holds no store", *, hint: str = "") -> None:
        self.path = path
        super().__init__(
            f"{path} {problem}",
            hint=hint or "`pfs init DIR` makes a store; name one with --store or PFS_STORE",
        )


class StoreAccessError(PfsError, PermissionError):
    """A store of somebody else, or with files of somebody else."""

    errno_code = errno.EACCES

    def __init__(self, path: str, what: str) -> None:
        self.path = path
        super().__init__(
            f"store {path}: {what}",
            hint="a store is for one user, the owner of its directory: be that one (sudo -u), or "
            "have all of it given to you (chown -R)",
        )


class AlreadyExistsError(PfsError, FileExistsError):
    """The name is taken."""

    exit_code = 13
    errno_code = errno.EEXIST
    hint = "use another name"


# --- mend the call ---------------------------------------------------------------------------


class InvalidInputError(PfsError, ValueError):
    """The call cannot mean anything, whatever the store holds."""

    exit_code = 2
    errno_code = errno.EINVAL


class InvalidNameError(InvalidInputError):
    """Not a name for a repo, a branch or a pipeline."""

    def __init__(self, kind: str, name: str, why: str, *, hint: str = "") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind} name {name!r} invalid: {why}", hint=hint)


class InvalidPathError(InvalidInputError):
    """Not a path inside a commit."""

    def __init__(self, path: str, why: str, *, hint: str = "") -> None:
        self.path = path
        hint = hint or "a path is names with '/' between them"
        super().__init__(f"path {path!r} invalid: {why}", hint=hint)


class InvalidReferenceError(InvalidInputError):
    """Not a reference to a commit."""

    def __init__(self, reference: str, why: str) -> None:
        self.reference = reference
        super().__init__(
            f"reference {reference!r} invalid: {why}",
            hint="write repo@branch, repo@commit-id, repo@branch^2, or repo@branch:/path",
        )


class InvalidGlobError(InvalidInputError):
    """Not a glob pattern."""

    hint = "`pfs help glob-file` says what a pattern may be"

    def __init__(self, pattern: str, why: str) -> None:
        self.pattern = pattern
        super().__init__(f"glob {pattern!r} invalid: {why}")


class UnsupportedFileError(InvalidInputError):
    """A host file that cannot be stored: a device, a socket, a link out of its tree."""

    def __init__(self, path: str, why: str, *, hint: str = "") -> None:
        self.path = path
        super().__init__(
            f"{path} {why}", hint=hint or "only files, directories and symbolic links can be stored"
        )


class InvalidSpecError(InvalidInputError):
    """A pipeline spec that cannot be accepted.

    Attributes:
        field: Path of the offending field, such as ``transform.cmd``; empty for the whole document.
    """

    hint = "nothing was changed; `pfs schema pipeline` prints what a spec may hold"

    def __init__(self, why: str, *, field: str = "", hint: str = "") -> None:
        self.field = field
        where = f"pipeline spec, field {field}: " if field else "pipeline spec: "
        super().__init__(where + why, hint=hint)


class WrongKindError(PfsError, OSError):
    """A file where a directory is needed, or the reverse."""

    exit_code = 12
    errno_code = errno.ENOTDIR

    def __init__(self, path: str, problem: str, *, hint: str = "") -> None:
        self.path = path
        super().__init__(f"{path} {problem}", hint=hint)


class NotADirectoryInCommitError(WrongKindError, NotADirectoryError):
    """A directory was needed."""

    def __init__(self, path: str) -> None:
        hint = "it is a file, or a link, and links are not followed; `pfs get-file` prints it"
        super().__init__(path, "is not a directory", hint=hint)


class IsADirectoryInCommitError(WrongKindError, IsADirectoryError):
    """A file was needed."""

    errno_code = errno.EISDIR

    def __init__(self, path: str) -> None:
        hint = "`pfs list-file` lists it, `pfs export` writes all that is in it"
        super().__init__(path, "is a directory", hint=hint)


# --- read again, then retry ------------------------------------------------------------------


class ConflictError(PfsError):
    """Somebody else's change, or need, is in the way."""

    exit_code = 13
    errno_code = errno.EBUSY


class HeadMovedError(ConflictError):
    """The branch is not where the commit was started from."""

    def __init__(self, repo: str, branch: str) -> None:
        self.repo, self.branch = repo, branch
        super().__init__(
            f"branch {branch} of repo {repo} has moved since the commit was started",
            hint="start a new commit on the branch and put the files again",
        )


class BranchBusyError(ConflictError):
    """The branch has an open commit."""

    exit_code = 11

    def __init__(self, repo: str, branch: str, commit: str) -> None:
        self.repo, self.branch, self.commit = repo, branch, commit
        super().__init__(
            f"branch {branch} of repo {repo} has the open commit {commit}",
            hint=f"`pfs finish-commit {repo} {commit}` finishes it, or delete-commit discards it",
        )


class PathClashError(ConflictError):
    """A path would be a file and a directory, come from two datums, or is a link written into."""

    hint = "delete what is there first, or use another path"

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        super().__init__(f"{path}: {why}")


class StillNeededError(ConflictError):
    """What is to be deleted is needed by something else."""


# --- use another object ----------------------------------------------------------------------


class StateError(PfsError):
    """The thing exists but is in the wrong state for this."""

    exit_code = 13
    errno_code = errno.EROFS


class CommitFinishedError(StateError, OSError):
    """A write to a commit that has finished."""

    def __init__(self, repo: str, commit: str, *, hint: str = "") -> None:
        self.repo, self.commit = repo, commit
        super().__init__(
            f"commit {commit} in repo {repo} has already finished",
            hint=hint or f"`pfs start-commit {repo} BRANCH` starts a new one on top",
        )


class CommitOpenError(StateError):
    """Something that only finished commits can do."""

    def __init__(self, repo: str, commit: str) -> None:
        self.repo, self.commit = repo, commit
        super().__init__(
            f"commit {commit} in repo {repo} is still open",
            hint=f"`pfs finish-commit {repo} {commit}` finishes it",
        )


class StoreClosedError(StateError, ValueError):
    """A handle was used after its store was closed; a ValueError, as of a closed file."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"the store {path} is closed", hint="open it again with pfslib.open")


class OutputRepoError(StateError):
    """A user's write into the output repo of a pipeline."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        super().__init__(
            f"repo {repo} is the output of pipeline {repo}: only its jobs commit to it",
            hint="commit to one of the pipeline's input repos",
        )


# --- others ----------------------------------------------------------------------------------


class BusyError(PfsError, TimeoutError):
    """Another process holds what is needed for longer than the wait allowed."""

    exit_code = 11
    errno_code = errno.EAGAIN
    hint = "wait a while, and try again"


class StoreFullError(PfsError, OSError):
    """No room on the disk, or in the map. Everything finished stays readable."""

    errno_code = errno.ENOSPC

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        super().__init__(
            f"store {path} is full: {why}", hint="make room, then go on: nothing finished is lost"
        )


class CorruptionError(PfsError, OSError):
    """Stored bytes are not what was written.

    Attributes:
        file: Path of the damaged file or directory; empty if none was read.
        of: What it is the path in, such as a commit; empty if that is not known.
    """

    exit_code = 14
    hint = "`pfs fsck` says what is damaged"
    file: str = ""
    of: str = ""


class UnknownFormatError(CorruptionError):
    """The store was made by a newer, or a much older, pfslib."""

    def __init__(self, path: str, found: object, known: object) -> None:
        self.path, self.found, self.known = path, found, known
        older = isinstance(found, int) and isinstance(known, int) and found < known
        super().__init__(
            f"store {path} has format {found}, this pfslib knows format {known}",
            hint="export what it holds with the pfslib that made it, and put that into a new store"
            if older
            else "update pfslib: pip install -U pfslib",
        )


class MountError(PfsError, OSError):
    """A mount could not be made or removed."""


class WorkError(PfsError, RuntimeError):
    """Work of the user's went wrong."""

    exit_code = 3


class JobFailedError(WorkError):
    """A job ended without success."""

    def __init__(self, job: str, why: str) -> None:
        self.job = job
        super().__init__(f"job {job} failed: {why}", hint=f"`pfs get-logs {job}` shows its log")


class RunnerError(WorkError):
    """The runner could not do its own part; says nothing about the user's command."""
