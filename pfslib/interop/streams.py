"""Files of a commit as fsspec's users expect them: for reading, and for writing."""

from __future__ import annotations

import inspect
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Never, Self, SupportsIndex

from pfslib.api.file import CommitFile, FileReader
from pfslib.model.errors import StateError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_MEMORY_MAX: Final = 16 << 20
"""Bytes of a file being written that wait in memory; more wait in a temporary file."""

_TOLD_TO: Final = {
    ("fsspec.core", "OpenFile.__exit__"): "args",
    ("pandas.io.common", "IOHandles.__exit__"): "exc_type",
}
"""Ends of blocks that close files, and which variable there says whether the block raised."""


class PfsReader(FileReader):
    """A file of a commit, for reading; what it reads does not change, whatever is committed.

    Attributes:
        path: Of the file, as ``repo@ref/path``.
        size: In bytes.
        details: What ``fs.info`` says of it.
    """

    def __init__(self, raw: CommitFile, path: str, details: dict[str, Any], buffer: int) -> None:
        super().__init__(raw, buffer)
        self.path = path
        self.size = raw.size
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.raw, self.path, self.details, self._buffer), self.tell()

    def info(self) -> dict[str, Any]:
        """What ``fs.info`` says of it."""
        return self.details


class _Discarded(io.IOBase):
    """A file whose block discards it when it raises, instead of putting a part of it."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise StateError(
            "a file that is being written is not pickled",
            hint="close it, and open it for reading elsewhere",
        )

    def discard(self) -> None:
        """Throw away what was written. Idempotent."""
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
        self.close()


class PfsWriter(_Discarded, io.BufferedIOBase):
    """A file being written; put into a commit when it is closed, and never in part.

    An exception in its ``with`` block discards it, and so does forgetting it.
    """

    def __init__(
        self, path: str, mode: str, put: Callable[[IO[bytes]], None], *, start: int = 0
    ) -> None:
        """Begin a file.

        Args:
            path: Of the file, as ``repo@ref/path``.
            mode: What it was opened with; with ``a`` all is written at the end.
            put: Takes what was written, at the end.
            start: Bytes that are there already, and stay.
        """
        self.path = self.name = path
        self.mode = mode
        self._put = put
        self._start = start
        self._maker = os.getpid()
        self._written = tempfile.SpooledTemporaryFile(_MEMORY_MAX)  # noqa: SIM115 - see close

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True

    def readable(self) -> bool:
        """Whether it can be read: not before it is committed."""
        return False

    def seekable(self) -> bool:
        """Whether one can move in it: yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes at the position, or to what is added to a file always at the end."""
        file = self._open()
        if "a" in self.mode:
            file.seek(0, io.SEEK_END)
        return file.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position, in what can be written."""
        start = self._start if whence == io.SEEK_SET else 0
        return self._start + self._open().seek(max(offset - start, min(offset, 0)), whence)

    def tell(self) -> int:
        """The position in bytes."""
        return self._start + self._open().tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Cut what was written, or make it longer by zeros; what was there before stays."""
        file = self._open()
        position = file.tell()
        size = self.tell() if size is None else size
        wanted = max(0, size - self._start)
        missing = wanted - file.seek(0, io.SEEK_END)
        if wanted > _MEMORY_MAX:
            file.rollover()
        elif missing > 0:
            file.write(bytes(missing))  # in memory, cutting it makes nothing longer
        file.truncate(wanted)
        file.seek(position)
        return size

    def close(self) -> None:
        """Put what was written into its commit. Idempotent, also when that fails.

        In a forked child nothing is put: the file is the parent's.
        """
        if self.closed:
            return
        super().close()
        with self._written as written:
            if os.getpid() == self._maker and not _ends_a_block_that_raised():
                written.seek(0)
                self._put(written)

    def forget(self) -> None:
        """Put nothing when it is closed."""
        self._put = _nothing

    def discard(self) -> None:
        """Throw away what was written. Idempotent."""
        self.forget()
        self.close()

    def _open(self) -> tempfile.SpooledTemporaryFile[bytes]:
        if self.closed:
            msg = "I/O operation on closed file"
            raise ValueError(msg)
        return self._written

    def __del__(self) -> None:
        # A finalizer may run inside a write of its own thread, so it cannot make a commit.
        if not self.closed:
            _warn(self)
            self.discard()


class PackedWriter(_Discarded, io.BufferedIOBase):
    """A file being written through a compressor, which is closed before it."""

    def __init__(self, file: PfsWriter, packer: IO[bytes]) -> None:
        self._file = file
        self._packer = packer

    def writable(self) -> bool:
        """Whether it can be written: yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Compress bytes."""
        return self._packer.write(data)

    def flush(self) -> None:
        """Hand over what can be."""
        if not self.closed:
            self._packer.flush()

    def close(self) -> None:
        """Put what was written into its commit. Idempotent."""
        if self.closed:
            return
        super().close()
        try:
            self._packer.close()
        except BaseException:
            self._file.forget()
            raise
        finally:
            self._file.close()

    def discard(self) -> None:
        """Throw away what was written. Idempotent."""
        self._file.forget()
        self.close()

    def __del__(self) -> None:
        if not self.closed:
            _warn(self._file)
            self.discard()


class TextWriter(_Discarded, io.TextIOWrapper):
    """Text being written; as little of it is put in part as of bytes."""

    def __init__(self, file: PfsWriter | PackedWriter, **options: Any) -> None:  # noqa: ANN401
        super().__init__(file, **options)  # type: ignore[arg-type] # typeshed wants IO's own
        self._file = file

    def discard(self) -> None:
        """Throw away what was written. Idempotent."""
        self._file.discard()

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        if not self.closed:
            self._file.__del__()


def _ends_a_block_that_raised() -> bool:
    """Whether a file is closed because the block that somebody opened it for has raised.

    fsspec and pandas keep that from the file, so that only the stack knows. Any exception being
    handled would be too much: a file may well be written and closed in an ``except``.
    """
    frame = inspect.currentframe()
    while frame is not None:
        told = _TOLD_TO.get((str(frame.f_globals.get("__name__")), frame.f_code.co_qualname))
        if told is not None:
            return frame.f_locals.get(told) not in {None, (None, None, None)}
        frame = frame.f_back
    return False


def _nothing(_: IO[bytes]) -> None:
    pass


def _warn(file: PfsWriter) -> None:
    warnings.warn(
        f"{file.path} was never closed: nothing of it is written", ResourceWarning, stacklevel=2
    )
