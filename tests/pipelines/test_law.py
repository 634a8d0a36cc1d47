"""The law: what an incremental job puts out is what a full run on the same input would.

Random specs and random histories. The full run is a new pipeline with a salt of its own, so that it
has nothing to be compared with and no result to be used again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

import pfslib
from pfslib.testing.scripted_runner import Call, Files, ScriptedRunner, run_scripted

PATHS = ["/a.1", "/a.2", "/b.1", "/c.2", "/d/a.1", "/d/b.2", "/d/e/c.1", "/f-1", "/d-1"]
PATHS += [os.fsdecode(name) for name in (b"/\xff.1", b"/\xff\xff.2", b"/d/\xfe\xff.1")]
LINES = "".join(f"{n} {n * n * 2654435761 % 2**64:x}\n" for n in range(20_000)).encode()


def pfs(repo: str, glob: str, **more: Any) -> dict[str, Any]:
    return {"pfs": {"repo": repo, "glob": glob, "name": more.pop("name", repo), **more}}


SHAPES: list[dict[str, Any]] = [
    {"input": pfs("x", "/*")},
    {"input": pfs("x", "/")},
    {"input": pfs("x", "/**")},
    {"input": pfs("x", "/*/*")},
    {"input": pfs("x", "/d")},
    {"input": pfs("x", "/*", empty_files=True)},
    {"input": {"cross": [pfs("x", "/*"), pfs("y", "/*.1")]}},
    {"input": {"union": [pfs("x", "/*"), pfs("y", "/*"), pfs("x", "/*/*", name="deep")]}},
    {"input": {"join": [pfs("x", "/(*).*", join_on="$1"), pfs("y", "/(*).*", join_on="$1")]}},
    {
        "input": {
            "join": [
                pfs("x", "/(*).(*)", join_on="$1", outer_join=True),
                pfs("y", "/(*).*", join_on="$1", outer_join=True),
            ]
        }
    },
    {
        "input": {
            "group": [
                pfs("x", "/(*).(*)", group_by="$2"),
                pfs("y", "/d/(*).(*)", group_by="$2"),
            ]
        }
    },
    {
        "input": {
            "cross": [
                {"union": [pfs("x", "/a*"), pfs("y", "/b*")]},
                {"join": [pfs("x", "/(*).1", name="l", join_on="$1"),
                          pfs("y", "/(*).1", name="r", join_on="$1")]},
            ]
        }
    },
    {"input": {"cross": [pfs("x", "/*"), pfs("x", "/*.1", name="s", branch="side")]}},
    {"input": {"union": [pfs("x", "/*", name="s", branch="side"), pfs("x", "/*"), pfs("y", "/*")]}},
    {"input": {"cross": [pfs("up", "/*"), pfs("x", "/*.1")]}},
    {"input": {"join": [pfs("up", "/(*).*", join_on="$1"),
                        pfs("x", "/(*).*", name="s", branch="side", join_on="$1")]}},
    {"inputs": [{"repo": {"name": "x"}, "method": "map"}]},
    {"inputs": [{"repo": {"name": "x"}, "method": "reduce"},
                {"repo": {"name": "y"}, "method": "global", "runEmpty": True}]},
]  # fmt: skip

EDITS = st.dictionaries(
    st.sampled_from(PATHS), st.sampled_from([None, b"1", b"2", b"3" * 200, LINES, LINES[500:]])
)
REPOS = st.sampled_from(["x", "x", "y"])
BRANCHES = st.sampled_from(["master", "master", "side"])
STEPS = (
    st.tuples(REPOS, BRANCHES, EDITS)
    | st.tuples(REPOS, BRANCHES, st.integers(0, 9))  # moved: to a commit, by its number
    | st.tuples(REPOS, BRANCHES, st.none())  # deleted
)
HISTORIES = st.lists(st.lists(STEPS, min_size=1, max_size=3), min_size=2, max_size=4)
"""What is done between one run and the next."""

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Nothing has to be durable here, and syncing is what would take the time."""


def script(call: Call) -> Files:
    """Something different for each thing seen; some of it below a path that others write, too."""
    if call.cmd == ("up",):
        return {path: data + b"up" for path, data in call.inputs["x"].items()}
    seen = sorted((name, path) for name, files in call.inputs.items() for path in files)
    sums = sum(len(data) for files in call.inputs.values() for data in files.values())
    own = "/own/" + "+".join(f"{name}{path.replace('/', '~')}" for name, path in seen)[-200:]
    if len(seen) % 3 == 0:
        return {own: b""}
    heads = b"".join(d[:4] + d[-4:] for files in call.inputs.values() for d in files.values())
    common = {"/all": b"%d %s\n" % (sums, heads), f"/by/{len(seen)}": heads}
    return {own: b"%d" % sums, **(common if call.env.get("COMMON") else {})}


def files_of(commit: pfslib.Commit) -> Files:
    return {info.path: commit.get_file(info.path) for info in commit.walk() if info.kind == "file"}


def step(repo: pfslib.Repo, branch: str, what: Mapping[str, bytes | None] | int | None) -> None:
    """Change a branch in one of the ways that there are."""
    if isinstance(what, Mapping):
        commit(repo, what, branch)
    elif branch not in {known.name for known in repo.list_branch()}:
        return
    elif what is None:
        repo.delete_branch(branch)
    else:
        commits = list(repo.list_commit())
        repo.move_branch(branch, commits[what % len(commits)].id)


def commit(repo: pfslib.Repo, edits: Mapping[str, bytes | None], branch: str = "master") -> None:
    """Put files, and delete those that are there."""
    with repo.commit(branch) as made:
        for path, data in edits.items():
            if data is not None:
                made.put_file(path, data)
            else:
                with suppress(pfslib.PathNotFoundError):
                    made.delete_file(path)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    merge=st.sampled_from(["append", "overwrite"]),
    history=HISTORIES,
)
def test_incremental_is_full(shape: dict[str, Any], merge: str, history: list[Any]) -> None:
    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder,
        pfslib.init(Path(folder) / "s") as store,
    ):
        incremental, full = ScriptedRunner(store, script), ScriptedRunner(store, script)
        spec = {
            "pipeline": {"name": "p"},
            "transform": {"cmd": ["f"], "env": {"COMMON": "1"}},
            "output_merge": merge,
            **shape,
        }
        repos = {name: store.create_repo(name) for name in "xy"}
        for repo in repos.values():
            commit(repo, {"/a.1": b"0"})
        commit(repos["x"], {"/c.1": b"s"}, "side")
        if "'up'" in str(shape):
            store.create_pipeline(
                {"pipeline": {"name": "up"}, "transform": {"cmd": ["up"]}, "input": pfs("x", "/*")}
            )
        store.create_pipeline(spec)
        for number, steps in enumerate([[("x", "master", {})], *history]):
            for name, branch, what in steps:
                step(repos[name], branch, what)
            jobs = run_scripted(store, incremental)
            assert [job.reason for job in jobs if job.reason] == []
            store.create_pipeline({**spec, "pipeline": {"name": f"p{number}"}, "salt": f"{number}"})
            run_scripted(store, full)
            store.stop_pipeline(f"p{number}")
            if not any(True for _ in store.list_commit(f"p{number}")):
                continue  # an input has no head
            expected = store.commit(f"p{number}@master")
            assert files_of(store.commit("p@master")) == files_of(expected)
            assert store.commit("p@master").record.root.same_content(expected.record.root)
        keys = [call.env["PACH_DATUM_ID"] for call in incremental.calls]
        assert len(keys) == len(set(keys)), "a datum ran that had a result"
