"""What cannot be undercut: the bare calls of the pieces that pfslib is built on, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb
import zstandard
from blake3 import blake3

from benchmarks.data import MIB

_VALUE = 64 * 1024
_TRANSACTION = 32 * MIB
_PACK = 48 * 1024


def into_lmdb(source: Path, target: Path) -> None:
    """The bytes of a file as appended values, neither cut nor hashed nor looked up; synced."""
    target.mkdir()
    env = lmdb.open(str(target), map_size=1 << 36, lib_version=0)
    number = 0
    with source.open("rb", buffering=0) as file:
        while block := file.read(_TRANSACTION):
            with env.begin(write=True) as txn:
                for at in range(0, len(block), _VALUE):
                    txn.put(number.to_bytes(8, "big"), block[at : at + _VALUE], append=True)
                    number += 1
    env.close()


def read_and_hash(source: Path) -> list[bytes]:
    """Every file of a tree opened, looked at, read and hashed; the contents."""
    contents = []
    for top, _, names in os.walk(source):
        folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        for name in names:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            size = os.fstat(file).st_size
            content = os.read(file, size + 1)
            os.close(file)
            blake3(content).digest()
            contents.append(content)
        os.close(folder)
    return contents


def and_compress(source: Path) -> None:
    """The same, and compressed in packs, all by one thread."""
    compressor = zstandard.ZstdCompressor(level=1)
    pack: list[bytes] = []
    size = 0
    for content in read_and_hash(source):
        pack.append(content)
        size += len(content)
        if size >= _PACK:
            compressor.compress(b"".join(pack))
            pack, size = [], 0
