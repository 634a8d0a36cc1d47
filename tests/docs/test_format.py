"""docs/format.md against the code: nothing left out, nothing invented, the examples true."""

from __future__ import annotations

import doctest
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from zlib import crc32

import msgspec
import pytest
from blake3 import blake3

from pfslib.chunks.codec import PLAIN_MAX
from pfslib.chunks.digest import HASH_NAME
from pfslib.chunks.ingest import PACK_BYTES
from pfslib.chunks.split import PARAMETERS
from pfslib.kv.memory import MemoryKV
from pfslib.kv.store_dir import create_store
from pfslib.kv.tables import LAST_TABLE, Table
from pfslib.model import history, inputs, nodes, work
from pfslib.model.encoding import FORMAT_VERSION
from pfslib.model.names import IMAGE_NAME_MAX
from pfslib.model.nodes import INLINE_MAX, PIECE_MAX, Entry, Kind
from pfslib.model.paths import COMPONENT_MAX, DEPTH_MAX
from pfslib.model.work import JobInput, Pipeline, Transform
from pfslib.pipelines.datums import DatumInput, datum_key, transform_stamp
from pfslib.pipelines.trigger import job_of
from pfslib.runners.bounded_log import KEPT_MAX as LOG_BYTES_MAX
from pfslib.trees import edit, hoststats
from pfslib.trees.directories import write_directory
from pfslib.trees.nodestore import TreeCache
from pfslib.trees.splitting import NODE_MAX

PAGE = (Path(__file__).parents[2] / "docs/format.md").read_text("utf-8")
NEVER_STORED = {"Content"}
TIME, ORIGIN = 10**18, bytes(range(16))


def section(title: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"format.md has no section {title}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the body of the first table in a text."""
    found = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, "no table"
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in found[1].splitlines()]


def stored_records() -> list[type[msgspec.Struct]]:
    def records_of(module: ModuleType) -> list[type[msgspec.Struct]]:
        return [
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, msgspec.Struct)
            and kind.__module__ == module.__name__
            and kind.__struct_config__.array_like
        ]

    return [
        kind
        for module in (nodes, history, inputs, work, edit, hoststats)
        for kind in records_of(module)
    ]


# --- nothing left out, nothing invented ------------------------------------------------------


def test_the_page_is_about_this_format():
    assert f"This is format **{FORMAT_VERSION}**." in PAGE


def test_every_table_is_described_with_its_tag():
    described = [(int(tag), name.strip("`")) for tag, name, *_ in rows(section("4. Tables"))]
    assert described == [(table.tag[0], table.name) for table in Table]
    assert max(described)[1] == LAST_TABLE.name


@pytest.mark.parametrize(
    "kind", [kind for kind in stored_records() if kind.__name__ not in NEVER_STORED]
)
def test_every_field_of_a_record_is_described_in_its_order(kind: type[msgspec.Struct]):
    described = [field.strip("`") for field, *_ in rows(section(f"`{kind.__name__}`"))]
    assert described == list(kind.__struct_fields__)


def test_every_described_record_exists():
    described = set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE))
    assert described == {kind.__name__ for kind in stored_records()} - NEVER_STORED
    assert all(f"`{name}`" in PAGE for name in NEVER_STORED)


def test_the_marker_is_as_described(tmp_path: Path):
    create_store(tmp_path / "store", {"hash": HASH_NAME, **PARAMETERS})
    marker = json.loads((tmp_path / "store/format").read_text())
    described: dict[str, str] = {}
    for names, values, _ in rows(section("1. The directory").partition("The marker")[2]):
        described |= dict(zip(names.split(", "), values.split(", "), strict=True))
    assert [name.strip("`") for name in described] == list(marker)
    for name, value in described.items():
        if value.startswith("`"):
            assert json.loads(value.strip("`")) == marker[name.strip("`")]


def test_kinds_and_operations_have_the_numbers_of_the_page():
    kinds = {row[0]: row[2] for row in rows(section("`Entry`"))}["`kind`"]
    assert kinds == "0 file, 1 executable file, 2 symbolic link, 3 directory"
    assert [kind.name for kind in Kind] == ["FILE", "EXECUTABLE", "SYMLINK", "DIRECTORY"]
    assert [kind.value for kind in Kind] == [0, 1, 2, 3]
    ops = {row[0]: row[2] for row in rows(section("`Edit`"))}["`op`"]
    assert ops == ", ".join(f"{op.value} {op.name.lower()}" for op in edit.Op)


def test_the_limits_are_those_of_the_page():
    contents = [row[0] for row in rows(section("5. Contents"))]
    assert contents == [f"0 to {INLINE_MAX}", f"{INLINE_MAX + 1} to {PIECE_MAX:,}", "more"]
    assert f"A component is 1 to {COMPONENT_MAX} bytes" in PAGE
    assert f"a path has at most {DEPTH_MAX}." in PAGE
    assert f"1 to {IMAGE_NAME_MAX} printable characters" in PAGE
    assert f"at most {PLAIN_MAX >> 20} MiB" in section("5. Contents")
    assert f"when it holds {PACK_BYTES >> 10} KiB or more" in PAGE
    assert PAGE.count(f"after {NODE_MAX} items") == 2
    assert f"at most {LOG_BYTES_MAX >> 20} MiB of them" in PAGE


# --- the examples ----------------------------------------------------------------------------


def test_the_pinned_examples():
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    test = doctest.DocTestParser().get_doctest(
        "\n".join(blocks), {}, "format.md", "docs/format.md", 0
    )
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


# --- the page alone is enough ----------------------------------------------------------------
#
# A second encoder, from the page and without the library's: if one of the two changes, they part.


def by_the_page(entries: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Key and content digest of a directory of small files, §6 and §7."""

    def sealed(level: int, items: list[list[object]], held: object) -> tuple[bytes, bytes]:
        node = msgspec.msgpack.encode([level, items])
        return (
            blake3(node, key=b"pfslib 1: a node of a directory ").digest(),
            blake3(msgspec.msgpack.encode(held), key=b"pfslib 1: content of a directory").digest(),
        )

    def ends(name: bytes, level: int) -> bool:
        spread = crc32(name) * 0x9E3779B1 % 2**32
        return level < 6 and (spread >> (27 - 5 * level)) % 32 == 0

    items: list[list[object]] = [
        [name, 0, len(data), data, TIME, ORIGIN, b"", 0] for name, data in entries
    ]
    level = 0
    while True:
        parts: list[list[list[object]]] = [[]]
        for item in items:
            parts[-1].append(item)
            if ends(item[0], level) or len(parts[-1]) == 128:
                parts.append([])
        parts = [part for part in parts if part] or [[]]
        above: list[list[object]] = []
        for part in parts:
            if level == 0:
                held: object = [item[:4] for item in part]
                count, size, files = len(part), sum(i[2] for i in part), len(part)
            else:
                held = [level, [[item[0], item[2]] for item in part]]
                count, size, files = (sum(i[at] for i in part) for at in (3, 4, 5))
            key, digest = sealed(level, part, held)
            above.append([part[-1][0] if part else b"", key, digest, count, size, files])
        if len(above) == 1:
            return above[0][1], above[0][2]
        items, level = above, level + 1


@pytest.mark.parametrize("count", [1, 31, 500, 4000])
def test_a_directory_can_be_encoded_from_the_page_alone(count: int):
    entries = sorted((b"%x-%d" % (n * 7919, n), b"%d" % n) for n in range(count))
    with MemoryKV().write() as txn:
        made = write_directory(
            txn,
            None,
            [(name, Entry(name, 0, len(data), data, TIME, ORIGIN)) for name, data in entries],
            TreeCache(),
            name=b"",
            mtime_ns=TIME,
            origin=ORIGIN,
        )
    assert made is not None
    assert (made.node, made.content) == by_the_page(entries)


def test_derived_ids_and_keys_are_those_of_the_page():
    transform = Transform(cmd=("sh",), stdin=("true",), env=(("A", "b"),))
    seen = DatumInput("in", b"a/b", Entry(b"b", 0, 3, b"abc", TIME, ORIGIN))
    pipeline = Pipeline("p", transform, (), version=3, created_ns=TIME)
    fields = [["sh"], "image", ["true"], [["A", "b"]], [], "", "", True]
    seed = msgspec.msgpack.encode([fields, ""])
    stamp = blake3(seed, derive_key_context="pfslib 1 transform").digest()
    assert transform_stamp(pipeline, "image") == stamp
    rows = [["in", b"a/b", 0, 3, b"abc", False, "", ""]]
    by_page = blake3(
        msgspec.msgpack.encode([stamp, rows]), derive_key_context="pfslib 1 datum"
    ).digest()
    assert datum_key(stamp, (seen,)) == by_page

    job = job_of(pipeline, (JobInput("in", "repo", "master", "0" * 32),), "out")
    seed = msgspec.msgpack.encode(["p", 3, TIME, [["in", "repo", "0" * 32]], "out"])
    assert job.id == blake3(seed, derive_key_context="pfslib 1 job").hexdigest(16)
    output = blake3(seed, derive_key_context="pfslib 1 output").hexdigest(16)
    assert job.output_commit == output
