"""Any sequence of calls on a store does what it does to a model made of dicts.

The machine has two stores open on the same directory, each with caches of its own, and open commits
that several handles write to. What the model refuses the store has to refuse, too, by the same kind
of error, and nothing may have come of it.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import pfslib
from pfslib.commits.staging import start
from pfslib.kv.tables import Table
from pfslib.maintenance.check import check
from pfslib.model.globs import compile_glob
from pfslib.model.history import CommitLink
from pfslib.model.paths import join_path, split_path
from pfslib.testing.inventory import assert_exact
from pfslib.testing.model_history import ModelCommit, ModelHistory, ModelOpen
from pfslib.testing.model_store import ModelTree, assert_same
from pfslib.testing.strategies import contents, few_names, noise, paths

REPOS = st.sampled_from(["one", "two"])
NAMES = st.sampled_from(["master", "v1", "v1.0"])
"""Of branches and tags; one of them looks like a number on another."""
PATHS = paths(names=few_names())
GLOBS = st.sampled_from(["*", "a", "/a/*", "*/b", "**c", "/{a,b}/?", "[ab]/**", "none", "/"])
FSCK_EVERY = 10


class Opened:
    """An open commit: its model, and the handles on it."""

    def __init__(self, model: ModelOpen, handle: pfslib.OpenCommit, *, durable: bool) -> None:
        self.model = model
        self.handles = [handle]
        self.durable = durable


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def create(self) -> None:
        self.undo = ExitStack()
        self.scratch = Path(self.undo.enter_context(tempfile.TemporaryDirectory(prefix="pfs-t-")))
        self.path = self.scratch / "store"
        self.store, self.other = pfslib.init(self.path), pfslib.open(self.path)
        self.model = ModelHistory()
        self.opened: dict[str, Opened] = {}
        self.host = self.scratch / "host"
        self.host.mkdir()
        self.steps = 0
        self.create_repo("one")
        self.start("one", "master", durable=False)
        (opened,) = self.opened.values()
        opened.handles[0].put_file("/a", noise(200))
        opened.model.tree.put((b"a",), noise(200))
        self.finish_by(opened, opened.handles[0])

    def teardown(self) -> None:
        if hasattr(self, "undo"):
            with self.undo:
                self.check_versions()
                self.fsck(self.store)
                self.store.close()
                self.other.close()

    # --- choosing, and calling both ------------------------------------------------------

    def same(self, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[bool, Any, Any]:
        """Call the model, then the store; whether it was allowed, and what each gave."""
        try:
            expected = ours()
        except pfslib.PfsError as error:
            with pytest.raises(pfslib.PfsError) as raised:
                theirs()
            refused: object = raised.value
            wanted: type = type(error)
        else:
            return True, expected, theirs()
        assert type(refused) is wanted, refused
        return False, None, None

    def some_open(self, data) -> tuple[Opened, pfslib.OpenCommit]:
        places = sorted(self.model.opened)  # in an order that does not hang on random ids
        place = data.draw(st.sampled_from(places), "open commit")
        opened = self.opened[self.model.opened[place].id]
        number = data.draw(st.integers(0, len(opened.handles) - 1), "handle")
        return opened, opened.handles[number]

    def some_commit(self, data) -> tuple[pfslib.Commit, ModelCommit]:
        everything = sorted(self.model.commits.values(), key=lambda c: (c.repo, c.branch, c.number))
        model = everything[data.draw(st.integers(0, len(everything) - 1), "commit")]
        store = data.draw(st.sampled_from([0, 1]), "store")
        return (self.store, self.other)[store].commit(f"{model.repo}@{model.id}"), model

    def some_place(self, data, tree: ModelTree) -> tuple[bytes, ...]:
        places = sorted({(), *tree.files, *tree.directories()})
        return data.draw(st.sampled_from(places), "place")

    # --- repos ---------------------------------------------------------------------------

    @rule(repo=REPOS)
    def create_repo(self, repo) -> None:
        self.same(lambda: self.model.create_repo(repo), lambda: self.store.create_repo(repo))

    @rule(repo=REPOS, force=st.booleans(), dry_run=st.booleans())
    def delete_repo(self, repo, force, dry_run) -> None:
        ours = self.model.plan_delete_repo if dry_run else self.model.delete_repo
        done, expected, removal = self.same(
            lambda: ours(repo, force=force),
            lambda: self.store.delete_repo(repo, force=force, dry_run=dry_run),
        )
        if done:
            assert removal == expected
        self.forget_gone()

    @rule(dry_run=st.booleans(), really=st.integers(0, 3))
    def delete_all(self, dry_run, really) -> None:
        if not dry_run and really:
            return  # not too often, or there is never much to delete
        removal = self.store.delete_all(dry_run=dry_run)
        assert set(removal.repos) == self.model.repos
        assert {name.partition("@")[2] for name in removal.commits} == set(self.model.commits)
        if not dry_run:
            for repo in sorted(self.model.repos):
                self.model.delete_repo(repo, force=True)
        self.forget_gone()

    def forget_gone(self) -> None:
        """Handles of commits that went with their repo say so, and can be discarded."""
        there = {opened.id for opened in self.model.opened.values()}
        for commit_id in [known for known in self.opened if known not in there]:
            for handle in self.opened.pop(commit_id).handles:
                with pytest.raises(pfslib.CommitNotFoundError):
                    handle.put_file("/a", "too late") or handle.finish()
                handle.discard()

    # --- open commits --------------------------------------------------------------------

    @rule(repo=REPOS, branch=NAMES, durable=st.booleans())
    def start(self, repo, branch, durable) -> None:
        handle = pfslib.Repo(self.store, repo)
        begin = handle.start_commit if durable else handle.commit
        done, tree, opened = self.same(
            lambda: self.model.start(repo, branch), lambda: begin(branch)
        )
        if done:
            model = self.model.started(opened.id, repo, branch, tree)
            self.opened[opened.id] = Opened(model, opened, durable=durable)

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), by_branch=st.booleans())
    def resume(self, data, by_branch) -> None:
        """Another handle on an open commit, of the other store."""
        opened, handle = self.some_open(data)
        name = handle.branch if by_branch else handle.id[:12]
        if not opened.durable:
            with pytest.raises(pfslib.BranchBusyError):
                self.other.open_commit(handle.repo, name)
            return
        opened.handles.append(self.other.open_commit(handle.repo, name))
        assert opened.handles[-1].id == handle.id

    @precondition(lambda self: self.opened)
    @rule(data=st.data())
    def finish(self, data) -> None:
        opened, handle = self.some_open(data)
        self.finish_by(opened, handle)

    def finish_by(self, opened: Opened, handle: pfslib.OpenCommit) -> None:
        commit, model = handle.finish(), opened.model
        unchanged = model.tree.files == model.before.files
        assert (commit is None) == (unchanged and not opened.durable)
        del self.opened[handle.id]
        if commit is None:
            del self.model.opened[model.repo, model.branch]
        else:
            assert_same(commit, self.model.publish(model).tree)
        for late in opened.handles:
            with pytest.raises((pfslib.CommitFinishedError, pfslib.CommitNotFoundError)):
                late.put_file("/late", b"")

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), by_id=st.booleans())
    def discard(self, data, by_id) -> None:
        _, handle = self.some_open(data)
        if by_id:
            self.other.delete_commit(handle.repo, handle.id)
        else:
            handle.discard()
        del self.opened[handle.id]
        del self.model.opened[handle.repo, handle.branch]

    @precondition(lambda self: self.opened)
    @rule(data=st.data())
    def read_open(self, data) -> None:
        opened, handle = self.some_open(data)
        tree = opened.model.tree
        found = {i.path: i.size for i in handle.walk() if i.kind != "dir"}
        assert found == {join_path(path): len(data) for path, data in tree.files.items()}
        for path, content in list(tree.files.items())[:3]:
            assert handle.get_file(join_path(path)) == content

    # --- edits ---------------------------------------------------------------------------

    def edit(self, opened: Opened, ours: Callable[[ModelTree], object], theirs) -> None:
        """Edit both; what clashes is refused at once by commits that last."""
        tried = opened.model.tree.copy()
        try:
            ours(tried)
        except pfslib.PathClashError:
            if opened.durable:
                with pytest.raises((pfslib.PathClashError, pfslib.WrongKindError)):
                    theirs()
            return
        theirs()
        opened.model.tree.files = tried.files

    @precondition(lambda self: self.opened)
    @rule(
        data=st.data(),
        path=PATHS,
        content=contents(),
        append=st.booleans(),
        form=st.sampled_from(["bytes", "str", "file", "path", "iterable"]),
    )
    def put(self, data, path, content, append, form) -> None:
        opened, handle = self.some_open(data)
        given: Any = content
        if form == "str":
            content = content.hex().encode()
            given = content.decode()
        elif form == "file":
            given = io.BytesIO(content)
        elif form == "path":
            given = self.scratch / "one-file"
            given.write_bytes(content)
        elif form == "iterable":
            given = iter([content[:7], b"", content[7:]])
        self.edit(
            opened,
            lambda tree: (tree.append if append else tree.put)(path, content),
            lambda: handle.put_file(join_path(path), given, append=append),
        )

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS, content=contents(), offset=st.integers(0, 100_000))
    def write_at(self, data, path, content, offset) -> None:
        opened, handle = self.some_open(data)
        self.edit(
            opened,
            lambda tree: tree.write_at(path, offset, content),
            lambda: handle.write_at(join_path(path), offset, content),
        )

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS)
    def put_iterable_that_raises(self, data, path) -> None:
        """Nothing of it is added."""
        _, handle = self.some_open(data)

        def blocks():
            yield noise(300_000)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            handle.put_file(join_path(path), blocks())

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS | st.just(()), append=st.booleans())
    def put_tree(self, data, path, append) -> None:
        opened, handle = self.some_open(data)

        def ours(tree: ModelTree) -> None:
            if not append:  # a directory clashes, even if nothing is in it
                tree.check_below(path)
            for file in sorted(self.host.rglob("*")):
                if file.is_file():
                    below = split_path(str(file.relative_to(self.host)))
                    (tree.append if append else tree.put)((*path, *below), file.read_bytes())

        self.edit(opened, ours, lambda: handle.put_file(join_path(path), self.host, append=append))

    @rule(name=few_names(), folder=few_names() | st.none(), content=contents(large=False))
    def change_host_tree(self, name, folder, content) -> None:
        place = self.host / ("d" + os.fsdecode(folder) if folder else "")
        place.mkdir(exist_ok=True)
        (place / os.fsdecode(name)).write_bytes(content)

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), path=PATHS, missing_ok=st.booleans())
    def delete(self, data, path, missing_ok) -> None:
        opened, handle = self.some_open(data)
        if not opened.model.tree.there_is(path) and not missing_ok:
            with pytest.raises(pfslib.PathNotFoundError):
                handle.delete_file(join_path(path))
            return
        handle.delete_file(join_path(path), missing_ok=missing_ok)
        opened.model.tree.delete(path)

    @precondition(lambda self: self.opened)
    @rule(data=st.data(), pattern=GLOBS)
    def delete_glob(self, data, pattern) -> None:
        opened, handle = self.some_open(data)
        tree, glob = opened.model.tree, compile_glob(pattern)
        if pattern == "/":
            with pytest.raises(pfslib.InvalidPathError):
                handle.delete_glob(pattern)
            return
        there = {*tree.files, *tree.directories()}
        hit = sorted(path for path in there if glob.matches(join_path(path)))
        tops = [p for p in hit if not any(p[:n] in hit for n in range(1, len(p)))]
        assert handle.delete_glob(pattern) == [join_path(path) for path in tops]
        for path in tops:
            tree.delete(path)

    @precondition(lambda self: self.opened and self.model.commits)
    @rule(data=st.data(), path=PATHS)
    def copy(self, data, path) -> None:
        opened, handle = self.some_open(data)
        commit, source = self.some_commit(data)
        place = self.some_place(data, source.tree)
        self.edit(
            opened,
            lambda tree: tree.take_over(source.tree, place, path),
            lambda: handle.copy_file(commit, join_path(place), join_path(path)),
        )

    # --- history -------------------------------------------------------------------------

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), name=NAMES, verb=st.sampled_from(["create", "move", "tag"]))
    def name_a_commit(self, data, name, verb) -> None:
        commit, model = self.some_commit(data)
        ours, theirs = {
            "create": (self.model.create_branch, pfslib.Repo.create_branch),
            "move": (self.model.move_branch, pfslib.Repo.move_branch),
            "tag": (self.model.create_tag, pfslib.Repo.create_tag),
        }[verb]
        repo = self.store.repo(model.repo)
        self.same(lambda: ours(model.repo, name, model.id), lambda: theirs(repo, name, commit))

    @precondition(lambda self: self.model.commits)
    @rule(repo=REPOS, name=NAMES, tag=st.booleans())
    def delete_a_name(self, repo, name, tag) -> None:
        if repo not in self.model.repos:
            return
        handle = self.other.repo(repo)
        if tag:
            self.same(lambda: self.model.delete_tag(repo, name), lambda: handle.delete_tag(name))
            return
        if (repo, name) in self.model.branches:
            dry = handle.delete_branch(name, dry_run=True)
            assert dry.branches == (f"{repo}@{name}",)
        self.same(lambda: self.model.delete_branch(repo, name), lambda: handle.delete_branch(name))

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), squash=st.booleans(), dry_run=st.booleans())
    def take_out(self, data, squash, dry_run) -> None:
        commit, model = self.some_commit(data)
        repo = self.store.repo(model.repo)
        if squash:
            ours = self.model.plan_squash if dry_run else self.model.squash
            theirs = repo.squash_commit
        else:
            ours = self.model.plan_drop if dry_run else self.model.drop
            theirs = repo.drop_commit
        done, expected, removal = self.same(
            lambda: ours(model), lambda: theirs(commit, dry_run=dry_run)
        )
        if done:
            assert removal == expected

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), repo=REPOS, name=NAMES, content=contents(large=False))
    def make_from(self, data, repo, name, content) -> None:
        """A commit with provenance, as jobs make them."""
        if repo not in self.model.repos:
            return
        _, source = self.some_commit(data)
        try:
            tree = self.model.start(repo, name)
        except pfslib.PfsError:
            return
        link = CommitLink(source.repo, source.id)
        with self.store.kv.write() as txn:
            record = start(txn, repo, name, provenance=(link,))
        opened = self.model.started(record.id, repo, name, tree)
        self.store.put_file(repo, record.id, "/made/from", content)
        opened.tree.delete((b"made",))
        opened.tree.put((b"made", b"from"), content)
        self.store.finish_commit(repo, record.id)
        self.model.publish(opened, (source.id,))

    # --- reading -------------------------------------------------------------------------

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data())
    def read_any_commit(self, data) -> None:
        commit, model = self.some_commit(data)
        repo, named = model.repo, self.model
        assert_same(commit, model.tree)
        assert (commit.branch, commit.number) == (model.branch, model.number)
        parent = commit.parent()
        assert (parent.id if parent else "") == model.parent
        numbers = [f"{model.branch}.{model.number}", f"{model.branch}/{model.number}"]
        taken = {*named.branches, *named.tags}
        references = [model.id, model.id[:16], f"{model.id}/0"]
        references += [number for number in numbers if (repo, number) not in taken]
        for back, newer in enumerate(named.ancestors(model.id)):
            assert self.store.commit(f"{repo}@{model.id}^{back}").id == newer.id
        for reference in references:
            assert self.store.commit(f"{repo}@{reference}").id == model.id
        assert {c.id for c in commit.provenance()} == named.made_from(model.id)
        assert {c.id for c in commit.subvenance()} == {
            known for known in named.commits if model.id in named.made_from(known)
        }

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), offset=st.integers(0, 2**20), size=st.none() | st.integers(0, 2**20))
    def read_a_range(self, data, offset, size) -> None:
        commit, model = self.some_commit(data)
        for path, content in sorted(model.tree.files.items())[:2]:
            name = join_path(path)
            expected = content[offset : None if size is None else offset + size]
            assert commit.get_file(name, offset, size) == expected
            assert b"".join(commit.stream_file(name)) == content
            with commit.open(name) as file:
                file.seek(offset)
                assert file.read(-1 if size is None else size) == expected

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), pattern=GLOBS)
    def glob(self, data, pattern) -> None:
        commit, model = self.some_commit(data)
        glob = compile_glob(pattern)
        there = {*model.tree.files, *model.tree.directories()}
        expected = [join_path(path) for path in sorted(there) if glob.matches(join_path(path))]
        if pattern == "/":
            expected = ["/"]
        assert [info.path for info in commit.glob(pattern)] == expected

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data())
    def diff_any_two(self, data) -> None:
        (commit, model), (other, before) = self.some_commit(data), self.some_commit(data)
        old, new = before.tree.files, model.tree.files
        expected = []
        for path in sorted(path for path in {*old, *new} if old.get(path) != new.get(path)):
            op = "added" if path not in old else "removed" if path not in new else "changed"
            sizes = len(old.get(path, b"")), len(new.get(path, b""))
            expected.append((op, join_path(path), *sizes))
        found = [(row.op, row.path, row.old_size, row.new_size) for row in commit.diff(other)]
        assert found == expected
        for op, path, *_ in expected[:2]:
            assert commit.text_diff(path, other) or op != "changed"  # an empty file has no lines

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data(), path=PATHS | st.just(()))
    def find(self, data, path) -> None:
        commit, model = self.some_commit(data)
        expected = []
        for newer in self.model.ancestors(model.id):
            old = self.model.tree_before(newer).at(path) if newer.parent else None
            new = newer.tree.at(path)
            if old != new:
                op = "added" if old is None else "removed" if new is None else "changed"
                expected.append((newer.id, op))
            elif not newer.parent and path == ():
                expected.append((newer.id, "added"))
        found = [(row.commit.id, row.op) for row in commit.find_commit(join_path(path))]
        assert found == expected

    @precondition(lambda self: self.model.commits)
    @rule(data=st.data())
    def export(self, data) -> None:
        commit, model = self.some_commit(data)
        place = self.some_place(data, model.tree)
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            target = Path(directory, "out")
            if place in model.tree.files:
                commit.get_file_to(join_path(place), target)
                assert target.read_bytes() == model.tree.files[place]
                return
            commit.export(target, join_path(place))
            found = {
                split_path(str(file.relative_to(target))): file.read_bytes()
                for file in target.rglob("*")
                if file.is_file()
            }
            assert found == model.tree.below(place)

    # --- the store itself ----------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        """Blocks end with their handle; what is durable is found again."""
        for commit_id, opened in list(self.opened.items()):
            if not opened.durable:
                opened.handles[0].discard()
                del self.opened[commit_id]
                del self.model.opened[opened.model.repo, opened.model.branch]
        self.store.close()
        self.other.close()
        self.store, self.other = pfslib.open(self.path), pfslib.open(self.path)
        for commit_id, opened in self.opened.items():
            opened.handles = [self.store.open_commit(opened.model.repo, commit_id)]

    @rule(compact=st.booleans())
    def gc(self, compact) -> None:
        would = self.store.gc(dry_run=True)
        did = self.other.gc(compact=compact)
        assert (would.nodes, would.pieces) == (did.nodes, did.pieces)
        assert did.compacted == compact
        if all(opened.durable for opened in self.opened.values()):
            assert_exact(self.store)

    @rule()
    def backup(self) -> None:
        with (
            tempfile.TemporaryDirectory(dir=self.scratch) as directory,
            pfslib.open(self.store.backup(Path(directory, "copy"))) as copy,
        ):
            for commit in self.model.commits.values():
                assert_same(copy.commit(f"{commit.repo}@{commit.id}"), commit.tree)
            self.fsck(copy)

    @rule()
    def forget_caches(self) -> None:
        self.store.cache = type(self.store.cache)()

    # --- what always holds ---------------------------------------------------------------

    @invariant()
    def equal(self) -> None:
        if not hasattr(self, "store"):
            return
        model = self.model
        assert {info.name for info in self.store.list_repo()} == model.repos
        for repo in model.repos:
            handle = self.other.repo(repo)
            for rows, table in (
                ({info.name: info.head for info in handle.list_branch()}, model.branches),
                ({info.name: info.commit for info in handle.list_tag()}, model.tags),
                (
                    {info.branch: info.id for info in handle.list_open()},
                    {place: opened.id for place, opened in model.opened.items()},
                ),
            ):
                assert rows == {name: x for (place, name), x in table.items() if place == repo}
            ids = [commit.id for commit in handle.list_commit()]
            assert ids == [commit.id for commit in model.of_repo(repo)]
        for (repo, branch), head in model.branches.items():
            assert self.store.commit(f"{repo}@{branch}").id == head
            ids = [c.id for c in self.store.list_commit(repo, branch)]
            assert ids[::-1] == [c.id for c in model.ancestors(head)]
        moves = [(m.repo, m.branch, m.old, m.new) for m in self.store.reflog()]
        assert moves == model.moves

    @invariant()
    def sound(self) -> None:
        if not hasattr(self, "store"):
            return
        self.steps += 1
        if self.steps % FSCK_EVERY == 0:
            self.fsck(self.store)
            self.check_versions()
        if not self.opened:
            with self.store.kv.read() as txn:
                for table in (Table.OPEN, Table.OPEN_BRANCHES, Table.STAGED):
                    assert txn.count(table) == 0

    def fsck(self, store: pfslib.Store) -> None:
        problems: list[object] = []
        check(store.kv, read_data=True, report=problems.append, progress=lambda _what, _done: None)
        assert problems == []

    def check_versions(self) -> None:
        """Every version can be read, and is what it was."""
        for commit in self.model.commits.values():
            assert_same(self.store.commit(f"{commit.repo}@{commit.id}"), commit.tree)


@pytest.mark.slow
def test_a_store_is_what_its_model_is() -> None:
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=int(os.environ.get("PFS_EXAMPLES", "60")),
            stateful_step_count=50,
            deadline=None,
            report_multiple_bugs=False,
        ),
    )
