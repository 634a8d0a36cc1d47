"""What a notebook shows of handles and listings."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from pfslib.api.differences import DiffEntry
from pfslib.api.info import FileInfo
from pfslib.display.html_table import ROWS_MAX, Cell, fields_html, table_html

if TYPE_CHECKING:
    from pfslib.api.commit import Commit
    from pfslib.api.open_commit import OpenCommit
    from pfslib.api.repo import Repo
    from pfslib.api.store import Store

_COMMIT_HEADER = ("commit", "branch", "message", "finished", "files", "bytes")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def store_html(store: Store) -> str:
    """A store: its repos."""
    repos = store.list_repo()
    rows = (
        (repo.name, ", ".join(repo.branches), repo.size, repo.created, repo.description)
        for repo in repos
    )
    header = ("repo", "branches", "bytes", "created", "description")
    pipelines = len(store.list_pipeline())
    note = f"{pipelines} pipelines; store.draw() draws them" if pipelines else ""
    title = f"Store {store.path}"
    return table_html(title, header, rows, everything="store.list_repo()", note=note)


def repo_html(repo: Repo) -> str:
    """A repo: its newest commits."""
    info = repo.inspect()
    heads = f"Repo {info.name}" + (f": {info.description}" if info.description else "")
    note = f"output of pipeline {info.pipeline}" if info.pipeline else ""
    branches = [head.name for head in repo.list_branch()]
    rows = {
        commit.id: commit
        for branch in branches[:ROWS_MAX]
        for commit in islice(repo.list_commit(branch, newest_first=True), ROWS_MAX + 1)
    }
    newest = sorted(rows.values(), key=lambda commit: commit.record.finished_ns, reverse=True)
    everything = "repo.list_commit()"
    return table_html(
        heads, _COMMIT_HEADER, map(_commit_row, newest), everything=everything, note=note
    )


def commits_html(commits: Iterable[Commit]) -> str:
    """Commits, as they are listed."""
    return table_html("Commits", _COMMIT_HEADER, map(_commit_row, commits), everything="list(…)")


def _commit_row(commit: Commit) -> tuple[Cell, ...]:
    return (
        commit.id[:12],
        f"{commit.branch}.{commit.number}" if commit.branch else "",
        commit.message,
        commit.finished,
        commit.files,
        commit.size,
    )


def commit_html(commit: Commit) -> str:
    """A commit: what is known of it, and what is in it."""
    fields: dict[str, Cell] = {
        "id": commit.id,
        "branch": f"{commit.branch}, number {commit.number}" if commit.branch else "",
        "message": commit.message,
        "finished": commit.finished,
        "files": commit.files,
        "bytes": commit.size,
        "made from": ", ".join(f"{c.repo}@{c.id[:12]}" for c in commit.provenance()),
        "error": commit.error,
    }
    below = files_html("/", commit.list_file(), everything="commit.list_file()")
    return fields_html(f"Commit of {commit.repo}", fields, below=below)


def open_commit_html(commit: OpenCommit) -> str:
    """An open commit: what is in it so far."""
    return files_html(f"Open commit {commit}", commit.list_file(), everything="commit.list_file()")


def files_html(title: str, files: Iterable[FileInfo], *, everything: str = "list(…)") -> str:
    """Files, as they are listed."""
    rows = (
        (f"{file.path}/" if file.kind == "dir" else file.path, file.size, file.modified)
        for file in files
    )
    return table_html(title, ("path", "bytes", "modified"), rows, everything=everything)


def differences_html(differences: Iterable[DiffEntry]) -> str:
    """What differs between two commits."""
    rows = (
        (f"{_SIGNS[entry.op]} {entry.op}", entry.path, _was(entry), _is(entry))
        for entry in differences
    )
    return table_html("Differences", ("", "path", "bytes before", "after"), rows)


def _was(entry: DiffEntry) -> Cell:
    return None if entry.op == "added" else entry.old_size


def _is(entry: DiffEntry) -> Cell:
    return None if entry.op == "removed" else entry.new_size
