"""Every file of the store's directory, on one page."""

from __future__ import annotations

from typing import Final

FORMAT_FILE: Final = "format"  # what kind of store it is: JSON
DATA_FILE: Final = "data.mdb"  # everything that is stored: LMDB's data file
READERS_FILE: Final = "lock.mdb"  # LMDB's table of readers, and its mutexes
GATE_FILE: Final = "write.lock"  # who writes, and whether anybody may
PRESENCE_FILE: Final = "open.lock"  # whether anybody has the store open, and from where
ANCHOR_FILE: Final = "anchor"  # what the data file must at least hold
SWEEP_FILE: Final = "sweep.lock"  # whether gc is at work
COPIES_FOLDER: Final = "copies"  # which directories are working copies, a link each
HOLDS_FOLDER: Final = "holds"  # what somebody counts on though nothing refers to it, a file each

STORE_FILES: Final = frozenset(
    {
        *(FORMAT_FILE, DATA_FILE, READERS_FILE, GATE_FILE, PRESENCE_FILE, ANCHOR_FILE),
        *(SWEEP_FILE, HOLDS_FOLDER),
    }
)
