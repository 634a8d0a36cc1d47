"""A graph as text: a tree for the terminal, and the languages of mermaid and graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from pfslib.display.graph import Graph, Node


def graph_tree(graph: Graph) -> str:
    """The graph as a tree: what is met a second time is only named, with an arrow."""
    shown: set[str] = set()
    lines: list[str] = []
    for root in graph.roots():
        lines += _branch(graph, root, shown)
    return "\n".join(lines)


def _branch(graph: Graph, node: Node, shown: set[str]) -> Iterator[str]:
    if node.key in shown:
        yield f"{_named(node)} ↑"
        return
    shown.add(node.key)
    yield _named(node)
    after = graph.after(node.key)
    for edge in after:
        last = edge is after[-1]
        label = f"[{edge.label}] " if edge.label else ""
        head, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
        for number, line in enumerate(_branch(graph, graph.nodes[edge.end], shown)):
            yield f"{rest}{line}" if number else f"{head}{label}{line}"


def _named(node: Node) -> str:
    name = f"({node.label})" if node.round else node.label
    return f"{name}  {node.below}".rstrip()


def graph_mermaid(graph: Graph) -> str:
    """The graph in the language that JupyterLab, GitHub and others draw."""
    ids = {key: f"n{number}" for number, key in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for key, node in graph.nodes.items():
        text = _quoted(f"{node.label}\n{node.below}" if node.below else node.label)
        lines.append(f"  {ids[key]}({text})" if node.round else f"  {ids[key]}[{text}]")
    for edge in graph.edges:
        label = f"|{_quoted(edge.label)}|" if edge.label else ""
        lines.append(f"  {ids[edge.start]} -->{label} {ids[edge.end]}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Text that mermaid takes for nothing but text: its own escapes are those of HTML, with #."""
    safe = "".join(
        char if char.isalnum() or char in " _-./,:=\n" else f"#{ord(char)};" for char in text
    )
    return '"' + safe.replace("\n", "<br/>") + '"'


def graph_dot(graph: Graph) -> str:
    """The graph in the language of graphviz: `… | dot -Tpng`."""
    lines = ["digraph {", "  rankdir=LR", "  node [shape=box]"]
    for key, node in graph.nodes.items():
        text = f"{node.label}\n{node.below}".rstrip("\n")
        style = ", style=rounded" if node.round else ""
        lines.append(f"  {_dot_quoted(key)} [label={_dot_quoted(text)}{style}]")
    for edge in graph.edges:
        label = f" [label={_dot_quoted(edge.label)}]" if edge.label else ""
        lines.append(f"  {_dot_quoted(edge.start)} -> {_dot_quoted(edge.end)}{label}")
    return "\n".join([*lines, "}"])


def _dot_quoted(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{safe}"'
