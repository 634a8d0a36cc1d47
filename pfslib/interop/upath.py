"""PfsPath: ``UPath("pfs://repo@ref/path")``, for those who have universal_pathlib."""

from __future__ import annotations

from upath import UPath


class PfsPath(UPath):
    """A path of universal_pathlib into a store; see `PfsFileSystem`."""

    __slots__ = ()
