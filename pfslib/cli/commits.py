"""`pfs start-commit`, `finish-commit`, `delete-commit`, `list-commit` and `inspect-commit`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

import pfslib
from pfslib.cli.documents import commit_document, inspected_document
from pfslib.cli.names import CommitNames, full_name_of, name_of
from pfslib.cli.output import show_list, show_made, show_one
from pfslib.cli.places import BRANCH, COMMIT, REPO, parse_place
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.resolving import find_any, open_info
from pfslib.cli.running import commit_cause, run_triggered
from pfslib.cli.session import (
    Command,
    Session,
    Words,
    message_option,
    runs_jobs,
    wait_option,
    words,
)
from pfslib.cli.wording import NONE, ago, human_size
from pfslib.model.errors import BranchNotFoundError

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.info import OpenCommitInfo
    from pfslib.api.repo import Repo
    from pfslib.api.store import Store

    AnyCommit = Commit | OpenCommitInfo


@click.command(cls=Command)
@words("REPO BRANCH")
@message_option
@wait_option
@click.pass_obj
def start_commit(session: Session, words: Words) -> None:
    """Start a commit and print its id.

    It lasts, with all that is put into it, until it is finished or deleted; the branch is made
    when there is none.
    """
    place = parse_place(words, REPO, BRANCH)
    with session.open() as store:
        started = store.start_commit(
            place.repo, place.commit, message=session.message, wait_s=session.wait_s
        )
        info = open_info(store, place.repo, started.id)
        show_made(session, info, commit_document, started.id)


@click.command(cls=Command)
@words("REPO COMMIT")
@message_option
@runs_jobs
@click.pass_obj
def finish_commit(session: Session, words: Words) -> None:
    """Publish an open commit; run the jobs that follow.

    COMMIT is what start-commit printed, or the branch. A message replaces that of the start. The
    commit is safe when its jobs begin; when one of them fails, the exit code is 3 nevertheless.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        commit = store.finish_commit(place.repo, place.commit, message=session.message)
        show_made(session, commit, commit_document)
        run_triggered(session, store, commit_cause(commit))


@click.command(cls=Command)
@words("REPO COMMIT")
@dry_run_option
@click.pass_obj
def delete_commit(session: Session, words: Words, *, dry_run: bool) -> None:
    """Discard an open commit.

    All that was put into it is gone. A finished commit stays; drop-commit removes one.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        removal = store.delete_commit(place.repo, place.commit, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)


@click.command(cls=Command)
@words("REPO [BRANCH]")
@click.pass_obj
def list_commit(session: Session, words: Words) -> None:
    """List the commits of a repo, or of one branch.

    By branch, and on it from the oldest on. SIZE is what the commit itself put. An open commit
    has no FINISHED; the output of a failed job has no branch.
    """
    place = parse_place(words, REPO, BRANCH, optional=1)
    with session.open() as store:
        show_commits(session, store, _all_commits(store.repo(place.repo), place.commit))


def show_commits(session: Session, store: Store, commits: Iterable[AnyCommit]) -> None:
    """List commits."""
    show_list(
        session,
        commits,
        ("BRANCH", "REPO/ID", "PARENT", "STARTED", "FINISHED", "SIZE"),
        _row_of(CommitNames(store), datetime.now(UTC)),
        commit_document,
    )


def _all_commits(repo: Repo, branch: str) -> list[AnyCommit]:
    """Finished and open commits, of one branch if one is named."""
    unfinished = [info for info in repo.list_open() if branch in {"", info.branch}]
    commits: list[AnyCommit] = [*repo.list_commit(branch), *unfinished]
    if branch and not commits:
        raise BranchNotFoundError(repo.name, branch, [row.name for row in repo.list_branch()])
    return sorted(commits, key=lambda commit: commit.branch)


def _row_of(names: CommitNames, now: datetime) -> Callable[[AnyCommit], Sequence[str]]:
    def row(commit: AnyCommit) -> Sequence[str]:
        parent, started = _parent(commit, names), ago(commit.started, now)
        if isinstance(commit, pfslib.OpenCommitInfo):
            return commit.branch, f"{commit.repo}/{commit.id}", parent, started, "", "-"
        names.add(commit)
        finished, size = ago(commit.finished, now), human_size(commit.added_bytes)
        return commit.branch or NONE, full_name_of(commit), parent, started, finished, size

    return row


def _parent(commit: AnyCommit, names: CommitNames) -> str:
    parent = commit.parent if isinstance(commit, pfslib.OpenCommitInfo) else commit.record.parent
    return names.of(commit.repo, parent) if parent else NONE


@click.command(cls=Command)
@words("REPO COMMIT")
@click.pass_obj
def inspect_commit(session: Session, words: Words) -> None:
    """Show one commit.

    With the commits that it was made from, and those that were made from it. list-provenance and
    list-subvenance list those behind them, too.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        commit = find_any(store, place)
        made = _made_from(commit) if isinstance(commit, pfslib.Commit) else []
        names = CommitNames(store)
        show_one(
            session,
            commit,
            lambda commit: _fields(commit, made, names, datetime.now(UTC)),
            lambda commit: inspected_document(commit, made),
        )


def _made_from(commit: Commit) -> list[Commit]:
    """The commits that were made from one directly."""
    return [
        made
        for made in commit.subvenance()
        if any(link.id == commit.id for link in made.record.provenance)
    ]


def _fields(
    commit: AnyCommit, made: Iterable[Commit], names: CommitNames, now: datetime
) -> Iterator[tuple[str, str]]:
    in_repo = commit.id if isinstance(commit, pfslib.OpenCommitInfo) else name_of(commit)
    yield "Commit", f"{commit.repo}/{in_repo}"
    yield "Id", commit.id
    yield "Branch", commit.branch or NONE
    yield "Parent", _parent(commit, names)
    yield "Message", commit.message
    yield "Started", ago(commit.started, now)
    if isinstance(commit, pfslib.OpenCommitInfo):
        yield "Finished", "not yet"
        return
    yield "Finished", ago(commit.finished, now)
    yield "Added", human_size(commit.added_bytes)
    yield "Size", human_size(commit.size)
    yield "Files", str(commit.files)
    yield "Digest", commit.digest
    for link in commit.record.provenance:
        yield "Made from", f"{link.repo}/{names.of(link.repo, link.id)}"
    for other in made:
        yield "Led to", full_name_of(other)
    yield "Error", commit.error
