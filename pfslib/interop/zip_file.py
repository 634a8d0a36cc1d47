"""zip files in and out."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from datetime import UTC, datetime
from typing import IO, Final, cast

from pfslib.api.data import Special
from pfslib.api.info import FileInfo
from pfslib.api.open_commit import OpenCommit
from pfslib.api.read_verbs import ReadVerbs
from pfslib.interop.arriving import Arrivals, Imported, damage_named
from pfslib.model.errors import InvalidInputError, InvalidPathError
from pfslib.model.nodes import Kind

_MEMORY_MAX: Final = 16 << 20
_BLOCK: Final = 1 << 20
_HEADER_MIN: Final = 30
_LINK_MAX: Final = 4096
"""Longest target of a link in bytes, as in Linux."""


def import_zip(
    commit: OpenCommit, file: IO[bytes], path: str = "/", *, special: Special = "refuse"
) -> Imported:
    """Put the members of a zip file into an open commit.

    As ``import_tar`` does. What cannot be sought in is kept in a temporary file first, for the
    table of a zip file is at its end; its members are never unpacked to the disk.

    Args:
        commit: Takes the files. On an error it holds what came before: use a ``with`` block.
        file: The zip file.
        path: The directory that the archive stands for.
        special: ``refuse`` or ``skip`` devices, fifos and what is encrypted.

    Raises:
        InvalidInputError: No zip file, a damaged one, or a name that leads out of it.
    """
    arrivals = Arrivals(commit, path, skip_special=special == "skip")
    with tempfile.SpooledTemporaryFile(_MEMORY_MAX) as kept:
        if not file.seekable():
            while block := file.read(_BLOCK):
                kept.write(block)
            file = cast("IO[bytes]", kept)
        with damage_named("zip file"), zipfile.ZipFile(file) as archive:
            _check_apart(archive.infolist())
            for member in archive.infolist():
                _arrive(arrivals, archive, member)
    return arrivals.done()


def _check_apart(members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes: a few may unpack to far more than any archive holds."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise zipfile.BadZipFile(f"member {member.filename!r} lies within another")
        end = member.header_offset + _HEADER_MIN + member.compress_size


def _arrive(arrivals: Arrivals, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    name, mode = member.filename, member.external_attr >> 16
    if member.is_dir():
        arrivals.place(name)
        return
    if member.flag_bits & 1:
        arrivals.special(name, "encrypted")
        return
    kind = Kind.EXECUTABLE if mode & stat.S_IXUSR else Kind.FILE
    if stat.S_ISLNK(mode):
        kind = Kind.SYMLINK
        if member.file_size > _LINK_MAX:
            raise InvalidInputError(f"member {name!r} of the archive is too long for a link")
    elif stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        arrivals.special(name, "a device or fifo")
        return
    with archive.open(member) as content:
        arrivals.put(name, content, kind, _seconds(member))


def _seconds(member: zipfile.ZipInfo) -> float:
    try:
        return datetime(*member.date_time, tzinfo=UTC).timestamp()
    except ValueError:  # months and days are numbers like any other
        return 0.0


def export_zip(commit: ReadVerbs, file: IO[bytes], path: str = "/") -> None:
    """Write a directory of a commit as a zip file.

    Times are those of the files, in UTC, to two seconds, and not before 1980.

    Args:
        commit: Where to read: a finished commit, or an open one.
        file: Takes the zip file; need not be seekable.
        path: The directory, which becomes the top of the archive.

    Raises:
        PathNotFoundError: Nothing is there.
        NotADirectoryInCommitError: A file is there.
        InvalidPathError: A name is not UTF-8: zip files know no others.

    Cost: reading all of it once, in little memory.
    """
    top = commit / path
    top.iterdir()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for info in commit.walk(path):
            name = info.path[len(top.path.rstrip("/")) + 1 :]
            if not name.isprintable() and any("\ud800" <= char <= "\udfff" for char in name):
                raise InvalidPathError(info.path, "it is not UTF-8, which zip files need")
            member = _member(info, name)
            if info.kind == "dir":
                archive.writestr(member, b"")
                continue
            with (
                commit.open(info.path) as content,
                archive.open(member, "w", force_zip64=info.size > zipfile.ZIP64_LIMIT) as target,
            ):
                while block := content.read(_BLOCK):
                    target.write(block)


def _member(info: FileInfo, name: str) -> zipfile.ZipInfo:
    moment = info.modified.timetuple()[:6]
    member = zipfile.ZipInfo(
        f"{name}/" if info.kind == "dir" else name,
        max((1980, 1, 1, 0, 0, 0), min(moment, (2107, 12, 31, 23, 59, 58))),
    )
    mode = {"dir": stat.S_IFDIR | 0o755, "symlink": stat.S_IFLNK | 0o777}.get(
        info.kind, stat.S_IFREG | (0o755 if info.executable else 0o644)
    )
    member.external_attr = mode << 16
    member.create_system = 3
    member.compress_type = zipfile.ZIP_DEFLATED
    return member
