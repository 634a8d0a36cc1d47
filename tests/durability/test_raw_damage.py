"""T2: bytes of the data file flipped, zeroed, exchanged or written elsewhere: never wrong bytes.

What is damaged is the file itself, LMDB's own pages included. Those have no checksums: a name may
seem to be missing, and LMDB may end the process by a signal. A file that is handed out is right.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import pfslib
from pfslib.kv.layout import DATA_FILE

PAGE, SECTOR = 4096, 512
FILES = {f"/d{n % 3}/{n}": random.Random(n).randbytes(40 * 3**n % 90_001) for n in range(12)}
ROUNDS = 20


def flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) // SECTOR) * SECTOR
    data[at : at + SECTOR] = bytes(SECTOR)


def exchange(data: bytearray, chance: random.Random) -> None:
    """A write that went to the place of another one, and the other way round."""
    one, other = (chance.randrange(2, len(data) // PAGE) * PAGE for _ in range(2))
    kept = data[one : one + PAGE]
    data[one : one + PAGE] = data[other : other + PAGE]
    data[other : other + PAGE] = kept


def tear(data: bytearray, chance: random.Random) -> None:
    """The second half of a page is what another page holds there."""
    one, other = (chance.randrange(2, len(data) // PAGE) * PAGE for _ in range(2))
    data[one + 2048 : one + PAGE] = data[other + 2048 : other + PAGE]


READ_ALL = """
import os, sys
import pfslib
sys.path.insert(0, sys.argv[2])
from test_raw_damage import FILES
for path in sys.stdin.read().splitlines():
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        code = 100
        try:
            with pfslib.open(path) as store:
                for number in range(2):
                    for name, data in FILES.items():
                        try:
                            found = store.get_file("repo", f"master.{number}", name)
                        except pfslib.PfsError:
                            code = 101
                            continue
                        if found != data[::-1] if number else found != data:
                            os._exit(102)
        except pfslib.PfsError:
            code = 103
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    with pfslib.init(tmp_path / "made") as store:
        repo = store.create_repo("repo")
        for number in range(2):
            with repo.commit() as commit:
                for name, data in FILES.items():
                    commit.put_file(name, data[::-1] if number else data)
    return tmp_path / "made"


@pytest.mark.parametrize("damage", [flip, zero, exchange, tear])
def test_whatever_is_damaged_no_wrong_bytes_are_handed_out(
    made: Path, tmp_path: Path, start: Callable[..., object], damage: Callable[..., None]
) -> None:
    chance = random.Random(damage.__name__)
    whole = (made / DATA_FILE).read_bytes()
    paths = []
    for number in range(ROUNDS):
        paths.append(tmp_path / f"damaged-{number}")
        shutil.copytree(made, paths[-1])
        data = bytearray(whole)
        damage(data, chance)
        (paths[-1] / DATA_FILE).write_bytes(data)
    reader = start(READ_ALL, made, Path(__file__).parent)
    output, errors = reader.communicate("\n".join(map(str, paths)), timeout=120)
    said = Counter(output.split())
    assert sum(said.values()) == ROUNDS, errors
    assert said["102"] == 0, "wrong bytes"
    assert said["101"] + said["103"] > 0, "nothing was damaged"
    assert said["1"] == 0, "an error that is not one of ours"
