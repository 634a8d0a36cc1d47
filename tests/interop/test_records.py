"""put --split: the records of a stream as files, none lost, none cut."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pfslib
from pfslib.interop import records as module
from pfslib.interop.records import put_split


def split(repo: pfslib.Repo, data: bytes, branch: str = "master", **options) -> list[bytes]:
    with repo.commit(branch, allow_empty=True) as commit:
        count = put_split(commit, "/out", io.BytesIO(data), **options)
    made = commit.commit
    files = [info.path for info in made.walk() if info.kind == "file"]
    assert len(files) == count
    assert files == [f"/out/{number:016x}" for number in range(count)]
    return [made.get_file(path) for path in files]


def test_lines(repo):
    assert split(repo, b"a\n\nb", "one") == [b"a\n", b"\n", b"b\n"]
    assert split(repo, b"a\nb\nc\n", "two", records=2) == [b"a\nb\n", b"c\n"]
    assert split(repo, b"aaaa\nb\nc\n", "three", records=0, size=4) == [b"aaaa\n", b"b\nc\n"]
    assert split(repo, b"", "four") == []
    assert split(repo, b"h\na\nb\n", "five", header=1) == [b"h\na\n", b"h\nb\n"]


def test_rows_of_csv_keep_the_newlines_in_their_quotes(repo):
    data = b'n,text\n1,"two\nlines"\n2,"a ""quote"""\n3,plain'
    assert split(repo, data, by="csv", header=1) == [
        b'n,text\n1,"two\nlines"\n',
        b'n,text\n2,"a ""quote"""\n',
        b"n,text\n3,plain\n",
    ]


def test_json_documents_stand_as_they_stood(repo):
    data = b' {"a": [1,\n2]}\n{"b":"}{"}[3] "s" 12 34\n\n'
    assert split(repo, data, by="json") == [
        b'{"a": [1,\n2]}\n', b'{"b":"}{"}\n', b"[3]\n", b'"s"\n', b"12\n", b"34\n",
    ]  # fmt: skip


def test_later_records_come_after_earlier_ones(repo):
    split(repo, b"a\nb\n")
    with repo.commit() as commit:
        commit.put_file("/out/notes", b"not a number")
        assert put_split(commit, "/out", io.BytesIO(b"c\n")) == 1
    assert commit.commit.get_file("/out/0000000000000002") == b"c\n"


@given(rows=st.lists(st.lists(st.text('a",\n ü', max_size=5), min_size=2, max_size=3), max_size=20))
def test_any_csv_comes_back(rows):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    parts = list(module._csv_rows(io.BytesIO(out.getvalue().encode())))
    assert b"".join(parts) == out.getvalue().encode()
    lines = [part.decode().splitlines(keepends=True) for part in parts]
    assert [next(csv.reader(line)) for line in lines] == rows
    assert len(parts) == len(rows)


_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(documents=st.lists(_DOCUMENTS, max_size=12), block=st.integers(1, 40))
def test_any_json_comes_back_wherever_the_blocks_end(documents, block):
    data = "\n".join(json.dumps(document, ensure_ascii=False) for document in documents).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_BLOCK", block)
        found = [json.loads(part) for part in module._json_documents(io.BytesIO(data))]
        lines = list(module._lines(io.BytesIO(data)))
    assert found == documents
    assert b"".join(lines).rstrip(b"\n") == data


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (b'1,"open\n2\n', {"by": "csv"}, "quote that is not closed"),
        (b'{"a": 1} {"b"', {"by": "json"}, "not JSON"),
        (b"{]", {"by": "json"}, "not JSON"),
        (b"[" * 200_000, {"by": "json"}, "not JSON"),
        (b'"\xff"', {"by": "json"}, "not UTF-8"),
        (b"a,b\r1,2\r", {"by": "csv", "header": 1}, "CR alone"),
        ("a\nb\n".encode("utf-16"), {"by": "line"}, "UTF-16"),
        (b"", {"records": 0}, "needs a number"),
        (b"", {"by": "xml"}, "cannot split by"),
    ],
)
def test_what_cannot_be_split_is_refused_whole(repo, data, options, said):
    with pytest.raises(pfslib.InvalidInputError, match=said), repo.commit() as commit:
        put_split(commit, "/out", io.BytesIO(data), **options)
    assert list(repo.list_commit()) == []


def test_a_record_may_not_fill_the_memory(repo, monkeypatch):
    monkeypatch.setattr(module, "_RECORD_MAX", 1000)
    monkeypatch.setattr(module, "_BLOCK", 64)
    for data, by in (
        (b"x" * 5000, "line"),
        (b'"' + b"x\n" * 5000, "csv"),
        (b"[" + b"1," * 5000, "json"),
    ):
        with pytest.raises(pfslib.InvalidInputError), repo.commit() as commit:
            put_split(commit, "/out", io.BytesIO(data), by=by, records=0, size=10**9)


def test_a_file_in_the_place_of_the_directory(repo):
    with pytest.raises(pfslib.PathClashError), repo.commit() as commit:
        commit.put_file("/out", b"1")
        put_split(commit, "/out", io.BytesIO(b"a\n"))


def test_a_quote_opens_only_where_a_field_begins():
    rows = [b'1,6" pipe\n', b'2,"two\nlines""\n",3\n', b'"a"b"c,d\n', b'x;"\n"\n', b'a"\n']
    assert list(module._csv_rows(io.BytesIO(b"".join(rows)))) == rows


def test_documents_of_every_kind_that_json_has(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 4)
    long = b"1" * 5000
    data = b"\xef\xbb\xbf2.5e10 -1E+3 1.25\x1e{}\n\x1e[1]\n" + long
    found = list(module._json_documents(io.BytesIO(data)))
    assert [part.strip() for part in found] == [b"2.5e10", b"-1E+3", b"1.25", b"{}", b"[1]", long]
