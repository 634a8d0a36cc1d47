"""Datum: the smallest unit of work, and the key that its result is found again by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from blake3 import blake3

from pfslib.model.encoding import pack
from pfslib.model.nodes import Entry
from pfslib.model.paths import to_bytes, to_text
from pfslib.model.work import Pipeline, Seen, Transform

_NAME_MAX: Final = 300
"""Characters after which no further path is told."""


class DatumInput(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a datum sees of one input."""

    name: str
    path: bytes
    """Components joined by '/', without a leading one; empty for all of the commit."""

    entry: Entry
    start: int = 0
    end: int = -1
    """The slice of the file that is shown; -1 for the whole."""

    digest: bytes = b""
    """Of a slice, the digest of its bytes."""

    emptied: bool = False
    """Whether files are shown empty."""

    nothing: bool = False
    """Whether nothing of the entry is shown: no path of the commit matches."""

    joined: str = ""
    """What it is joined by."""

    grouped: str = ""
    """What it is grouped by."""

    @property
    def size(self) -> int:
        """How many bytes are shown."""
        if self.emptied or self.nothing:
            return 0
        return self.entry.size if self.end < 0 else self.end - self.start


Datum = tuple[DatumInput, ...]
"""What it sees of each input."""


class Row(NamedTuple):
    """A datum and its place among the others."""

    order: bytes
    datum: Datum


class Change(NamedTuple):
    """A datum that is not what it was, or was not there, or is no more."""

    order: bytes
    old: Datum | None
    new: Datum | None


def seen_of(datum: Datum) -> tuple[Seen, ...]:
    """What a datum sees, as records keep it."""
    return tuple(Seen(item.name, item.path, item.start, item.end) for item in datum)


def datum_name(inputs: Sequence[Seen]) -> str:
    """A datum as people call it: what it sees of each input; of very much, the beginning."""
    shown, length = 0, 0
    while shown < len(inputs) and length < _NAME_MAX:
        length += len(_seen_text(inputs[shown])) + 1
        shown += 1
    more = [f"(and {len(inputs) - shown} more)"] if shown < len(inputs) else []
    return " ".join([*map(_seen_text, inputs[:shown]), *more]) or "(nothing)"


def is_called(inputs: Iterable[Seen], part: str) -> bool:
    """Whether some text is part of what a datum is called, had it all been told."""
    return part in " ".join(map(_seen_text, inputs))


def _seen_text(item: Seen) -> str:
    part = "" if item.end < 0 else f"[{item.start}:{item.end}]"
    return f"{item.name}:/{to_text(item.path)}{part}"


def transform_stamp(pipeline: Pipeline, image_digest: str) -> bytes:
    """Digest of all that can change what a datum puts out, besides what it sees."""
    seed = pack([_identity(pipeline.transform, image_digest), pipeline.salt])
    return blake3(seed, derive_key_context="pfslib 1 transform").digest()


def _identity(transform: Transform, image_digest: str) -> list[object]:
    return [
        transform.cmd,
        image_digest or transform.image,
        transform.stdin,
        transform.env,
        sorted(transform.accept_return_code),
        transform.working_dir,
        transform.user,
        transform.network,
    ]


def datum_key(stamp: bytes, datum: Datum) -> bytes:
    """What a result of the datum may be found again by: all that can change its output.

    The names, kinds and contents it sees, and the transform with the exact image; not commits, jobs
    or pipelines, so that a result serves every job that would compute it again.
    """
    seen = [_identity_of_input(item) for item in datum]
    return blake3(pack([stamp, seen]), derive_key_context="pfslib 1 datum").digest()


def _identity_of_input(item: DatumInput) -> tuple[object, ...]:
    if item.nothing:
        return item.name, item.path
    return (
        item.name,
        item.path,
        item.entry.kind,
        item.size,
        item.digest or item.entry.content,
        item.emptied,
        _packable(item.joined),
        _packable(item.grouped),
    )


def _packable(text: str) -> str | bytes:
    """What was captured from a path; as bytes, where it is no UTF-8."""
    raw = to_bytes(text)
    return text if raw.decode("utf-8", "replace") == text else raw


def shape_stamp(pipeline: Pipeline) -> bytes:
    """Digest of how inputs make datums and outputs are merged: what plans compared must share."""
    inputs = [msgspec.structs.replace(item, trigger=None) for item in pipeline.inputs]
    seed = pack([inputs, pipeline.combined, pipeline.output_merge])
    return blake3(seed, derive_key_context="pfslib 1 shape").digest()
