"""Train a model on rows of numbers, predict with it, and ask where a prediction came from.

    python training.py STORE

The transforms are functions in this file; each runs in a process of its own, and again only when
its source or what it reads has changed.
"""

import json
import sys
from pathlib import Path

import pfslib

ROWS = {"train": {"monday": "1 3\n2 5\n", "tuesday": "3 7\n4 9\n"}, "ask": {"one": "10\n"}}


def define(store: pfslib.Store) -> None:
    """Three steps: rows to sums, sums to a line through them, the line to predictions."""
    for repo in ROWS:
        store.create_repo(repo)

    @store.pipeline({"pfs": {"repo": "train", "glob": "/*"}})
    def sums(train: Path, out: Path) -> None:
        """Sums over the rows of one day."""
        for file in train.iterdir():
            rows = [tuple(map(float, line.split())) for line in file.read_text().splitlines()]
            found = [
                len(rows),
                sum(x for x, _ in rows),
                sum(y for _, y in rows),
                sum(x * x for x, _ in rows),
                sum(x * y for x, y in rows),
            ]
            (out / file.name).write_text(json.dumps(found))

    @store.pipeline({"pfs": {"repo": "sums", "glob": "/"}})
    def model(sums: Path, out: Path) -> None:
        """The line that fits all days."""
        days = [json.loads(file.read_text()) for file in sums.iterdir()]
        n, x, y, xx, xy = (sum(column) for column in zip(*days, strict=True))
        slope = (n * xy - x * y) / (n * xx - x * x)
        (out / "line.json").write_text(json.dumps({"a": slope, "b": (y - slope * x) / n}))

    @store.pipeline(
        {
            "cross": [
                {"pfs": {"repo": "model", "glob": "/"}},
                {"pfs": {"repo": "ask", "glob": "/*"}},
            ]
        }
    )
    def predictions(model: Path, ask: Path, out: Path) -> None:
        """What the line says."""
        line = json.loads((model / "line.json").read_text())
        for file in ask.iterdir():
            answer = line["a"] * float(file.read_text()) + line["b"]
            (out / file.name).write_text(f"{answer:g}\n")


def main(store: pfslib.Store) -> None:
    """Feed it, run it, and follow a prediction back to the rows it was made from."""
    define(store)
    for repo, files in ROWS.items():
        with store.repo(repo).commit() as commit:
            for name, text in files.items():
                commit.put_file(f"/{name}", text)
    store.run(runner="local", notice=lambda _: None)
    prediction = store.commit("predictions@master")
    print("one:", prediction.get_file("/one").decode().strip())
    for source in prediction.provenance():
        files = ", ".join(file.path for file in source.walk())
        print(f"made from {source.repo}: {files}")


if __name__ == "__main__":
    with pfslib.open(sys.argv[1], create=True) as opened:
        main(opened)
