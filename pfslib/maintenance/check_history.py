"""Whether repos, branches, commits and what stands between them agree."""

from __future__ import annotations

from pfslib.commits.seal import sealed
from pfslib.kv.tables import ID_SIZE, Table, id_key, name_key, name_prefix, number_key
from pfslib.maintenance.findings import Findings, shown
from pfslib.model.history import Branch, Commit, HeadMoved, OpenCommit, Repo, Tag
from pfslib.trees.edit import Edit
from pfslib.trees.hoststats import StatRow

_NUMBER_SIZE = 8


def check_history(findings: Findings) -> int:
    """Check it all; how many commits there are."""
    _check_repos(findings)
    _check_branches(findings)
    _check_tags(findings)
    commits = _check_commits(findings)
    _check_positions(findings)
    _check_subvenance(findings)
    _check_open(findings)
    _check_open_branches(findings)
    _check_staged(findings)
    _check_counters(findings)
    _check_alone(findings)
    return commits


def _check_repos(findings: Findings) -> None:
    for key, repo in findings.records(Table.REPOS, Repo):
        if key != name_key(repo.name):
            findings.add("row", f"the record of repo {repo.name} stands under {shown(key)}")


def _check_branches(findings: Findings) -> None:
    for key, branch in findings.records(Table.BRANCHES, Branch):
        name = f"branch {branch.name} of repo {branch.repo}"
        if key != name_key(branch.repo, branch.name):
            findings.add("row", f"the record of {name} stands under {shown(key)}")
        if not findings.has(Table.REPOS, name_key(branch.repo)):
            findings.add("history", f"{name}: there is no such repo")
        if not _has_commit(findings, branch.head):
            findings.add("history", f"{name}: its head, commit {branch.head}, is missing")
            continue
        head = findings.find(Table.COMMITS, id_key(branch.head), Commit)
        if head is not None and head.repo != branch.repo:
            findings.add("history", f"{name}: its head is a commit of repo {head.repo}")


def _check_tags(findings: Findings) -> None:
    for key, tag in findings.records(Table.TAGS, Tag):
        name = f"tag {tag.name} of repo {tag.repo}"
        if key != name_key(tag.repo, tag.name):
            findings.add("row", f"the record of {name} stands under {shown(key)}")
        if not findings.has(Table.REPOS, name_key(tag.repo)):
            findings.add("history", f"{name}: there is no such repo")
        if not _has_commit(findings, tag.commit):
            findings.add("history", f"{name}: its commit {tag.commit} is missing")


def _check_alone(findings: Findings) -> None:
    """Check the tables that nothing has to agree with: gc's own, and a cache."""
    for table in (Table.CONDEMNED, Table.THINNED):
        for _ in findings.rows(table):
            pass
    for _ in findings.records(Table.STATS, list[StatRow]):
        pass


def _check_commits(findings: Findings) -> int:
    count = 0
    for key, commit in findings.records(Table.COMMITS, Commit):
        count += 1
        name = f"commit {commit.repo}@{key.hex()}"
        if key.hex() != commit.id:
            findings.add("row", f"{name} calls itself {commit.id}")
        if sealed(commit).digest != commit.digest:
            findings.add("history", f"{name} does not match its digest")
        if not findings.has(Table.REPOS, name_key(commit.repo)):
            findings.add("history", f"{name}: there is no such repo")
        if commit.parent and not _has_commit(findings, commit.parent):
            findings.add("history", f"{name}: its parent {commit.parent} is missing")
        if not findings.holds(Table.POSITIONS, _position_of(commit), key):
            findings.add("history", f"{name} is not at its position {_place_of(commit)}")
        for source in commit.provenance:
            # A source that was deleted by force has taken its side of the link with it.
            there = _has_commit(findings, source.id)
            if there and not findings.has(Table.SUBVENANCE, id_key(source.id) + key):
                findings.add(
                    "history", f"{name} is not in the subvenance of its source {source.id}"
                )
    return count


def _check_positions(findings: Findings) -> None:
    for key, value in findings.rows(Table.POSITIONS):
        commit = findings.find(Table.COMMITS, value, Commit)
        if commit is not None:
            if _position_of(commit) != key:
                place = _place_of(commit)
                findings.add("history", f"commit {commit.id} of {place} has a second position")
        elif not findings.has(Table.COMMITS, value):
            repo = shown(key.partition(b"\0")[0])
            findings.add("history", f"repo {repo}: commit {value.hex()} has a position but no more")


def _check_subvenance(findings: Findings) -> None:
    for key, _ in findings.rows(Table.SUBVENANCE):
        source, made = key[:ID_SIZE].hex(), key[ID_SIZE:]
        commit = findings.find(Table.COMMITS, made, Commit)
        # Links to commits that were deleted may stay; they lead nowhere.
        if commit is not None and source not in {link.id for link in commit.provenance}:
            findings.add(
                "history",
                f"commit {commit.id} is in the subvenance of {source}, but not made from it",
            )


def _check_open(findings: Findings) -> None:
    for key, commit in findings.records(Table.OPEN, OpenCommit):
        name = f"open commit {commit.repo}@{key.hex()}"
        if key.hex() != commit.id:
            findings.add("row", f"{name} calls itself {commit.id}")
        if not findings.has(Table.REPOS, name_key(commit.repo)):
            findings.add("history", f"{name}: there is no such repo")
        if commit.parent and not _has_commit(findings, commit.parent):
            findings.add("history", f"{name}: its parent {commit.parent} is missing")
        if not findings.holds(Table.OPEN_BRANCHES, name_key(commit.repo, commit.branch), key):
            findings.add("history", f"{name} is not the open commit of its branch {commit.branch}")


def _check_open_branches(findings: Findings) -> None:
    for key, value in findings.rows(Table.OPEN_BRANCHES):
        commit = findings.find(Table.OPEN, value, OpenCommit)
        if commit is None and not findings.has(Table.OPEN, value):
            findings.add("history", f"the open commit {value.hex()} of {shown(key)} is missing")
        elif commit is not None and name_key(commit.repo, commit.branch) != key:
            findings.add("history", f"open commit {commit.id} is said to be on {shown(key)}, too")


def _check_staged(findings: Findings) -> None:
    for key, _ in findings.records(Table.STAGED, Edit):
        commit = key[:ID_SIZE]
        if not findings.has(Table.OPEN, commit):
            findings.add("history", f"an edit is staged for {commit.hex()}, which is not open")


def _check_counters(findings: Findings) -> None:
    moves = [key for key, _ in findings.records(Table.REFLOG, HeadMoved)]
    counters = {
        b"reflog": moves[-1] if moves else None,
        b"chunks": _last(findings, Table.CHUNKS),
        b"jobs": _last(findings, Table.JOB_ORDER),
    }
    meta = dict(findings.rows(Table.META))
    for name, last in counters.items():
        if last is not None and meta.get(name, b"") <= last:
            findings.add("row", f"the counter {name.decode()} is behind what it has given out")


def _last(findings: Findings, table: Table) -> bytes | None:
    last = None
    for last in findings.txn.keys(table):  # noqa: B007 - the last one is what is wanted
        pass
    return last


def _has_commit(findings: Findings, commit_id: str) -> bool:
    try:
        return findings.has(Table.COMMITS, id_key(commit_id))
    except ValueError:  # no id at all
        return False


def _position_of(commit: Commit) -> bytes:
    return name_prefix(commit.repo, commit.branch) + number_key(commit.number)


def _place_of(commit: Commit) -> str:
    return f"{commit.number} on branch {commit.branch or '(none)'} of repo {commit.repo}"
