"""A directed graph as it is drawn: nodes in columns, none before what it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Node(NamedTuple):
    """What is drawn as a box."""

    key: str
    label: str
    below: str = ""
    """A second, fainter line."""

    round: bool = False
    """Whether it does something, and is drawn with round ends, or holds something."""

    link: str = ""


class Edge(NamedTuple):
    """What is drawn as an arrow."""

    start: str
    end: str
    label: str = ""


class Graph:
    """Nodes and the edges between them; cycles do no harm.

    Attributes:
        nodes: By key, in the order given.
        edges: Without those from or to a node that is not there.
    """

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        self.nodes: Mapping[str, Node] = {node.key: node for node in nodes}
        self.edges = [edge for edge in edges if edge.start in self.nodes and edge.end in self.nodes]

    def after(self, key: str) -> list[Edge]:
        """The edges that start at a node."""
        return [edge for edge in self.edges if edge.start == key]

    def roots(self) -> list[Node]:
        """The nodes to begin at to reach all; those that no edge leads to come first."""
        led_to = {edge.end for edge in self.edges}
        found, reached = [], set[str]()
        for key in sorted(self.nodes, key=lambda key: key in led_to):
            if key not in reached:
                found.append(self.nodes[key])
                self._reach(key, reached)
        return found

    def _reach(self, key: str, reached: set[str]) -> None:
        waiting = [key]
        while waiting:
            key = waiting.pop()
            if key not in reached:
                reached.add(key)
                waiting += [edge.end for edge in self.after(key)]

    def columns(self) -> list[list[Node]]:
        """The nodes by the longest way to them; in a column near to what they come from."""
        depth = dict.fromkeys(self.nodes, 0)
        for _ in self.nodes:  # as often as the longest way is long; a cycle would go on for ever
            deeper = {
                edge.end: depth[edge.start] + 1
                for edge in sorted(self.edges, key=lambda edge: depth[edge.start])
                if depth[edge.end] <= depth[edge.start] < len(self.nodes)
            }
            if not deeper:
                break
            depth.update(deeper)
        columns: list[list[Node]] = []
        place: dict[str, float] = {}
        for level in sorted(set(depth.values())):
            column = [node for key, node in self.nodes.items() if depth[key] == level]
            column.sort(key=lambda node: self._wanted(node.key, place))
            place.update({node.key: row for row, node in enumerate(column)})
            columns.append(column)
        return columns

    def _wanted(self, key: str, place: Mapping[str, float]) -> float:
        """The row, on average, of what leads to a node."""
        rows = [place[edge.start] for edge in self.edges if edge.end == key and edge.start in place]
        return sum(rows) / len(rows) if rows else 0.0
