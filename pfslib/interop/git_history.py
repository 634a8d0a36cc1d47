"""The history of a git repository as commits of a repo."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

from pfslib.api.commit import Commit
from pfslib.api.open_commit import OpenCommit
from pfslib.api.repo import Repo
from pfslib.interop.git_program import GitProgram
from pfslib.model.errors import BranchNotFoundError, ConflictError, InvalidInputError
from pfslib.model.host_paths import host_path
from pfslib.model.nodes import Kind
from pfslib.model.paths import to_text

_KINDS: Final = {b"100644": Kind.FILE, b"100755": Kind.EXECUTABLE, b"120000": Kind.SYMLINK}
_GONE: Final = b"000000"
_MARK: Final = re.compile(r"^git-commit: ([0-9a-f]{40,64})$", re.MULTILINE)
_ENCODING: Final = re.compile(rb"^encoding ([!-~]+)$", re.MULTILINE)
_BLOCK: Final = 1 << 20
_MESSAGE_MAX: Final = 32 << 10


class _Change(NamedTuple):
    mode: bytes
    blob: str
    path: str


class _Step(NamedTuple):
    """A git commit, and how it differs from its first parent."""

    commit: str
    changes: list[_Change]


def import_git(
    repo: Repo, directory: str | os.PathLike[str], ref: str = "HEAD", *, branch: str = "master"
) -> list[Commit]:
    """Make each commit of a git history one of a repo, with its message, author and date.

    The history is that of first parents: a merge is one commit that brings what was merged. Files
    keep their modes, and have the time of the commit that last changed them; links are links;
    submodules are left out. Each message ends with a line ``git-commit: SHA``. By that the next
    call goes on where this one ended, also when it was interrupted.

    Args:
        repo: Takes the commits.
        directory: The git repository, bare or with a work tree.
        ref: Whose history: one commit's, not a range.
        branch: The branch that takes the commits.

    Returns:
        The new commits, oldest first.

    Raises:
        InvalidInputError: No git repository, no such ref, or no git to read it with.
        ConflictError: The head of the branch came from another history.

    Cost: one read of each version of each file, and a commit's sync for each commit.
    """
    git = GitProgram(host_path(directory))
    if ref.startswith("^"):
        raise InvalidInputError(f"git says: {ref} means what is not in a history")
    (head,) = git.lines("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    wanted = git.lines("rev-list", "--first-parent", "--reverse", head, "--")
    done = _imported(repo, branch)
    if done:
        if done not in wanted:
            raise ConflictError(
                f"branch {branch} of repo {repo.name} ends with git commit {done[:12]}, which is"
                f" not in the history of {ref}",
                hint="import to another branch",
            )
        wanted = wanted[wanted.index(done) + 1 :]
    with _Objects(git) as objects:
        return [_commit(repo, branch, objects, step) for step in _steps(git, wanted)]


def _imported(repo: Repo, branch: str) -> str:
    """The git commit that the head of a branch was made from; empty if there is no head."""
    try:
        head = next(repo.list_commit(branch, newest_first=True), None)
    except BranchNotFoundError:
        return ""
    if head is None:
        return ""
    marks = _MARK.findall(head.message)
    if not marks:
        raise ConflictError(
            f"branch {branch} of repo {repo.name} ends with a commit that came from no git",
            hint="import to a branch of its own",
        )
    return str(marks[-1])


def _commit(repo: Repo, branch: str, objects: _Objects, step: _Step) -> Commit:
    message, moment = _told(_decoded(objects.read(step.commit)), step.commit)
    with repo.commit(branch, message=message, allow_empty=True) as commit:
        # What goes, first: a file may become a directory.
        for change in step.changes:
            if change.mode not in _KINDS:
                commit.delete_file(change.path, missing_ok=True)
        for change in step.changes:
            if change.mode in _KINDS:
                _put(commit, objects, change, moment)
    assert commit.commit is not None  # also when nothing has changed
    return commit.commit


def _put(commit: OpenCommit, objects: _Objects, change: _Change, moment: datetime) -> None:
    blocks = objects.stream(change.blob)
    commit.put_entry(change.path, blocks, _KINDS[change.mode], modified=moment)


def _decoded(about: bytes) -> str:
    """What git keeps of a commit, in the encoding that it says."""
    said = _ENCODING.search(about.partition(b"\n\n")[0])
    try:
        return about.decode(said[1].decode("ascii") if said else "utf-8", "replace")
    except LookupError:  # Python knows none of that name
        return about.decode("utf-8", "replace")


def _told(about: str, sha: str) -> tuple[str, datetime]:
    """The message of a commit, and when it was made."""
    head, _, message = about.partition("\n\n")
    fields = dict(line.split(" ", 1) for line in reversed(head.split("\n")) if " " in line)
    author, written = _who(fields.get("author", ""))
    _, moment = _who(fields.get("committer", ""))
    message = message.strip().encode()[:_MESSAGE_MAX].decode("utf-8", "ignore")
    notes = [f"git-author: {author}", f"git-date: {moment.isoformat()}", f"git-commit: {sha}"]
    if written.isoformat() != moment.isoformat():
        notes.insert(1, f"git-author-date: {written.isoformat()}")
    return "\n".join([message, "", *notes]).strip(), moment


def _who(field: str) -> tuple[str, datetime]:
    """``Name <address> seconds zone`` taken apart."""
    match = re.fullmatch(r"(.*) (-?\d{1,11}) ([+-])(\d\d)(\d\d)", field)
    if match is None:
        return field, datetime.fromtimestamp(0, UTC)
    who, seconds, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours) % 24, minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return who, datetime.fromtimestamp(int(seconds), timezone(offset))


def _steps(git: GitProgram, commits: list[str]) -> Iterator[_Step]:
    """Commits with their changes, in the order given."""
    for commit in commits:
        # One call for each: a commit of ours takes longer, and this way none is read ahead.
        arguments = ["--root", "-r", "--raw", "-z", "--no-renames", "-m", "--first-parent"]
        raw = git.output("diff-tree", "--no-commit-id", *arguments, commit)
        fields = raw.split(b"\0")[:-1]
        yield _Step(commit, [_change(*pair) for pair in zip(*[iter(fields)] * 2, strict=True)])


def _change(meta: bytes, path: bytes) -> _Change:
    _, mode, _, blob, _ = meta.split(b" ")
    return _Change(mode, blob.decode(), to_text(path))


class _Objects:
    """Contents by name, from one process of git."""

    def __init__(self, git: GitProgram) -> None:
        self._process = git.start("cat-file", "--batch", stdin=subprocess.PIPE)

    def __enter__(self) -> _Objects:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def read(self, name: str) -> bytes:
        """A small object."""
        return b"".join(self.stream(name))

    def stream(self, name: str) -> Iterator[bytes]:
        """An object, in blocks; to be read to its end.

        Raises:
            InvalidInputError: The repository lacks it.
        """
        asked, answer = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answer is not None
        asked.write(f"{name}\n".encode())
        asked.flush()
        head = answer.readline().split()
        if len(head) != 3:  # noqa: PLR2004 - name, type, size
            raise InvalidInputError(
                f"the git repository lacks object {name}", hint="fetch all of its history"
            )
        left = int(head[2])
        while left:
            block = answer.read(min(left, _BLOCK))
            if not block:
                raise InvalidInputError(f"git ended in the middle of object {name}")
            left -= len(block)
            yield block
        answer.read(1)  # a newline
