"""An empty file that whoever mounts opens and closes, and that nobody else ever finds.

The kernel asks the server about the first file that is closed, and learns that it need not: ENOSYS.
Whoever closes it would wait, unkillable, for a server that has been stopped. So it learns that as
soon as the mount is up. The name is longer than that of any file.
"""

from __future__ import annotations

from stat import S_IFREG
from typing import Final

from pfsfuse import abi
from pfsfuse.attributes import BLOCK
from pfsfuse.operations import NAME_MAX

_ID: Final = 2**64 - 1

PROBE: Final = b"-" * (NAME_MAX + 1)
"""Its name, which `pfslib.mounts.mounting` knows, too."""

PROBED: Final = abi.ENTRY_OUT.pack(_ID, 0, 0, abi.FOREVER, 0, 0) + abi.ATTR.pack(
    _ID, 0, 0, 0, 0, 0, 0, 0, 0, S_IFREG | 0o444, 1, 0, 0, 0, BLOCK, 0
)
"""The answer to who looks the name up; its number may be another file's, but nobody sees it."""
