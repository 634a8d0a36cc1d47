"""Records to bytes and back, from several threads at once."""

from __future__ import annotations

import subprocess
import sys

FIRST_OF_ALL = """
import sys, threading
from pfslib.model.encoding import pack, unpack
from pfslib.model.nodes import Entry, Inner, Leaf, PieceList
from pfslib.model.history import Commit

sys.setswitchinterval(1e-6)
leaf = pack([0, [[b"a", 0, 1, b"x", 7, b"o" * 16, b"", 0]]])
together = threading.Barrier(8)

def read():
    together.wait()
    for _ in range(50):
        assert unpack(Leaf, leaf).items[0].name == b"a"

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_their_first_record_at_once():
    """Each process has one first time."""
    for _ in range(25):
        subprocess.run([sys.executable, "-c", FIRST_OF_ALL], check=True)
