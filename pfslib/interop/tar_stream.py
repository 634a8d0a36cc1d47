"""tar streams in and out."""

from __future__ import annotations

import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from typing import IO, Any, Final, Literal

from pfslib.api.data import Special
from pfslib.api.open_commit import OpenCommit
from pfslib.api.read_verbs import ReadVerbs
from pfslib.interop.arriving import Arrivals, Imported
from pfslib.model.errors import InvalidInputError, PfsError
from pfslib.model.nodes import Kind

Packing = Literal["", "gz", "bz2", "xz"]

_HEADER_MAX: Final = 1 << 20
"""Longest extension of a header in bytes: tarfile reads one into memory, whatever it claims."""

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
    means its last. Nothing is unpacked to the disk, and links are stored, never followed.

    Args:
        commit: Takes the files. On an error it holds what came before: use a ``with`` block.
        file: The stream, read once from its beginning; packed by gzip, bzip2 or xz, or not.
        path: The directory that the archive stands for.
        special: ``refuse`` or ``skip`` devices, fifos and sparse files.

    Raises:
        InvalidInputError: No tar, cut short, or a name that leads out of it.
        PathClashError: One name is a file and a directory.

    Cost: one pass over the stream, in little memory.
    """
    arrivals = Arrivals(commit, path, skip_special=special == "skip")
    with (
        _damage_named(),
        tarfile.open(fileobj=file, mode="r|*", encoding="utf-8", tarinfo=_Member) as archive,
    ):
        for member in archive:
            _arrive(arrivals, archive, member)
    return arrivals.done()


def _arrive(arrivals: Arrivals, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    name = member.name
    if member.isdir():
        arrivals.place(name)
    elif member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        arrivals.put(name, target, Kind.SYMLINK, member.mtime)
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
    """A member whose header is no larger than headers are."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:  # noqa: ANN401 - tarfile's own
        if self.type in _EXTENSIONS and self.size > _HEADER_MAX:
            raise tarfile.ReadError(f"a header claims {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc] # not in typeshed


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except PfsError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, LZMAError, OSError, ValueError) as error:
        raise InvalidInputError(f"the tar stream cannot be read: {error}") from error


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
