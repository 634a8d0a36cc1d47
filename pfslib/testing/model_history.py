"""ModelHistory: what the verbs of history must do, said in dicts, to hold a store against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pfslib.model.errors import (
    AlreadyExistsError,
    BranchBusyError,
    BranchNotFoundError,
    NotFoundError,
    RepoNotFoundError,
    StateError,
    StillNeededError,
)
from pfslib.model.removal import Removal
from pfslib.testing.model_store import ModelTree

Place = tuple[str, str]
"""A repo, and a branch or tag in it."""

Move = tuple[str, str, str, str]
"""Repo, branch, old head and new one."""


@dataclass
class ModelCommit:
    """A finished commit."""

    id: str
    repo: str
    branch: str
    number: int
    parent: str
    tree: ModelTree
    provenance: tuple[str, ...] = ()


@dataclass
class ModelOpen:
    """An open commit."""

    id: str
    repo: str
    branch: str
    parent: str
    tree: ModelTree
    before: ModelTree = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.tree.copy()


class ModelHistory:
    """Repos with their commits, branches, tags and open commits, and the log of head moves.

    Every verb raises what the store must raise, and then has done nothing.
    """

    def __init__(self) -> None:
        self.repos: set[str] = set()
        self.commits: dict[str, ModelCommit] = {}
        self.branches: dict[Place, str] = {}
        self.tags: dict[Place, str] = {}
        self.opened: dict[Place, ModelOpen] = {}
        self.moves: list[Move] = []

    # --- looking -------------------------------------------------------------------------

    def of_repo(self, repo: str) -> list[ModelCommit]:
        """The commits of a repo, by branch and number."""
        found = [commit for commit in self.commits.values() if commit.repo == repo]
        return sorted(found, key=lambda commit: (commit.branch.encode(), commit.number))

    def ancestors(self, commit_id: str) -> Iterator[ModelCommit]:
        """A commit and its parents, newest first."""
        while commit_id:
            commit = self.commits[commit_id]
            yield commit
            commit_id = commit.parent

    def made_from(self, commit_id: str) -> set[str]:
        """The commits that a commit was made from, directly or not, and that are there."""
        direct = [known for known in self.commits[commit_id].provenance if known in self.commits]
        return {*direct, *(far for near in direct for far in self.made_from(near))}

    def tree_before(self, commit: ModelCommit) -> ModelTree:
        """The tree of its parent."""
        return self.commits[commit.parent].tree if commit.parent else ModelTree()

    # --- repos ---------------------------------------------------------------------------

    def create_repo(self, repo: str) -> None:
        """Make a repo."""
        if repo in self.repos:
            raise AlreadyExistsError(repo)
        self.repos.add(repo)

    def check_repo(self, repo: str) -> None:
        """Make sure that there is such a repo."""
        if repo not in self.repos:
            raise RepoNotFoundError(repo)

    def plan_delete_repo(self, repo: str, *, force: bool) -> Removal:
        """What deleting a repo takes away."""
        self.check_repo(repo)
        mine = self.of_repo(repo)
        made = {
            other.repo for other in self.commits.values() for c in mine if c.id in other.provenance
        }
        if made - {repo} and not force:
            raise StillNeededError(repo)
        return Removal(
            repos=(repo,),
            branches=_names(self.branches, repo),
            tags=_names(self.tags, repo),
            commits=tuple(f"{repo}@{commit.id}" for commit in mine),
            open_commits=tuple(
                f"{repo}@{opened.id}"
                for place, opened in sorted(self.opened.items())
                if place[0] == repo
            ),
        )

    def delete_repo(self, repo: str, *, force: bool) -> Removal:
        """Remove a repo with all that is in it."""
        removal = self.plan_delete_repo(repo, force=force)
        for place in sorted(place for place in self.branches if place[0] == repo):
            self._move(place, "")
        for commit in self.of_repo(repo):
            del self.commits[commit.id]
        self.tags = {place: at for place, at in self.tags.items() if place[0] != repo}
        self.opened = {place: at for place, at in self.opened.items() if place[0] != repo}
        self.repos.discard(repo)
        return removal

    # --- commits -------------------------------------------------------------------------

    def start(self, repo: str, branch: str) -> ModelTree:
        """The tree that a new commit on a branch begins with."""
        self.check_repo(repo)
        if (repo, branch) in self.tags:
            raise AlreadyExistsError(branch)
        self._check_not_busy((repo, branch))
        head = self.branches.get((repo, branch))
        return self.commits[head].tree.copy() if head else ModelTree()

    def started(self, commit_id: str, repo: str, branch: str, tree: ModelTree) -> ModelOpen:
        """Take in a commit that was started."""
        parent = self.branches.get((repo, branch), "")
        opened = self.opened[repo, branch] = ModelOpen(commit_id, repo, branch, parent, tree)
        return opened

    def publish(self, opened: ModelOpen, provenance: tuple[str, ...] = ()) -> ModelCommit:
        """Make a commit of an open one, and the head of its branch."""
        repo, branch = place = opened.repo, opened.branch
        numbers = [c.number for c in self.of_repo(repo) if c.branch == branch]
        commit = self.commits[opened.id] = ModelCommit(
            opened.id,
            repo,
            branch,
            max(numbers, default=-1) + 1,
            opened.parent,
            opened.tree.copy(),
            provenance,
        )
        self.opened.pop(place, None)
        self._move(place, commit.id)
        return commit

    def plan_drop(self, commit: ModelCommit) -> Removal:
        """What dropping a commit takes away."""
        if self._children(commit):
            raise StillNeededError(commit.id)
        self._check_unneeded(commit)
        heads = tuple(f"{repo}@{name}" for repo, name in self._heads(commit))
        this = (f"{commit.repo}@{commit.id}",)
        if commit.parent:
            return Removal(commits=this, moved=heads)
        return Removal(commits=this, branches=heads)

    def drop(self, commit: ModelCommit) -> Removal:
        """Remove a commit without children."""
        removal = self.plan_drop(commit)
        for place in self._heads(commit):
            self._move(place, commit.parent)
        del self.commits[commit.id]
        return removal

    def plan_squash(self, commit: ModelCommit) -> Removal:
        """What squashing a commit takes away."""
        if not self._children(commit):
            raise StateError(commit.id)
        if self._heads(commit):
            raise StillNeededError(commit.id)
        self._check_unneeded(commit)
        return Removal(commits=(f"{commit.repo}@{commit.id}",))

    def squash(self, commit: ModelCommit) -> Removal:
        """Remove a commit; its children keep their content."""
        removal = self.plan_squash(commit)
        for child in self._children(commit):
            child.parent = commit.parent
        del self.commits[commit.id]
        return removal

    def _children(self, commit: ModelCommit) -> list[ModelCommit]:
        return [other for other in self.commits.values() if other.parent == commit.id]

    def _heads(self, commit: ModelCommit) -> list[Place]:
        return sorted(place for place, head in self.branches.items() if head == commit.id)

    def _check_unneeded(self, commit: ModelCommit) -> None:
        on_top = any(opened.parent == commit.id for opened in self.opened.values())
        made = any(commit.id in other.provenance for other in self.commits.values())
        if on_top or made or commit.id in self.tags.values():
            raise StillNeededError(commit.id)

    # --- branches and tags ---------------------------------------------------------------

    def create_branch(self, repo: str, name: str, head: str) -> None:
        """Make a branch."""
        self._check_free((repo, name))
        self._move((repo, name), head)

    def move_branch(self, repo: str, name: str, head: str) -> None:
        """Give a branch another head."""
        self._check_branch((repo, name))
        if self.branches[repo, name] != head:
            self._move((repo, name), head)

    def delete_branch(self, repo: str, name: str) -> None:
        """Remove a branch."""
        self._check_branch((repo, name))
        self._move((repo, name), "")

    def create_tag(self, repo: str, name: str, commit: str) -> None:
        """Make a tag."""
        self._check_free((repo, name))
        self.tags[repo, name] = commit

    def delete_tag(self, repo: str, name: str) -> None:
        """Remove a tag."""
        if (repo, name) not in self.tags:
            raise NotFoundError(name)
        del self.tags[repo, name]

    def _check_free(self, place: Place) -> None:
        if place in self.branches or place in self.tags:
            raise AlreadyExistsError(place[1])
        self._check_not_busy(place)

    def _check_branch(self, place: Place) -> None:
        if place not in self.branches:
            raise BranchNotFoundError(*place)
        self._check_not_busy(place)

    def _check_not_busy(self, place: Place) -> None:
        if place in self.opened:
            raise BranchBusyError(*place, self.opened[place].id)

    def _move(self, place: Place, head: str) -> None:
        self.moves.append((*place, self.branches.get(place, ""), head))
        if head:
            self.branches[place] = head
        else:
            self.branches.pop(place, None)


def _names(table: dict[Place, str], repo: str) -> tuple[str, ...]:
    return tuple(f"{repo}@{name}" for place, name in sorted(table) if place == repo)
