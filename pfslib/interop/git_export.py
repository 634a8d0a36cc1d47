"""The commits of a branch as the history of a git repository."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import IO, Final

from pfslib.api.commit import Commit
from pfslib.api.repo import Repo
from pfslib.interop.git_program import GitProgram, make_bare
from pfslib.model.errors import BusyError, ConflictError, InvalidInputError, PfsError
from pfslib.model.host_paths import host_path

_MARK: Final = re.compile(r"^pfs-commit: ([0-9a-f]{32})$", re.MULTILINE)
# What git takes as one; another is none, or the branch could never be exported.
_AUTHOR: Final = re.compile(r"^git-author: ((?:[^<>\n\0]+ )?<[^<>\n\0]*>)$", re.MULTILINE)
_ZONE: Final = re.compile(r"[+-](?:0\d|1[0-3])\d\d")  # fast-import takes none beyond 14 hours
_NOBODY: Final = "pfslib <pfslib>"


def export_git(
    repo: Repo, directory: str | os.PathLike[str], branch: str = "master"
) -> list[Commit]:
    """Make each commit of a branch one of a git repository's branch of the same name.

    Files keep their modes, links are links. What came from git keeps its author and dates; the date
    of another commit is when it was finished, its author ``pfslib``. The committer is whom git was
    told to be (``user.name``, ``user.email``), or else ``pfslib``, too. Each message ends with a
    line ``pfs-commit: ID``; by that the next call goes on where this one ended. The new commits
    appear together or not at all.

    Args:
        repo: Whose commits.
        directory: The git repository, bare or with a work tree, which is left alone and has
            another branch checked out; made, bare, when nothing is there.
        branch: Which commits: the head with all its ancestors.

    Returns:
        The commits that were new to git, oldest first.

    Raises:
        InvalidInputError: No git repository, no git, or a name that git does not take.
        ConflictError: The git branch has a head that came from another history, or got one now,
            or is checked out.
        BusyError: Another git is about to move the branch.
        BranchNotFoundError: The repo has no such branch.

    Cost: reading what each commit changed.
    """
    target = host_path(directory)
    wanted = repo.list_commit(branch, newest_first=True)
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        make_bare(target)
    git = GitProgram(target)
    ref = f"refs/heads/{branch}"
    # The branches below it, too, if there are any.
    refs = git.lines("for-each-ref", "--format=%(refname) %(objectname)", ref)
    head = dict(line.split() for line in refs).get(ref, "")
    new = _new_since(head and _exported(git, head, ref), wanted, ref)
    if new:
        _check_not_checked_out(git, ref)
        _import(git, _stream(new, ref, head, _committer(git)))
    return new


def _committer(git: GitProgram) -> str:
    """Whom git was told to be; nobody, if it would have to guess by the names of user and host."""
    with suppress(InvalidInputError):
        said = git.output("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        return said.decode("utf-8", "replace").rpartition(">")[0] + ">"
    return _NOBODY


def _check_not_checked_out(git: GitProgram, ref: str) -> None:
    """Refuse what git refuses of a push: the next commit there would take all of it back."""
    if f"branch {ref}" in git.lines("worktree", "list", "--porcelain"):
        raise ConflictError(
            f"{ref} is checked out in {git.directory}",
            hint="check out another branch there, or export to a bare repository",
        )


def _exported(git: GitProgram, head: str, ref: str) -> str:
    """The commit that a git commit was made from."""
    message = git.output("show", "-s", "--format=%B", head).decode("utf-8", "replace")
    mark = _last(_MARK, message)
    if not mark:
        raise ConflictError(
            f"{ref} ends with a commit that came from no store", hint="export to another directory"
        )
    return mark


def _new_since(done: str, newest_first: Iterator[Commit], ref: str) -> list[Commit]:
    new: list[Commit] = []
    for commit in newest_first:
        if commit.id == done:
            return new[::-1]
        new.append(commit)
    if done:
        raise ConflictError(
            f"{ref} ends with commit {done[:12]}, which is no longer one of the branch",
            hint="export to another directory",
        )
    return new[::-1]


def _import(git: GitProgram, stream: Iterator[bytes]) -> None:
    """Let git take a stream, all of it or nothing."""
    with tempfile.TemporaryFile() as said:
        arguments = ["fast-import", "--quiet", "--done", "--date-format=raw"]
        with git.start(*arguments, stdin=subprocess.PIPE, stderr=said) as process:
            try:
                assert process.stdin is not None
                _feed(process.stdin, stream)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            crash = f"fast_import_crash_{process.pid}"
            git.directory.joinpath(crash).unlink(missing_ok=True)
            said.seek(0)
            raise _refusal(said.read().decode("utf-8", "replace"))


def _refusal(said: str) -> PfsError:
    """What git said when it took nothing, as an error."""
    lines = re.findall(r"^(?:fatal|error|warning): (.*)$", said, re.MULTILINE)
    words = f"git says: {'; '.join(lines) or said.strip() or 'nothing'}"
    if ".lock': File exists" in words:
        return BusyError(
            words, hint="wait for the other git; when there is none, remove what it left"
        )
    if "Not updating" in words or "cannot lock ref" in words:
        return ConflictError(words, hint="look what else the repository holds, and export again")
    return InvalidInputError(words)


def _feed(pipe: IO[bytes], stream: Iterator[bytes]) -> None:
    try:
        for part in stream:
            pipe.write(part)
        pipe.close()
    except BrokenPipeError:  # it says why at its end
        pass


def _stream(commits: list[Commit], ref: str, head: str, committer: str) -> Iterator[bytes]:
    """What fast-import reads."""
    yield f"feature done\nreset {ref}\n".encode()
    if head:
        yield f"from {head}\n".encode()
    for commit in commits:
        said = commit.message.replace("\0", "")  # git shows nothing after one
        message = f"{said}\n\npfs-commit: {commit.id}\n".lstrip().encode()
        author = _last(_AUTHOR, commit.message) or _NOBODY
        moment = _date("git-date", commit.message) or f"{commit.finished.timestamp():.0f} +0000"
        written = _date("git-author-date", commit.message) or moment
        yield f"commit {ref}\nauthor {author} {written}\n".encode()
        yield f"committer {committer} {moment}\ndata {len(message)}\n".encode() + message
        yield from _changes(commit)
    yield b"done\n"


def _last(line: re.Pattern[str], message: str) -> str:
    """What the last such line of a message says: ours, for an import puts its own at the end."""
    found = line.findall(message)
    return str(found[-1]) if found else ""


def _date(name: str, message: str) -> str:
    """A date of an import, as git writes it; empty if there is none that it takes."""
    said = _last(re.compile(rf"^{name}: ([!-~]+)$", re.MULTILINE), message)
    with suppress(ValueError):
        moment = datetime.fromisoformat(said)
        if _ZONE.fullmatch(zone := f"{moment:%z}") and moment.timestamp() >= 0:
            return f"{moment.timestamp():.0f} {zone}"
    return ""


def _changes(commit: Commit) -> Iterator[bytes]:
    # What goes, first: a file may have become a directory.
    for change in commit.diff():
        if change.op == "removed":
            yield b"D " + _quoted(change.path) + b"\n"
    for change in commit.diff():
        if change.op != "removed":
            info = commit.inspect_file(change.path)
            file = "100755" if info.executable else "100644"
            mode = "120000" if info.kind == "symlink" else file
            yield f"M {mode} inline ".encode() + _quoted(change.path)
            yield f"\ndata {info.size}\n".encode()
            yield from commit.stream_file(change.path)
            yield b"\n"


def _quoted(path: str) -> bytes:
    if ".git" in path.lower().split("/"):
        raise InvalidInputError(f"{path} would be part of git itself: git keeps no such name")
    name = os.fsencode(path.lstrip("/"))
    for special, written in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
        name = name.replace(special, written)
    return b'"' + name + b'"'
