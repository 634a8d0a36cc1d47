"""The post's feed.go in Python: commit project names one by one, then look at the results.

    python feed.py [STORE]

STORE is a directory, made if there is none; without it PFS_STORE names it.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pfslib

HERE = Path(__file__).parent

# Example Go projects; rootfs/go has a small source tree for each.
PROJECTS = [
    "docker/docker",
    "kubernetes/kubernetes",
    "hashicorp/consul",
    "spf13/hugo",
    "prometheus/prometheus",
    "influxdata/influxdb",
    "coreos/etcd",
]

# The same document as pipeline.json, written down in Python.
STATS = {
    "pipeline": {"name": "stats"},
    "transform": {
        "image": "dwhitena/stats",
        "cmd": ["/bin/bash"],
        # What the command reads on its standard input: the shell runs it line by line.
        "stdin": [
            "for filename in /pfs/projects/*; do",
            "REPONAME=`cat $filename`",
            "source /stats.sh >> /pfs/out/results",
            "done",
        ],
    },
    # "reduce" hands each file over whole; a file that was counted once is not counted again.
    "inputs": [{"repo": {"name": "projects"}, "method": "reduce"}],
}


def feed(store: pfslib.Store) -> None:
    """Everything that the post does by hand, from an empty store to the last result."""
    # Where there is no Docker, the image is a directory that the store keeps and that the
    # sandbox lays over this machine's own root.
    store.create_image("dwhitena/stats", HERE / "rootfs")

    # The input repo comes first: a pipeline subscribes to repos that exist. Both may be there
    # from an earlier call.
    with suppress(pfslib.AlreadyExistsError):
        store.create_repo("projects")
    with suppress(pfslib.AlreadyExistsError):
        store.create_pipeline(STATS)

    # One commit for each project. Nothing is visible to anyone before its commit is finished.
    for idx, project in enumerate(PROJECTS):
        commit = store.start_commit("projects", "master")
        store.put_file("projects", commit.id, str(idx), project)
        store.finish_commit("projects", commit.id)

    # Each of those commits has triggered a job. There is no server: they run here and now, in
    # Docker or in the sandbox, as PFS_RUNNER says.
    jobs = store.run(runner=os.environ.get("PFS_RUNNER", "auto"))
    print(f"{len(jobs)} jobs finished")

    print(store.commit("stats@master").get_file("/results").decode(), end="")


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PFS_STORE")
    if not path:
        sys.exit("usage: python feed.py STORE (or set PFS_STORE)")
    with pfslib.open(path, create=True) as store:
        feed(store)
