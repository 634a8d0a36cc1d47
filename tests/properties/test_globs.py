"""Globs match as Pachyderm's do, with or without a tree, and never take long."""

from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pfslib
from pfslib.model.errors import InvalidGlobError
from pfslib.model.globs import Glob, compile_glob

TREE = ("/a.txt", "/b.csv", "/d", "/d/x.txt", "/d/e", "/d/e/y.txt")
"""The files, and their directories, of Pachyderm's documentation."""


def matched(pattern: str, paths=TREE) -> list[str]:
    glob = compile_glob(pattern)
    return [path for path in paths if glob.matches(path)]


@pytest.fixture(scope="module")
def commit(tmp_path_factory):
    with pfslib.init(tmp_path_factory.mktemp("globs") / "store") as store:
        with store.create_repo("repo").commit() as writing:
            for path in ("/a.txt", "/b.csv", "/d/x.txt", "/d/e/y.txt"):
                writing.put_file(path, path)
        yield writing.commit


PACHYDERM = [
    ("/*", ["/a.txt", "/b.csv", "/d"]),
    ("/*/*", ["/d/e", "/d/x.txt"]),
    ("/**", ["/a.txt", "/b.csv", "/d", "/d/e", "/d/e/y.txt", "/d/x.txt"]),
    ("/*.txt", ["/a.txt"]),
    ("/**.txt", ["/a.txt", "/d/e/y.txt", "/d/x.txt"]),
    ("/d/*", ["/d/e", "/d/x.txt"]),
    ("/d", ["/d"]),
    ("/d/", ["/d"]),
    ("/nothing*", []),
]

MORE = [
    ("*", ["/a.txt", "/b.csv", "/d"]),
    ("d/*.txt", ["/d/x.txt"]),
    ("**/*.txt", ["/d/e/y.txt", "/d/x.txt"]),
    ("/d/**", ["/d/e", "/d/e/y.txt", "/d/x.txt"]),
    ("/?", ["/d"]),
    ("/?.???", ["/a.txt", "/b.csv"]),
    ("/[ab].*", ["/a.txt", "/b.csv"]),
    ("/[!a].*", ["/b.csv"]),
    ("/[^a].*", ["/b.csv"]),
    ("/[a-c].*", ["/a.txt", "/b.csv"]),
    ("/{a,b}.*", ["/a.txt", "/b.csv"]),
    ("/*.{txt,csv}", ["/a.txt", "/b.csv"]),
    ("/{a.txt,d/x.txt}", ["/a.txt", "/d/x.txt"]),
    ("/{a,d/{x,e/y}}.txt", ["/a.txt", "/d/e/y.txt", "/d/x.txt"]),
    ("/d{,/x.txt}", ["/d", "/d/x.txt"]),
    (r"/\a.txt", ["/a.txt"]),
    (r"/\*", []),
    (r"/d\/x.txt", ["/d/x.txt"]),
    ("/(a|b).*", ["/a.txt", "/b.csv"]),
    ("/@(a|b).*", ["/a.txt", "/b.csv"]),
    ("/@(a|d/*).txt", ["/a.txt", "/d/x.txt"]),
    ("/?(a).txt", ["/a.txt"]),
    ("/?(x)d", ["/d"]),
    ("/+(?|.).txt", ["/a.txt"]),
    ("/d+(/?)", ["/d/e"]),
    ("/*([a.t])+(x)t", ["/a.txt"]),
    ("/!(a.txt)", ["/b.csv", "/d"]),
    ("/!(*.txt|d)", ["/b.csv"]),
    ("/d/!(x).txt", []),
    ("/**!(.txt)", ["/a.txt", "/b.csv", "/d", "/d/e", "/d/e/y.txt", "/d/x.txt"]),
    ("/!(*.txt)/*", ["/d/e", "/d/x.txt"]),
    ("/A.txt", []),
]


@pytest.mark.parametrize(("pattern", "paths"), PACHYDERM + MORE)
def test_globs_match_as_documented(commit, pattern, paths):
    assert sorted(matched(pattern)) == paths
    assert [info.path for info in commit.glob(pattern)] == paths


@pytest.mark.parametrize("pattern", ["/", "", "//"])
def test_the_root_is_everything(commit, pattern):
    (info,) = commit.glob(pattern)
    assert (info.path, info.kind, info.files) == ("/", "dir", 4)


def test_pachyderms_own_cases(tmp_path):
    """100 files in each of /, /dir1 and /dir2/dir3 (TestGlobFile), and TestGlobFile3."""
    with pfslib.init(tmp_path / "store") as store:
        with store.create_repo("repo").commit() as commit:
            for number in range(100):
                for top in ("", "dir1/", "dir2/dir3/"):
                    commit.put_file(f"/{top}file{number}", b"1")
        counts = [len(commit.commit.glob(p)) for p in ("*", "file*", "dir1/*", "*/*")]
        assert counts == [102, 100, 100, 101]
        with store.create_repo("two").commit() as commit:
            for path in ("/dir1/file1.1", "/dir1/file1.2", "/dir2/file2.1", "/dir2/file2.2"):
                commit.put_file(path, b"1")
        found = commit.commit.glob("**.2")
        assert [info.path for info in found] == ["/dir1/file1.2", "/dir2/file2.2"]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("[]a]", ["/]", "/a"], ["/b", "/[]a]"]),
        ("[!]a]", ["/b"], ["/]", "/a"]),
        ("[a-]", ["/a", "/-"], ["/b"]),
        ("[-a]", ["/a", "/-"], ["/b"]),
        ("[+--]", ["/+", "/,", "/-"], ["/."]),
        ("[[]", ["/["], ["/]"]),
        ("[a&&b]", ["/&", "/a", "/b"], ["/c"]),
        ("[a||b~~c]", ["/|", "/~", "/c"], ["/d"]),
        ("[\\]]", ["/\\]"], ["/]"]),
        ("[*?]", ["/*", "/?"], ["/a"]),
        ("[!x]", ["/y", "/é", "/\udcff", "/\n"], ["/x", "//"]),
        ("?", ["/a", "/é", "/\udcff", "/\n"], ["/", "//", "/ab"]),
        ("*", ["/a", "/.hidden", "/\n"], ["/a/b"]),
        ("a}b", ["/a}b"], []),
        ("a,b", ["/a,b"], ["/a", "/b"]),
        ("{a,b", None, None),
        ("{}", [], ["/{}", "/"]),
        ("\\{a,b\\}", ["/{a,b}"], ["/a"]),
        ("a\\", ["/a\\"], ["/a"]),
        ("a.b+\\(c\\)$^|", ["/a.b+(c)$^|"], ["/aXb"]),
        ("a)b|c", ["/a)b|c"], ["/a"]),
        ("(a,b|{c|d,e})", ["/a,b", "/c|d", "/e"], ["/a", "/c", "/d"]),
        ("+(a|bc)d", ["/ad", "/bcd", "/abcad"], ["/d", "/bd", "/acd"]),
        ("x*(ab)", ["/x", "/xab", "/xabab"], ["/xa", "/ab"]),
        ("*(*(a)b)", ["/b", "/aab", "/abb"], ["/a", "/ba"]),
        ("!(!(a))", ["/a"], ["/", "/b", "/ab"]),
        ("!(a*)b", ["/b", "/xb", "/xab", "/"][:3], ["/ab", "/a"]),
        ("a!(b)", ["/a", "/ac", "/abb"], ["/ab", "/a/"]),
        ("[+-9]", ["/+", "/0", "/."], ["/:", "//"]),
        ("(a", None, None),
        ("!(a", None, None),
        ("a**b*c", ["/abc", "/a/b/bc", "/a/c/bxc"], ["/ab/c", "/a/c"]),
        ("**a*b", ["/a/x/ab", "/ab"], ["/a/b", "/abc"]),
    ],
)
def test_odd_patterns(pattern, matching, others):
    if matching is None:
        with pytest.raises(InvalidGlobError):
            compile_glob(pattern)
        return
    assert matched(pattern, matching) == matching
    assert matched(pattern, others) == []


@pytest.mark.parametrize("pattern", ["[", "a[bc", "[]", "[!]", "{", "{a", "{a,{b}", "[z-a]",
                                     "{" * 65 + "}" * 65, "(" * 65 + ")" * 65])  # fmt: skip
def test_what_is_no_glob_is_refused(pattern):
    with pytest.raises(InvalidGlobError, match="invalid"):
        compile_glob(pattern)


def plain_regex(pattern: str) -> re.Pattern[str]:
    """The obvious translation: right, but slow for some patterns."""
    table = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*+|.", pattern, re.DOTALL)
    return re.compile("".join(table.get(t[:2], re.escape(t)) for t in tokens), re.DOTALL)


@settings(max_examples=500)
@given(
    pattern=st.text(alphabet="ab/*?", max_size=9),
    paths=st.lists(st.text(alphabet="ab/", min_size=1, max_size=9), min_size=1, max_size=5),
)
def test_stars_match_as_the_obvious_regular_expression(pattern, paths):
    glob = Glob(pattern)
    assume("***" not in pattern)
    plain = plain_regex(glob.pattern)
    for path in ("/" + path for path in paths):
        assert glob.matches(path) == (plain.fullmatch(path) is not None)


@settings(max_examples=300)
@given(
    pattern=st.text(alphabet="ab*?[]!-", max_size=8),
    name=st.text(alphabet="ab-!", min_size=1, max_size=5),
)
def test_one_component_matches_as_the_shell_does(pattern, name):
    assume("**" not in pattern)
    try:
        glob = Glob(pattern)
    except InvalidGlobError:
        return
    assert glob.depth == (1 if pattern else 0)
    if pattern:
        assert glob.matches("/" + name) == fnmatch.fnmatchcase(name, pattern)


@settings(max_examples=300)
@given(st.text(alphabet="ab*?[]{},!-\\/^&|~@+()", max_size=15) | st.text(max_size=10))
def test_any_text_is_a_glob_or_refused(pattern):
    try:
        glob = compile_glob(pattern)
    except InvalidGlobError:
        return
    for path in ("/a", "/a/b", "/a/b/a", "/-", "/(a|b)"):
        if glob.matches(path) and glob.depth is not None and "//" not in glob.pattern:
            assert glob.depth == path.count("/")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 30 + "*b", "/" + "a" * 255),
        ("**a" * 30 + "**b", "/" + "a" * 4000),
        ("**a*a*a*a*a*b", "/a" * 2000),
        ("{*a,*aa}" * 5 + "b", "/" + "a" * 255),
        ("?*" * 100 + "b", "/" + "a" * 255),
        ("{a,b}" * 100 + "c", "/" + "ab" * 120),
        ("+(a|aa|*a)" * 20 + "b", "/" + "a" * 255),
        ("*(*(*(a|b)))b", "/" + "a" * 255),
        ("!(*a*b)" * 5 + "c", "/" + "ab" * 120),
    ],
)
def test_no_pattern_takes_long(pattern, path):
    start = time.perf_counter()
    assert not compile_glob(pattern).matches(path)
    assert time.perf_counter() - start < 2
