"""Members of foreign archives, on their way into a commit; nothing of them touches the disk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from lzma import LZMAError
from tarfile import TarError
from typing import IO, Final
from zipfile import BadZipFile

import msgspec

from pfslib.api.open_commit import OpenCommit
from pfslib.model.errors import InvalidInputError, PfsError
from pfslib.model.nodes import Kind
from pfslib.model.paths import normal_path

_BLOCK: Final = 1 << 20
_DAMAGE: Final = (
    # Of damaged bytes, these modules raise nearly anything.
    *(TarError, BadZipFile, zlib.error, LZMAError, EOFError, OSError),
    *(NotImplementedError, OverflowError, LookupError, ValueError, struct.error),
)
_YEAR_MAX_S: Final = 253_402_300_799
"""The last second that a datetime knows."""


class Imported(msgspec.Struct, frozen=True):
    """What an import put."""

    files: int
    """Files and links."""

    bytes: int
    """Of those files."""

    skipped: tuple[str, ...] = ()
    """What cannot be stored, and was left out as asked."""


class Arrivals:
    """Puts members into an open commit, and counts them."""

    def __init__(self, commit: OpenCommit, path: str, *, skip_special: bool) -> None:
        self._commit = commit
        self._at = normal_path(path).rstrip("/")
        self._skip_special = skip_special
        self._files = 0
        self._bytes = 0
        self._arrived: set[str] = set()
        self._skipped: dict[str, None] = {}

    def place(self, name: str) -> str:
        """Where a member goes.

        Raises:
            InvalidInputError: Its name leads out of where archives may write.
        """
        if name.startswith("/") or ".." in name.split("/"):
            raise InvalidInputError(
                f"member {name!r} of the archive would lie outside of it",
                hint="make the archive anew, with relative names",
            )
        inner = "/".join(part for part in name.split("/") if part not in {"", "."})
        return normal_path(f"{self._at}/{inner}")

    def put(self, name: str, content: IO[bytes] | bytes, kind: Kind, modified_s: float) -> None:
        """Put a file or link."""
        counted, place = _Counted(content), self.place(name)
        self._commit.put_entry(place, counted.blocks(), kind, modified=_when(modified_s))
        self._arrived.add(place)
        self._files += 1
        self._bytes += counted.size

    def link(self, name: str, target: str) -> None:
        """Put what a member that arrived earlier has, under another name.

        Raises:
            InvalidInputError: No file or link of the archive has arrived under the target's name.
        """
        place, source = self.place(name), self.place(target)
        if source not in self._arrived:
            if target in self._skipped:
                self.special(name, f"a link to {target!r}, which is left out")
                return
            raise InvalidInputError(
                f"member {name!r} of the archive is a hard link to {target!r}, which does not come"
                " before it",
                hint="make the archive anew, of the directory that has both",
            )
        self._commit.copy_file(self._commit, source, place)
        self._arrived.add(place)
        self._files += 1

    def special(self, name: str, what: str) -> None:
        """Leave a member out, or refuse it.

        Raises:
            InvalidInputError: It is not to be left out.
        """
        if not self._skip_special:
            raise InvalidInputError(
                f"member {name!r} of the archive is {what}: that cannot be stored",
                hint='`--skip-special`, or special="skip" in Python, leaves such members out',
            )
        self._skipped[name] = None

    def done(self) -> Imported:
        """What has arrived."""
        return Imported(self._files, self._bytes, tuple(self._skipped))


@contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Say of an archive, and not of Python's modules for such, that it is damaged.

    Raises:
        InvalidInputError: One of them has raised something.
    """
    try:
        yield
    except PfsError:
        raise
    except _DAMAGE as error:
        raise InvalidInputError(
            f"the {what} cannot be read: {str(error) or repr(error)}"
        ) from error


class _Counted:
    def __init__(self, content: IO[bytes] | bytes) -> None:
        self._content = content
        self.size = 0

    def blocks(self) -> Iterator[bytes]:
        if isinstance(self._content, bytes):
            self.size += len(self._content)
            yield self._content
            return
        while block := self._content.read(_BLOCK):
            self.size += len(block)
            yield block


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(max(0.0, min(seconds, _YEAR_MAX_S)), UTC)
