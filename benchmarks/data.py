"""Inputs made from a seed: the same bytes on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
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
