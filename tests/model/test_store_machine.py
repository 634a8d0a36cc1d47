"""Any sequence of calls on a store does what it does to a model made of dicts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pfslib
from pfslib.kv.tables import Table
from pfslib.model.paths import join_path
from pfslib.testing.model_store import ModelStore, ModelTree, assert_same
from pfslib.testing.strategies import contents, few_names, paths

REPOS = st.sampled_from(["one", "two"])
BRANCHES = st.sampled_from(["master", "v1.0"])
PATHS = paths(names=few_names())


class OpenedCommit:
    """An open commit beside its model."""

    def __init__(self, commit: pfslib.OpenCommit, repo: str, branch: str, tree: ModelTree) -> None:
        self.commit = commit
        self.repo = repo
        self.branch = branch
        self.before = tree.copy()
        self.tree = tree
        self.durable = commit._editing._durable


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def create(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="pfs-test-")
        self.path = Path(self.directory.name) / "store"
        self.store = pfslib.init(self.path)
        self.model = ModelStore()
        self.opened: dict[tuple[str, str], OpenedCommit] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()

    def any_opened(self, data) -> OpenedCommit:
        return self.opened[data.draw(st.sampled_from(sorted(self.opened)), "open commit")]

    # --- repos and commits ---------------------------------------------------------------

    @rule(repo=REPOS)
    def create_repo(self, repo) -> None:
        if repo in self.model.repos:
            with pytest.raises(pfslib.AlreadyExistsError):
                self.store.create_repo(repo)
            return
        self.store.create_repo(repo)
        self.model.repos.add(repo)

    @precondition(lambda self: self.model.repos and len(self.opened) == 0)
    @rule(data=st.data())
    def delete_repo(self, data) -> None:
        repo = data.draw(st.sampled_from(sorted(self.model.repos)))
        self.store.delete_repo(repo)
        self.model.drop_repo(repo)

    @precondition(lambda self: self.model.repos)
    @rule(data=st.data(), branch=BRANCHES, durable=st.booleans())
    def start(self, data, branch, durable) -> None:
        repo = data.draw(st.sampled_from(sorted(self.model.repos)))
        handle = self.store.repo(repo)
        begin = handle.start_commit if durable else handle.commit
        if (repo, branch) in self.opened:
            with pytest.raises(pfslib.BranchBusyError):
                begin(branch)
            return
        tree = self.model.head(repo, branch)
        self.opened[repo, branch] = OpenedCommit(begin(branch), repo, branch, tree)

    @precondition(lambda self: self.opened)
    @rule(data=st.data())
    def finish(self, data) -> None:
        opened = self.any_opened(data)
        commit = opened.commit.finish()
        del self.opened[opened.repo, opened.branch]
        unchanged = opened.tree.files == opened.before.files
        assert (commit is None) == (unchanged and not opened.durable)
        if commit is not None:
            self.model.publish(opened.repo, opened.branch, commit.id, opened.tree)
            assert_same(commit, opened.tree)

    @precondition(lambda self: self.opened)
    @rule(data=st.data())
    def discard(self, data) -> None:
        opened = self.any_opened(data)
        opened.commit.discard()
        del self.opened[opened.repo, opened.branch]

    # --- edits ---------------------------------------------------------------------------

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS, content=contents(), append=st.booleans())
    def put(self, data, path, content, append) -> None:
        opened = self.any_opened(data)
        try:
            (opened.tree.append if append else opened.tree.put)(path, content)
        except pfslib.PathClashError:
            return  # what clashes is tried in tests of its own
        opened.commit.put_file(join_path(path), content, append=append)

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS)
    def delete(self, data, path) -> None:
        opened = self.any_opened(data)
        opened.tree.delete(path)
        opened.commit.delete_file(join_path(path), missing_ok=True)

    @precondition(lambda self: self.opened and self.model.branches)
    @rule(data=st.data(), path=PATHS)
    def copy(self, data, path) -> None:
        opened = self.any_opened(data)
        repo, _, _, source = data.draw(st.sampled_from(list(self.model.commits())), "source")
        places = sorted(source.tree.files.keys() | source.tree.directories() | {()})
        place = data.draw(st.sampled_from(places), "source path")
        try:
            opened.tree.take_over(source.tree, place, path)
        except pfslib.PathClashError:
            return
        commit = self.store.commit(f"{repo}@{source.id}")
        opened.commit.copy_file(commit, join_path(place), join_path(path))

    # --- reading -------------------------------------------------------------------------

    @precondition(lambda self: self.model.branches)
    @rule(data=st.data())
    def read_any_commit(self, data) -> None:
        place = data.draw(st.sampled_from(list(self.model.commits())), "commit")
        repo, branch, number, model = place
        newest = len(self.model.branches[repo, branch]) - 1
        for reference in (
            model.id,
            model.id[:16],
            f"{branch}.{number}",
            f"{branch}/{number}",
            f"{branch}^{newest - number}",
        ):
            assert self.store.commit(f"{repo}@{reference}").id == model.id
        assert_same(self.store.commit(f"{repo}@{model.id}"), model.tree)

    @precondition(lambda self: self.model.branches)
    @rule(data=st.data(), offset=st.integers(0, 2**20), size=st.none() | st.integers(0, 2**20))
    def read_a_range(self, data, offset, size) -> None:
        repo, _, _, model = data.draw(st.sampled_from(list(self.model.commits())), "commit")
        if not model.tree.files:
            return
        path = data.draw(st.sampled_from(sorted(model.tree.files)), "path")
        end = None if size is None else offset + size
        found = self.store.get_file(repo, model.id, join_path(path), offset, size)
        assert found == model.tree.files[path][offset:end]

    # --- the store itself ----------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        """Blocks end with their handle; what is durable is found again."""
        for place, opened in list(self.opened.items()):
            if not opened.durable:
                opened.commit.discard()
                del self.opened[place]
        self.store.close()
        self.store = pfslib.open(self.path)
        for (repo, branch), opened in self.opened.items():
            opened.commit = self.store.open_commit(repo, branch)

    @rule()
    def forget_caches(self) -> None:
        self.store.cache = type(self.store.cache)()

    @invariant()
    def equal(self) -> None:
        if not hasattr(self, "store"):
            return
        assert {info.name for info in self.store.list_repo()} == self.model.repos
        for repo in self.model.repos:
            handle = self.store.repo(repo)
            branches = {info.name: info.head for info in handle.list_branch()}
            expected = {
                branch: commits[-1].id
                for (place, branch), commits in self.model.branches.items()
                if place == repo
            }
            assert branches == expected
            ids = [commit.id for commit in handle.list_commit()]
            assert ids == [c.id for place, _, _, c in self.model.commits() if place == repo]
        for (repo, branch), commits in self.model.branches.items():
            assert_same(self.store.commit(f"{repo}@{branch}"), commits[-1].tree)

    @invariant()
    def nothing_left_over(self) -> None:
        if hasattr(self, "store") and not self.opened:
            with self.store.kv.read() as txn:
                for table in (Table.OPEN, Table.OPEN_BRANCHES, Table.STAGED):
                    assert txn.count(table) == 0


TestStoreMachine = pytest.mark.slow(StoreMachine.TestCase)
TestStoreMachine.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
