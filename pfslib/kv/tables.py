r"""Every table of the store, on one page: name, key, value.

Integers in keys are big-endian, so that keys order as numbers. `id` is the 16 bytes of a commit or
job id, `#` a 64-bit number, `\0` a separator that no name holds. docs/format.md says it byte by
byte.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pfslib.kv.protocol import ReadTxn, WriteTxn


class Table(Enum):
    """A table; the value is the byte in front of its keys."""

    META = 1  # counter -> # given out so far; cursor:pipelines -> #; said:digest -> ""
    PLACES = 2  # digest of a piece -> chunk #, offset, length
    NODES = 3  # key of a directory or piece-list node -> frame
    REPOS = 4  # repo -> Repo
    BRANCHES = 5  # repo \0 branch -> Branch
    COMMITS = 6  # id -> Commit
    POSITIONS = 7  # repo \0 branch \0 # -> commit id
    SUBVENANCE = 8  # id, id of a commit made from it -> ""
    OPEN = 9  # id -> OpenCommit
    OPEN_BRANCHES = 10  # repo \0 branch -> id of the open commit
    STAGED = 11  # id, # -> Edit
    REFLOG = 12  # # -> HeadMoved
    PIPELINES = 13  # pipeline -> Pipeline
    JOBS = 14  # id -> Job
    JOB_ORDER = 15  # # -> job id, in the order of creation
    QUEUE = 16  # # -> id of a job that is not finished
    DATUMS = 17  # datum key -> DatumResult: the successful ones, of all jobs
    JOB_DATUMS = 18  # job id, # -> DatumRecord
    LOGS = 19  # job id, datum #, attempt # -> bytes the attempt printed
    IMAGES = 20  # image -> Image: a tree that the local sandbox lays over the host's
    CONDEMNED = 21  # digest of a piece or key of a node -> "p" or "n": garbage that gc will sweep
    THINNED = 22  # chunk # -> "": it lost a piece, and gc has not looked at it since
    TAGS = 23  # repo \0 tag -> Tag
    STATS = 24  # device, inode of a host directory, first name -> StatRows: a cache
    WORKS = 32  # id of an output commit -> Work: how it came about
    LEASES = 33  # datum key -> Lease: who is running it
    OLD_PIPELINES = 34  # pipeline \0 version # -> Pipeline: what it was before an update
    CHUNKS = 255  # # -> frame: codec, plain size, payload

    def __init__(self, number: int) -> None:
        self.tag = bytes([number])
        # Those of nodes and chunks are verified against the digests that lead to them.
        self.has_sums = self.name not in {"NODES", "CHUNKS"}


LAST_TABLE: Final = Table.CHUNKS
"""Its keys come after all others, so that chunks are appended: several times faster than put."""

ID_SIZE: Final = 16


def number_key(number: int) -> bytes:
    """The key of a numbered record."""
    return number.to_bytes(8, "big")


def name_key(*names: str) -> bytes:
    """The key of something named by several names; also of names that nothing can have."""
    return b"\0".join(name.encode("utf-8", "surrogatepass") for name in names)


def name_prefix(*names: str) -> bytes:
    """What the keys of all things below these names begin with."""
    return name_key(*names) + b"\0"


def id_key(text: str) -> bytes:
    """The key of a commit or job, from its 32-digit id."""
    return bytes.fromhex(text)


def next_number(txn: WriteTxn, counter: str) -> int:
    """Take the next number of a counter. Numbers are never given out twice, also after deletes."""
    key = counter.encode()
    number = int.from_bytes(txn.get(Table.META, key) or b"", "big")
    txn.put(Table.META, key, number_key(number + 1))
    return number


def peek_number(txn: ReadTxn, counter: str) -> int:
    """The number that `next_number` would give out next."""
    return int.from_bytes(txn.get(Table.META, counter.encode()) or b"", "big")


def set_number(txn: WriteTxn, counter: str, number: int) -> None:
    """Have `next_number` go on at a number, which must not be less than what it would give."""
    txn.put(Table.META, counter.encode(), number_key(number))
