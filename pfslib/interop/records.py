"""A stream of records, which are lines, rows of CSV or JSON documents, as many files."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Final, Literal

from pfslib.model.errors import InvalidInputError, PathClashError

if TYPE_CHECKING:
    from pfslib.api.open_commit import OpenCommit

By = Literal["line", "csv", "json"]

_BLOCK: Final = 1 << 20
_RECORD_MAX: Final = 64 << 20
"""Longest record in bytes; a quote that is never closed would otherwise fill the memory."""

_OPENING: Final = re.compile(rb'(?:^|[,;\t|])"')
"""A quote opens a field, where one begins; anywhere else it is a character."""

_TO_CLOSING: Final = re.compile(rb'(?:[^"]++|"")*+"')

_BLANKS: Final = re.compile("[ \t\r\n\x1e]*")
"""RFC 7464 has a record separator before each document."""

_NUMBER_GOES_ON: Final = re.compile(r"[-+.0-9eE]*")


def put_split(
    commit: OpenCommit,
    path: str,
    file: IO[bytes],
    *,
    by: By = "line",
    records: int = 1,
    size: int = 0,
    header: int = 0,
) -> int:
    """Put a stream of records as a directory of numbered files, so that each can be a datum.

    Files are named by 16 hexadecimal digits, in order. What is in the directory already stays, and
    the new ones come after it.

    Args:
        commit: Takes the files.
        path: The directory.
        file: The stream.
        by: What a record is: ``line``, up to a newline; ``csv``, the same, but a newline in quotes,
            which open only where a field begins, ends no row; ``json``, one of several documents,
            with or without space in between.
        records: Records in a file, at most; 0 for any number.
        size: Bytes after which a file is full; 0 for any number.
        header: How many records at the beginning are repeated in each file.

    Returns:
        How many files were put.

    Raises:
        InvalidInputError: Not JSON or not UTF-8, a quote that is not closed, a record longer than
            64 MiB, or neither ``records`` nor ``size``.
        PathClashError: A file stands at the path.

    Cost: one pass over the stream; memory for one file of the directory.
    """
    if records < 0 or size < 0 or header < 0 or not (records or size):
        raise InvalidInputError("a split needs a number of records or of bytes for each file")
    if by not in _READERS:
        raise InvalidInputError(f"cannot split by {by!r}", hint="split by line, csv or json")
    number = first = _next_number(commit, path)
    rows = _READERS[by](file)
    head = b"".join(islice(rows, header))
    for rows_of_one in _grouped(rows, records, size):
        commit.put_file(f"{path}/{number:016x}", head + b"".join(rows_of_one))
        number += 1
    if number == first and b"\r" in head.rstrip(b"\r\n"):
        raise InvalidInputError(
            "the header is all there is: its lines end with CR alone",
            hint="make them end with LF, by: tr '\\r' '\\n'",
        )
    return number - first


def _grouped(rows: Iterator[bytes], records: int, size: int) -> Iterator[list[bytes]]:
    gathered: list[bytes] = []
    held = 0
    for row in rows:
        gathered.append(row)
        held += len(row)
        if len(gathered) == records or 0 < size <= held:
            yield gathered
            gathered, held = [], 0
    if gathered:
        yield gathered


def _next_number(commit: OpenCommit, path: str) -> int:
    directory = commit / path
    if not directory.exists():
        return 0
    if not directory.is_dir():
        raise PathClashError(directory.path, "it is a file: nothing can be put below it")
    names = [entry.name for entry in directory.iterdir()]
    return max((int(name, 16) + 1 for name in names if _is_number(name)), default=0)


def _is_number(name: str) -> bool:
    return len(name) == 16 and all(char in "0123456789abcdef" for char in name)  # noqa: PLR2004


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    return _rows(file, lambda line, quoted: False)  # noqa: ARG005 - no line ends in quotes


def _csv_rows(file: IO[bytes]) -> Iterator[bytes]:
    """Rows as RFC 4180 has them: within quotes a newline is text, and a quote stands twice."""
    return _rows(file, _ends_quoted)


def _ends_quoted(line: bytes, quoted: bool) -> bool:  # noqa: FBT001 - a state, as it was before
    """Whether a line, or what follows it, is within quotes at its end."""
    at = 0
    while True:
        found = (_TO_CLOSING.match if quoted else _OPENING.search)(line, at)
        if found is None:
            return quoted
        at, quoted = found.end(), not quoted


def _rows(file: IO[bytes], ends_quoted: Callable[[bytes, bool], bool]) -> Iterator[bytes]:
    """What newlines outside of quotes end; the last one may go without."""
    row: list[bytes] = []
    first, quoted, held, rest = True, False, 0, b""
    while block := file.read(_BLOCK):
        if first and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InvalidInputError(
                "the text is UTF-16: it would be cut within its characters",
                hint="make it UTF-8: iconv -f UTF-16 -t UTF-8",
            )
        *lines, rest = (rest + block).split(b"\n")
        first = first and not lines
        for line in lines:
            row.append(line + b"\n")
            held += len(line)
            quoted = ends_quoted(line, quoted)
            if not quoted:
                yield b"".join(row)
                row, held = [], 0
        if held + len(rest) > _RECORD_MAX:
            raise InvalidInputError(
                f"a record is longer than {_RECORD_MAX >> 20} MiB",
                hint="look for a quote that is not closed",
            )
    if ends_quoted(rest, quoted):
        raise InvalidInputError("the last record has a quote that is not closed")
    if row or rest:
        yield b"".join([*row, rest, b"\n"])


def _json_documents(file: IO[bytes]) -> Iterator[bytes]:
    """Each document as it stands, and a newline."""
    decoder = json.JSONDecoder(parse_int=len)  # what it is does not matter, and it may be long
    utf8 = codecs.getincrementaldecoder("utf-8-sig")()
    text, ended = "", False
    while not ended:
        block = file.read(max(_BLOCK, len(text)))  # what is not whole is parsed again: not often
        ended = not block
        try:
            text += utf8.decode(block, final=ended)
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"the JSON is not UTF-8: {error}") from error
        at = 0
        while (start := _BLANKS.match(text, at).end()) < len(text):  # type: ignore[union-attr]
            try:
                _, end = decoder.raw_decode(text, start)
            except (json.JSONDecodeError, RecursionError) as error:
                if ended or len(text) - start > _RECORD_MAX:
                    raise InvalidInputError(f"not JSON: {error}") from error
                break  # it may go on in the next block
            if not ended and _NUMBER_GOES_ON.fullmatch(text, end):
                break
            yield text[start:end].encode() + b"\n"
            at = end
        text = text[at:]


_READERS: Final[dict[str, Callable[[IO[bytes]], Iterator[bytes]]]] = {
    "line": _lines,
    "csv": _csv_rows,
    "json": _json_documents,
}
