"""What a mount server is told, which is the whole interface to `pfslib.mounts`."""

from __future__ import annotations

from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """What to serve, where, and for whom: an order, as msgpack."""

    store: str
    """Path of the store's directory."""

    view: str
    """What to show: see `pfsfuse.views`."""

    mountpoint: bytes
    """Absolute, without symbolic links."""

    fsname: str = "pfs"
    """What `mount` and `df` show as the source."""

    label: str = ""
    """Value of the attribute user.pfs.commit, of a view of one tree."""

    owner_pid: int | None = None
    """Unmount when this process ends."""

    allow_other: bool = False
    """Whether other users may look."""

    private: bool = False
    """Whether the mount point goes with the mount."""

    binding: Literal["kernel", "fusepy", "mfusepy"] = "kernel"
    """Who speaks to the kernel: `pfsfuse.kernel_loop`, fusepy and libfuse 2, mfusepy and 3."""


def parse_settings(order: bytes) -> Settings:
    """The settings that an order holds.

    Raises:
        msgspec.DecodeError: It holds none.
    """
    return msgspec.msgpack.decode(order, type=Settings)
