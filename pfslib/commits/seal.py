"""The digest of a commit, over every other field of its record."""

from __future__ import annotations

import msgspec
from blake3 import blake3

from pfslib.model.encoding import pack
from pfslib.model.history import Commit


def sealed(commit: Commit) -> Commit:
    """The commit with its digest, which covers every other field."""
    bare = msgspec.structs.replace(commit, digest=b"")
    return msgspec.structs.replace(commit, digest=blake3(pack(bare)).digest())
