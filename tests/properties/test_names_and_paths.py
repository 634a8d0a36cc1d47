"""Names, references and paths: taken apart and put together, or refused with a reason."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfslib.model.errors import (
    InvalidNameError,
    InvalidPathError,
    InvalidReferenceError,
)
from pfslib.model.names import (
    FileReference,
    Reference,
    check_name,
    is_commit_id,
    parse_file_reference,
    parse_reference,
)
from pfslib.model.paths import (
    COMPONENT_MAX,
    DEPTH_MAX,
    join_path,
    normal_path,
    split_path,
    to_bytes,
    to_text,
)
from pfslib.testing.strategies import components, path_texts, paths

ID = "0123456789abcdef" * 2

# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a", "A", "0", "_", "_x", "images", "v1.2.3", "a-b_c.d", "master", "x" * 128, ID[:-1]]
)
def test_a_good_name_is_taken(name):
    assert check_name("repo", name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-", "-a", ".", "..", ".a", "a b", "a/b", "a@b", "a:b", "ä", "a\n", "\0", "x" * 129, ID,
     "a^", "a~1", "\udcff", "*"],
)  # fmt: skip
def test_a_bad_name_is_refused(name):
    with pytest.raises(InvalidNameError, match=r"^branch name ") as raised:
        check_name("branch", name)
    assert raised.value.hint


@given(st.text())
def test_any_text_is_taken_or_refused_as_a_name(text):
    try:
        assert check_name("repo", text) == text
    except InvalidNameError:
        return
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
    assert text[0] not in "-."
    assert os.path.basename(text) == text  # noqa: PTH119 - a name is no path


def test_commit_ids_are_recognised():
    assert is_commit_id(ID)
    for text in (ID[:-1], ID + "0", ID.upper(), ID[:-1] + "g", ID + "\n", ""):
        assert not is_commit_id(text)


# --- references ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("master", Reference("master")),
        (ID, Reference(ID)),
        ("master^", Reference("master", 1)),
        ("master^^", Reference("master", 2)),
        ("master^3", Reference("master", 3)),
        ("master~", Reference("master", 1)),
        ("master~3", Reference("master", 3)),
        ("master^2~3^", Reference("master", 6)),
        ("master^0", Reference("master")),
        ("master.0", Reference("master", number=0)),
        ("master/12", Reference("master", number=12)),
        ("v1.2", Reference("v1", number=2)),
        ("v1.2.3", Reference("v1.2", number=3)),
        (f"{ID}/0", Reference(ID, number=0)),
    ],
)
def test_references_are_taken_apart(text, reference):
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "^", "~1", "^^", "/3", "a/b", "a^/", "a/", "a^x"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InvalidReferenceError) as raised:
        parse_reference(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("data", FileReference("data")),
        ("data@master", FileReference("data", "master")),
        ("data@master^2:/a/b", FileReference("data", "master^2", "/a/b")),
        ("data@master:a//b/", FileReference("data", "master", "/a/b")),
        ("data:/a", FileReference("data", "", "/a")),
        ("data@m:", FileReference("data", "m", "/")),
        ("data@m:/a:b@c", FileReference("data", "m", "/a:b@c")),
    ],
)
def test_file_references_are_taken_apart(text, reference):
    assert parse_file_reference(text) == reference


@pytest.mark.parametrize("text", ["", "@master", ":/a", "data@", "data@:/a"])
def test_what_is_no_file_reference_is_refused(text):
    with pytest.raises(InvalidReferenceError):
        parse_file_reference(text)


@given(st.text() | st.text(alphabet="ab01.^~/@:-") | st.just("a^" + "9" * 5000))
def test_any_text_is_taken_or_refused_as_a_reference(text):
    for parse in (parse_reference, parse_file_reference):
        with suppress(InvalidReferenceError, InvalidPathError):
            parse(text)


# --- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", "/"),
        ("/", "/"),
        ("///", "/"),
        ("a", "/a"),
        ("/a/b", "/a/b"),
        ("a//b/", "/a/b"),
        ("/ ", "/ "),
        ("/...", "/..."),
        ("/a.b", "/a.b"),
        ("/é", "/é"),
        (b"/caf\xe9", "/caf\udce9"),
        (PurePosixPath("/x/y"), "/x/y"),
    ],
)
def test_paths_have_one_form(text, normal):
    assert normal_path(text) == normal
    assert normal_path(normal) == normal


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".", "component"),
        ("..", "component"),
        ("/a/../b", "component"),
        ("/./a", "component"),
        ("/a\0b", "NUL"),
        ("\0", "NUL"),
        ("/" + "x" * (COMPONENT_MAX + 1), "256 bytes"),
        ("/" + "é" * 128, "256 bytes"),
        ("/a" * (DEPTH_MAX + 1), "components"),
        ("/\ud800", "UTF-8"),
    ],
)
def test_what_is_no_path_is_refused(path, why):
    with pytest.raises(InvalidPathError, match=why) as raised:
        split_path(path)
    str(raised.value).encode()  # can be printed


def test_the_longest_and_the_deepest_path_are_taken():
    assert len(split_path("/" + "x" * COMPONENT_MAX)) == 1
    assert len(split_path("/a" * DEPTH_MAX)) == DEPTH_MAX


@given(paths())
def test_components_joined_and_split_come_back(parts):
    assert split_path(join_path(parts)) == parts
    assert split_path(b"/".join(parts)) == parts


@given(path_texts())
def test_the_one_form_is_the_same_path(text):
    assert split_path(normal_path(text)) == split_path(text)
    assert normal_path(text).startswith("/")


@given(components())
def test_names_of_any_bytes_are_text_and_back(name):
    assert to_bytes(to_text(name)) == name
    assert os.fsencode(to_text(name)) == name


@given(st.text() | st.binary())
def test_anything_is_taken_or_refused_as_a_path(path):
    try:
        parts = split_path(path)
    except InvalidPathError:
        return
    for part in parts:
        assert part not in {b"", b".", b".."}
        assert b"/" not in part
        assert b"\0" not in part
        assert len(part) <= COMPONENT_MAX
