"""Inputs made from a seed: the same bytes on every machine."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

MIB = 1 << 20


def text_of(rng: random.Random, size: int, words: list[bytes]) -> bytes:
    """Text-like bytes: compresses about as source code does."""
    return b" ".join(rng.choices(words, k=size // 5 + 1))[:size]


def vocabulary(rng: random.Random, count: int = 4000) -> list[bytes]:
    """Words of a made-up language."""
    letters = b"etaoinshrdlucmfwypvbgkjqxz"
    return [bytes(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(count)]


def small_files(top: Path, count: int, *, low: int, high: int, per_folder: int = 100) -> int:
    """Text files of low..high bytes in folders; how many bytes in all."""
    rng = random.Random(1)
    words = vocabulary(rng)
    total = 0
    for number in range(count):
        folder = top / f"{number // per_folder:05d}"
        if number % per_folder == 0:
            folder.mkdir(parents=True)
        size = rng.randint(low, high)
        (folder / f"{number:07d}.txt").write_bytes(text_of(rng, size, words))
        total += size
    return total


def big_file(path: Path, size: int, *, mixed: bool) -> None:
    """Random bytes; or, mixed, 64 KiB of random bytes and of text in turn."""
    rng = random.Random(2)
    words = vocabulary(rng)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            if mixed:
                for _ in range(8):
                    file.write(rng.randbytes(65536))
                    file.write(text_of(rng, 65536, words))
            else:
                file.write(rng.randbytes(MIB))


def changed_file(source: Path, target: Path) -> None:
    """The file with a MiB and a byte inserted in the middle and 100 overwrites of 4 KiB."""
    rng = random.Random(3)
    size = source.stat().st_size
    with source.open("rb") as old, target.open("wb") as new:
        for _ in range(size // MIB // 2):
            new.write(old.read(MIB))
        new.write(rng.randbytes(MIB + 1))
        while block := old.read(MIB):
            new.write(block)
        for _ in range(100):
            new.seek(rng.randrange(size - 4096))
            new.write(rng.randbytes(4096))


def names(count: int, per_folder: int) -> Iterator[tuple[str, bytes]]:
    """Paths in a commit, each with a small content of its own."""
    for number in range(count):
        yield f"/{number // per_folder:05d}/{number:08d}", b"content %d\n" % number


def make_older(top: Path, seconds: float) -> None:
    """Wait until every file of a tree was changed so long ago."""
    newest = max(entry.lstat().st_ctime for entry in top.rglob("*"))
    time.sleep(max(0.0, newest + seconds - time.time()))


def tree_bytes(top: Path) -> int:
    """Bytes in all files of a tree."""
    return sum(entry.lstat().st_size for entry in top.rglob("*") if not entry.is_dir())


def releases(top: Path, count: int) -> list[Path]:
    """Trees of text files, of which every tenth differs a little from one to the next."""
    words = vocabulary(random.Random(5))
    trees = [top / str(number) for number in range(count)]
    small_files(trees[0], 300, low=200, high=30_000)
    for number, (old, new) in enumerate(pairwise(trees)):
        rng = random.Random(number)
        shutil.copytree(old, new)
        for file in sorted(new.rglob("*.txt"))[number % 10 :: 10]:
            text = file.read_bytes()
            at = rng.randrange(len(text))
            file.write_bytes(text[:at] + text_of(rng, 200, words) + text[at:])
    return trees
