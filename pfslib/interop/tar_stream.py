"""tar streams in and out."""

from __future__ import annotations

import stat
import tarfile
from typing import IO, Any, Final, Literal, Self

from pfslib.api.data import Special
from pfslib.api.open_commit import OpenCommit
from pfslib.api.read_verbs import ReadVerbs
from pfslib.interop.arriving import Arrivals, Imported, damage_named
from pfslib.interop.unpacking import unpacked
from pfslib.model.nodes import Kind

Packing = Literal["", "gz", "bz2", "xz"]

_HEADER_MAX: Final = 1 << 20
"""Longest extension of a header in bytes: tarfile reads one into memory, whatever it claims."""

_BLOCK: Final = 1 << 20

_NAMES_OF_DIRECTORY: Final = b"D"
"""A directory in an incremental archive of GNU, with a list of what was in it."""

_EXTENSIONS: Final = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


def import_tar(
    commit: OpenCommit, file: IO[bytes], path: str = "/", *, special: Special = "refuse"
) -> Imported:
    """Put the members of a tar stream into an open commit.

    Files, links and modes, with their times, laid over what is there; a name that comes twice
    means its last. Nothing is unpacked to the disk, and links are stored, never followed. The
    stream is read to its end, which has to be that of the archive: two empty blocks, and nothing
    but zeros behind them.

    Args:
        commit: Takes the files. On an error it holds what came before: use a ``with`` block.
        file: The stream, read once from its beginning; packed by gzip, bzip2 or xz, or not.
        path: The directory that the archive stands for.
        special: ``refuse`` or ``skip`` devices, fifos and sparse files.

    Raises:
        InvalidInputError: No tar, a damaged or cut one, a name that leads out of it, or a hard link
            to what does not come before it.
        PathClashError: One name is a file and a directory.

    Cost: one pass over the stream, in little memory.
    """
    arrivals = Arrivals(commit, path, skip_special=special == "skip")
    with (
        damage_named("tar stream"),
        unpacked(file) as stream,
        tarfile.TarFile(fileobj=stream, encoding="utf-8", tarinfo=_Member) as archive,
    ):
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # or it would keep all
            _arrive(arrivals, archive, member)
        _check_end(stream)
    return arrivals.done()


def _check_end(stream: IO[bytes]) -> None:
    """Make sure that two empty blocks end the archive, and that nothing is behind them.

    The first of them was read. Reading on to the end also has the checksums of packed streams
    verified.
    """
    second = stream.read(tarfile.BLOCKSIZE)
    if len(second) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it is cut short: its end is missing")
    behind = second
    while behind:
        if behind.count(0) != len(behind):
            raise tarfile.ReadError("something follows its end")
        behind = stream.read(_BLOCK)


def _arrive(arrivals: Arrivals, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    name = member.name
    if member.isdir():
        arrivals.place(name)
    elif member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        arrivals.put(name, target, Kind.SYMLINK, member.mtime)
    elif member.type == _NAMES_OF_DIRECTORY:
        arrivals.place(name)
    elif member.islnk():
        arrivals.link(name, member.linkname)
    elif member.issparse():
        # A few bytes may claim to be 2^63 zeros.
        arrivals.special(name, "a sparse file")
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        kind = Kind.EXECUTABLE if member.mode & stat.S_IXUSR else Kind.FILE
        arrivals.put(name, content, kind, member.mtime)
    else:
        arrivals.special(name, "a device or fifo")


class _Member(tarfile.TarInfo):
    """A member whose header is whole, and no larger than headers are."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """The next member.

        Raises:
            EOFHeaderError: None comes: there is an empty block.
            ReadError: What comes is no header; tarfile itself would take it for the end.
        """
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # not in typeshed
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged or cut short, {error}") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """A member by its header; that of GNU has times where others have a part of the name."""
        member = super().frombuf(buf, encoding, errors)
        if buf[257:265] == tarfile.GNU_MAGIC and member.type not in tarfile.GNU_TYPES:
            times = tarfile.nts(buf[345:500], encoding, errors)  # type: ignore[attr-defined]
            member.name = member.name.removeprefix(f"{times}/")
        return member

    def _proc_member(self, archive: tarfile.TarFile) -> Any:  # noqa: ANN401 - tarfile's own
        if self.type in _EXTENSIONS and self.size > _HEADER_MAX:
            raise tarfile.ReadError(f"a header claims {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc] # not in typeshed


def export_tar(
    commit: ReadVerbs, file: IO[bytes], path: str = "/", *, packing: Packing = ""
) -> None:
    """Write a directory of a commit as a tar stream.

    Equal directories with equal times give equal bytes. Owners are left out.

    Args:
        commit: Where to read: a finished commit, or an open one.
        file: Takes the stream; need not be seekable.
        path: The directory, which becomes the top of the archive.
        packing: ``gz``, ``bz2`` or ``xz``; empty for none.

    Raises:
        PathNotFoundError: Nothing is there.
        NotADirectoryInCommitError: A file is there.

    Cost: reading all of it once, in little memory.
    """
    top = commit / path
    top.iterdir()
    mode: Any = f"w|{packing}"
    with tarfile.open(
        fileobj=file, mode=mode, format=tarfile.PAX_FORMAT, encoding="utf-8"
    ) as archive:
        for info in commit.walk(path):
            member = tarfile.TarInfo(info.path[len(top.path.rstrip("/")) + 1 :])
            member.mtime = int(info.modified.timestamp())
            if info.kind == "dir":
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif info.kind == "symlink":
                member.type, member.mode = tarfile.SYMTYPE, 0o777
                member.linkname = commit.get_file(info.path).decode("utf-8", "surrogateescape")
                archive.addfile(member)
            else:
                member.size, member.mode = info.size, 0o755 if info.executable else 0o644
                with commit.open(info.path) as content:
                    archive.addfile(member, content)
