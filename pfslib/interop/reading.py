"""The half of PfsFileSystem that looks and reads."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import IO, Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import isfilelike

from pfslib.api.commit import Commit
from pfslib.api.file import CommitFile
from pfslib.api.info import FileInfo
from pfslib.api.open_commit import OpenCommit
from pfslib.api.store import Store
from pfslib.interop.locations import Location, parse_location
from pfslib.interop.streams import PfsReader
from pfslib.model.errors import (
    CommitOpenError,
    InvalidPathError,
    IsADirectoryInCommitError,
    NotFoundError,
    WrongKindError,
)

_TYPES = {"dir": "directory", "symlink": "link", "file": "file"}


class ReadingVerbs(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """Reading the files of all commits of a store; see PfsFileSystem."""

    @property
    def _store(self) -> Store:
        """The store."""
        raise NotImplementedError

    def _commit(self, at: Location) -> Commit | OpenCommit:
        """What there is to read at a place."""
        raise NotImplementedError

    # --- what there is -------------------------------------------------------------------

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - fsspec's
        """What is at a path: ``name``, ``type``, ``size`` in bytes, ``mtime``, ``digest`` and more.

        Of a directory ``size`` is 0, as elsewhere, and ``total_size`` that of all below.

        Raises:
            PathNotFoundError: Nothing is there, or no such commit.
        """
        path = self._strip_protocol(path)
        if not path:
            return {"name": "", "type": "directory", "size": 0}
        at = parse_location(path)
        return _info(at, self._commit(at).inspect_file(at.path))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: ANN401, FBT001, FBT002
        """What is in a directory, by name; at the top, the branches of all repos.

        Raises:
            PathNotFoundError: Nothing is there, or no such commit.
        """
        path = self._strip_protocol(path)
        if path:
            at = parse_location(path)
            rows = [_info(at, info) for info in self._commit(at).list_file(at.path)]
        else:
            rows = [
                {"name": f"{repo.name}@{branch}", "type": "directory", "size": 0}
                for repo in self._store.list_repo()
                for branch in repo.branches
            ]
        return rows if detail else [row["name"] for row in rows]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002
        detail: bool = False,  # noqa: FBT001, FBT002
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - names, or by name what info says
        """All files below a path; see fsspec. Cost: that of listing them."""
        path = self._strip_protocol(path)
        if not path or maxdepth is not None:
            return super().find(path, maxdepth, withdirs, detail, **options)
        try:
            at = parse_location(path)
            commit = self._commit(at)
            top = commit.inspect_file(at.path)
        except (NotFoundError, WrongKindError):
            return {} if detail else []
        rows = commit.walk(at.path) if top.kind == "dir" else []
        found = [_info(at, info) for info in rows if withdirs or info.kind != "dir"]
        if withdirs or top.kind != "dir":
            found.insert(0, _info(at, top))
        found.sort(key=lambda row: str(row["name"]))
        return {row["name"]: row for row in found} if detail else [row["name"] for row in found]

    def exists(self, path: str, **_: Any) -> bool:  # noqa: ANN401
        """Whether anything is at a path; errors other than that it is not are raised."""
        try:
            self.info(path)
        except (NotFoundError, WrongKindError, InvalidPathError):
            return False
        return True

    def modified(self, path: str) -> datetime:
        """When a file was last changed, in UTC."""
        at = parse_location(self._strip_protocol(path))
        return self._commit(at).inspect_file(at.path).modified

    def created(self, path: str) -> datetime:
        """When the commit that last changed it was finished, in UTC."""
        at = parse_location(self._strip_protocol(path))
        info = self._commit(at).inspect_file(at.path)
        try:
            return self._store.commit(f"{at.repo}@{info.commit}").finished
        except (NotFoundError, CommitOpenError):  # copied from another repo, removed, or not yet
            return info.modified

    def ukey(self, path: str) -> str:
        """The digest of a file or directory: equal for equal content, in every store."""
        return str(self.info(path)["digest"])

    def checksum(self, path: str) -> int:
        """The same as a number."""
        return int(self.ukey(path), 16)

    # --- reading -------------------------------------------------------------------------

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **_: Any,  # noqa: ANN401
    ) -> bytes:
        """Bytes of a file, from one position to another; negative ones count from its end."""
        at = parse_location(self._strip_protocol(path))
        commit = self._commit(at)
        if start is None and end is None:
            return commit.get_file(at.path)
        size = commit.inspect_file(at.path).size
        first, last, _step = slice(start, end).indices(size)
        return commit.get_file(at.path, first, max(0, last - first))

    def get_file(
        self,
        rpath: str,
        lpath: Any,  # noqa: ANN401 - a path of the host, or a file
        callback: Callback = DEFAULT_CALLBACK,
        outfile: IO[bytes] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        """Write a file as one of the host, with its mode and time, whole or not at all."""
        at = parse_location(self._strip_protocol(rpath))
        commit = self._commit(at)
        info = commit.inspect_file(at.path)
        if outfile is not None or isfilelike(lpath) or info.kind == "dir":
            super().get_file(rpath, lpath, callback=callback, outfile=outfile, **options)
            return
        callback.set_size(info.size)
        Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        commit.get_file_to(
            at.path,
            lpath,
            overwrite=True,
            progress=lambda _files, size: callback.absolute_update(size),
        )

    def _reader(self, at: Location, path: str, buffer: int) -> PfsReader:
        commit = self._commit(at)
        info = commit.inspect_file(at.path)
        if info.kind == "dir":
            raise IsADirectoryInCommitError(path)
        tree = commit.tree
        return PfsReader(CommitFile(tree, tree.find(at.path), path), path, _info(at, info), buffer)


def _info(at: Location, info: FileInfo) -> dict[str, Any]:
    row = {
        "name": at.branch + info.path.rstrip("/"),
        "type": _TYPES[info.kind],
        "size": info.size if info.kind != "dir" else 0,
        "mtime": info.modified.timestamp(),
        "digest": info.digest,
        "commit": info.commit,
        "executable": info.executable,
    }
    if info.kind == "dir":
        row |= {"total_size": info.size, "total_files": info.files}
    return row
