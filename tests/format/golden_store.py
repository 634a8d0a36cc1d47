"""Makes the golden store of the present format, and describes a store.

`python tests/format/golden_store.py` writes `golden/v<format>/store.tar.gz` and `expected.json`
anew, which is only right before that format was released: afterwards a golden store is a promise,
and a change that cannot read it needs a new number.
"""

from __future__ import annotations

import json
import os
import random
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

import pfslib
from pfslib.model.encoding import FORMAT_VERSION

GOLDEN = Path(__file__).parent / "golden"


def fill(store: pfslib.Store, scratch: Path) -> None:
    """Some of everything that a store can hold, in few bytes."""
    repo = store.create_repo("projects", description="what there is")
    with repo.commit("master", message="first") as commit:
        commit.put_file("/inline", "tiny")
        for number in range(40):
            commit.put_file(f"/packed/{number:02}", noise(number, 300))
        commit.put_file("/piece", noise(100, 20_000))
        commit.put_file("/compressible", b"the same again\n" * 9000)
        commit.put_file("/pieces", b"".join(noise(number % 2, 45_000) for number in range(8)))
        commit.put_file("/empty", b"")
    first = commit.commit
    assert first is not None
    tree = scratch / "tree"
    (tree / "deep/er").mkdir(parents=True)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("run.sh")
    (tree / "deep/er/file").write_text("below")
    Path(os.fsdecode(bytes(tree) + b"/not-utf-8-\xff")).write_text("kept as it is")
    (tree / "unicode-\u00e9").write_text("kept as it is, too")
    with repo.commit("master", message="second") as commit:
        commit.put_file("/tree", tree)
        commit.put_file("/piece", b" and more", append=True)
        commit.delete_file("/packed/07")
        commit.copy_file(first, "/packed", "/copied")
    with repo.commit("side") as commit:
        commit.put_file("/alone", "on a branch of its own")
    rewrite_history(repo)
    (scratch / "image").mkdir()
    (scratch / "image/tool").write_bytes(noise(300, 3_000))
    store.create_image("tools", scratch / "image")
    store.create_pipeline(
        {
            "pipeline": {"name": "lines"},
            "transform": {"cmd": ["sh"], "stdin": ["cat /pfs/projects/packed/* > /pfs/out/all"]},
            "input": {"pfs": {"repo": "projects", "glob": "/packed/0*"}},
            "output_merge": "append",
        }
    )
    store.run(runner="local", notice=lambda _: None)
    waiting = repo.start_commit("later", message="not finished")
    waiting.put_file("/staged", "put and not finished")
    waiting.put_file("/staged-too", noise(200, 5_000))


def rewrite_history(repo: pfslib.Repo) -> None:
    """A branch that was forked, squashed and moved, a tag, and a file written into."""
    repo.create_branch("fork", "master^")
    for number in range(4):
        with repo.commit("fork", message=f"fork {number}") as commit:
            commit.write_at("/pieces", 100_000 * number, noise(400 + number, 70))
            commit.put_file(f"/fork/{number}", noise(500 + number, 1_000))
    repo.squash_commit("fork^^")
    repo.drop_commit("fork")
    repo.create_tag("v1.0", "fork^")
    repo.create_branch("moved", "master")
    repo.move_branch("moved", "v1.0")


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def describe(store: pfslib.Store) -> dict[str, object]:
    """All that a user can see of a store, as JSON."""
    return {
        "repos": {
            info.name: {
                "description": info.description,
                "pipeline": info.pipeline,
                "branches": {
                    branch.name: [
                        describe_commit(commit)
                        for commit in store.list_commit(info.name, branch.name)
                    ]
                    for branch in store.repo(info.name).list_branch()
                },
                "open": [
                    [opened.id, opened.branch, opened.message]
                    for opened in store.repo(info.name).list_open()
                ],
                "tags": [[tag.name, tag.commit] for tag in store.repo(info.name).list_tag()],
            }
            for info in store.list_repo()
        },
        "reflog": [[move.repo, move.branch, move.old, move.new] for move in store.reflog()],
        "images": [[image.name, image.root.digest.hex()] for image in store.list_image()],
        "pipelines": [pipeline.name for pipeline in store.list_pipeline()],
        "jobs": [
            [job.id, str(job.state), len(store.list_datum(job.id))] for job in store.list_job()
        ],
    }


def describe_commit(commit: pfslib.Commit) -> dict[str, object]:
    return {
        "id": commit.id,
        "digest": commit.digest,
        "number": commit.number,
        "message": commit.message,
        "started": commit.started.isoformat(),
        "finished": commit.finished.isoformat(),
        "size": commit.size,
        "files": commit.files,
        "provenance": [str(made_from) for made_from in commit.provenance()],
        "tree": {
            info.path.encode("utf-8", "surrogateescape").decode("latin-1"): [
                info.kind,
                info.size,
                info.executable,
                info.modified.isoformat(),
                info.digest,
                content_digest(commit, info),
            ]
            for info in commit.walk()
        },
    }


def content_digest(commit: pfslib.Commit, info: pfslib.FileInfo) -> str:
    return sha256(commit.get_file(info.path)).hexdigest() if info.kind == "file" else ""


def make(directory: Path) -> None:
    """Write the golden store of the present format into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "store"
        with pfslib.init(path) as store:
            fill(store, Path(made))
            # Only what is alive: what came and went leaves free pages, which nobody has to read.
            kept = store.backup(Path(made) / "kept")
        with pfslib.open(kept) as store:
            expected = describe(store)
        with tarfile.open(directory / "store.tar.gz", "w:gz") as archive:
            for file in sorted(kept.iterdir()):
                if file.is_file():
                    archive.add(file, file.name, filter=_anonymous)
    text = json.dumps(expected, indent=1, sort_keys=True)
    (directory / "expected.json").write_text(text + "\n")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(GOLDEN / f"v{FORMAT_VERSION}")
