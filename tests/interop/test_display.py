"""What notebooks show: well-formed, escaped, short, and true."""

from __future__ import annotations

import pickle
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

import pfslib
from pfslib.api.listing import Listing
from pfslib.display.graph import Edge, Graph, Node
from pfslib.display.graph_svg import graph_svg
from pfslib.display.graph_text import graph_dot, graph_mermaid, graph_tree
from pfslib.display.html_table import ROWS_MAX, table_html
from pfslib.interop.job_board import JobBoard
from pfslib.testing.recording import RecordingKV

EVIL = "<script>alert('&\"')</script>"
SVG = "{http://www.w3.org/2000/svg}"


def text_of(html: str) -> str:
    """The words of well-formed HTML."""
    return " ".join("".join(ET.fromstring(html).itertext()).split())


@pytest.fixture
def filled(store: pfslib.Store) -> pfslib.Store:
    """A store with two pipelines, one of which has run, and names that are HTML."""
    raw = store.create_repo("raw", description=EVIL)
    with raw.commit(message=EVIL) as commit:
        commit.put_file(f"/{EVIL.replace('/', '')}", b"1")
        commit.put_file(b"/\xff.bin".decode("utf-8", "surrogateescape"), b"22")
        for number in range(30):
            commit.put_file(f"/many/{number:02}", b"%d" % number)
    for name, source, glob in (("words", "raw", "/*"), ("sums", "words", "/")):
        store.create_pipeline(
            {
                "pipeline": {"name": name},
                "transform": {"cmd": ["sh"], "stdin": ["true"]},
                "input": {"pfs": {"repo": source, "glob": glob}},
            }
        )
    return store


# --- handles and listings --------------------------------------------------------------------


def test_every_handle_shows_itself(filled):
    commit = filled.commit("raw@master")
    lasting = filled.start_commit("raw", "dev")
    lasting.put_file("/new", b"3")
    shown = {
        filled: ["Store", "raw", EVIL, "2 pipelines"],
        filled.repo("raw"): ["Repo raw", commit.id[:12], "master.0", EVIL],
        commit: [commit.id, "master, number 0", "/many/", EVIL.replace("/", ""), "\\xff.bin"],
        commit / "many": ["/many/00", "first 20"],
        commit / "none": ["none"],
        lasting: ["Open commit", "/new"],
        filled.inspect_pipeline("words"): ["Pipeline words", "raw@master:/*", "sh"],
    }
    for handle, words in shown.items():
        html = handle._repr_html_()
        assert EVIL not in html
        for word in words:
            assert word in text_of(html), handle


def test_listings_show_themselves_and_lose_nothing(filled):
    repo, commit = filled.repo("raw"), filled.commit("raw@master")
    with repo.commit() as later:
        later.delete_file("/many/07")
        later.put_file("/many/08", b"longer than before")
        later.put_file("/added", b"1")
    for listing, words in [
        (commit.walk("/many"), ["/many/00", "/many/19", "list(…)"]),
        (commit.list_file("/many/03"), ["/many/03"]),
        (later.commit.diff(), ["+ added", "/added", "- removed", "/many/07", "~ changed", "18"]),
        (repo.list_commit("master"), ["master.0", "master.1"]),
        (repo.list_commit(), ["master.0"]),
        (filled.list_job(), ["words", "created"]),
        (filled.list_job("sums"), ["none"]),
    ]:
        text = text_of(listing._repr_html_())
        for word in words:
            assert word in text
        assert text_of(listing._repr_html_()) == text
    assert len(list(commit.walk("/many"))) == 30
    listing = commit.walk("/many")
    first = next(listing)
    listing._repr_html_()
    assert [first.path, next(listing).path] == ["/many/00", "/many/01"]


def test_listings_show_themselves_in_plain_python_and_lose_nothing(filled):
    commit = filled.commit("raw@master")
    listing = commit.walk("/many")
    rows = list(commit.walk("/many"))
    assert len(rows) > 10
    assert repr(listing).splitlines() == [
        "<Listing:", *(f"  {row!r}" for row in rows[:10]), "  and more>"
    ]  # fmt: skip
    assert list(listing) == rows
    assert repr(Listing(lambda: iter(()), str)) == "<Listing:\n  no rows>"
    assert len(repr(Listing(lambda: iter(["x" * 1000]), str))) < 400
    read: list[int] = []
    repr(Listing(lambda: map(read.append, range(1000)), str))
    assert len(read) == 11
    with pytest.raises(TypeError, match=r"cannot pickle a listing: .* list"):
        pickle.dumps(commit.walk())
    filled.close()
    assert repr(listing).startswith("<Listing: ")


def test_a_table_takes_no_more_rows_than_it_shows():
    taken = []

    def rows():
        for number in range(1000):
            taken.append(number)
            yield (number,)

    assert table_html("numbers", ["n"], rows(), everything="all()").count("<tr>") == ROWS_MAX + 1
    assert len(taken) == ROWS_MAX + 1


def test_showing_a_large_directory_reads_little_of_it(repo, store):
    with repo.commit() as commit:
        for number in range(3000):
            commit.put_file(f"/{number:05}", b"")
    recording = store.kv = RecordingKV(store.kv)
    html = store.commit("repo@master")._repr_html_()
    assert "first 20" in html
    assert sum(recording.read_calls.values()) < 200


@pytest.mark.sandbox
@pytest.mark.mount
def test_jobs_show_how_far_they_are(filled):
    board = JobBoard()
    ready = next(filled.list_job())
    assert "progress=JobBoard()" in text_of(ready._repr_html_())
    updates = []
    board._shown = type("Handle", (), {"update": lambda self, shown: updates.append(shown)})()
    jobs = filled.run(runner="local", progress=board)
    assert [job.state for job in jobs] == ["success"] * 2
    assert len(updates) >= 4
    for html in (jobs[0]._repr_html_(), board._repr_html_(), filled.list_job()._repr_html_()):
        assert ET.fromstring(html).find(".//progress").attrib == {"value": "3", "max": "3"} or (
            "success" in html
        )
    assert "3 of 3" in text_of(jobs[0]._repr_html_())
    assert "JobBoard" not in text_of(jobs[0]._repr_html_())
    assert re.match(r"words [0-9a-f]{12} success, 3 of 3 datums\n", repr(board))
    assert "success" in str(filled.draw())
    assert "raw@" in text_of(filled.commit("words@master")._repr_html_())


# --- the graph -------------------------------------------------------------------------------


def test_a_store_is_drawn_three_ways(filled):
    drawing = filled.draw()
    assert str(drawing).splitlines() == [
        "raw  master",
        "└─ [/*] (words)  created",
        "   └─ words  empty",
        "      └─ [/] (sums)",
        "         └─ sums  empty",
    ]
    svg = ET.fromstring(drawing.svg)
    labels = [text.text for text in svg.iter(f"{SVG}text")]
    assert {"raw", "words", "sums", "/*", "/"} <= set(labels)
    assert len(list(svg.iter(f"{SVG}g"))) == 5
    assert drawing.mermaid.splitlines()[0] == "flowchart LR"
    assert drawing.mermaid.count("-->") == 4
    assert drawing.dot.count(" -> ") == 4
    bundle = drawing._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/vnd.mermaid", "text/plain"}
    assert set(drawing._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/plain" not in drawing._repr_mimebundle_(exclude=["text/plain"])


def test_titles_that_are_not_utf8_can_be_shown(repo):
    name = b"/\xff".decode("utf-8", "surrogateescape")
    with repo.commit() as commit:
        commit.put_file(f"{name}/f", b"1")
    top = commit.commit / name
    for shown in (top, top / "f", commit.commit.list_file(name)):
        assert "\\xff" in shown._repr_html_().encode().decode()


def test_an_empty_store_can_be_drawn(store):
    assert str(store.draw()) == ""
    ET.fromstring(store.draw().svg)


def test_boxes_do_not_overlap_and_edges_lead_on():
    nodes = [Node(str(number), f"node {number}") for number in range(12)]
    edges = [Edge(str(a), str(b)) for a in range(12) for b in range(a + 1, 12) if (a * b) % 5 == 1]
    graph = Graph(nodes, edges)
    column = {n.key: depth for depth, nodes in enumerate(graph.columns()) for n in nodes}
    assert all(column[edge.start] < column[edge.end] for edge in graph.edges)
    rects = [
        tuple(float(rect.get(name)) for name in ("x", "y", "width", "height"))
        for rect in ET.fromstring(graph_svg(graph, "t")).iter(f"{SVG}rect")
        if rect.get("class") != "paper"
    ]
    for one, other in ((a, b) for a in rects for b in rects if a < b):
        apart_x = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
        apart_y = one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]
        assert apart_x or apart_y


def test_the_language_of_graphviz():
    graph = Graph(
        [Node("a", 'say "a\\b"', "below"), Node("b", "b", round=True)], [Edge("a", "b", "/*")]
    )
    assert graph_dot(graph).splitlines() == [
        "digraph {",
        "  rankdir=LR",
        "  node [shape=box]",
        r"""  "a" [label="say \"a\\b\"\nbelow"]""",
        '  "b" [label="b", style=rounded]',
        '  "a" -> "b" [label="/*"]',
        "}",
    ]


def test_circles_strangers_and_evil_labels_do_no_harm():
    ring = Graph([Node(c, EVIL) for c in "abc"], [Edge(*pair) for pair in ("ab", "bc", "ca", "az")])
    assert len(ring.edges) == 3
    assert sum(map(len, ring.columns())) == 3
    assert graph_tree(ring).count("↑") == 1
    svg = graph_svg(ring, EVIL)
    assert EVIL not in svg
    style = ET.fromstring(svg).find(f"{SVG}style")
    assert all(line.startswith(".pfs-graph ") for line in style.text.split("\n") if line)
    assert "<script" not in graph_mermaid(ring)


def test_what_is_met_twice_is_shown_once():
    diamond = Graph([Node(c, c) for c in "abcd"], [Edge(*p) for p in ("ab", "ac", "bd", "cd")])
    assert graph_tree(diamond).splitlines() == ["a", "├─ b", "│  └─ d", "└─ c", "   └─ d ↑"]
    depths = [{node.key for node in column} for column in diamond.columns()]
    assert depths == [{"a"}, {"b", "c"}, {"d"}]
    assert all(a.isdisjoint(b) for a, b in pairwise(depths))
