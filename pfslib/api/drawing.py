"""Drawing: the repos and pipelines of a store as a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pfslib.display.graph import Edge, Graph, Node
from pfslib.display.graph_svg import graph_svg
from pfslib.display.graph_text import graph_dot, graph_mermaid, graph_tree
from pfslib.model.work import Pipeline

if TYPE_CHECKING:
    from pfslib.api.info import RepoInfo
    from pfslib.api.store import Store


class Drawing:
    """A graph, as it was when it was drawn: notebooks show it, ``print`` gives a tree.

    Attributes:
        svg: The graph as SVG, which needs nothing else.
        mermaid: The graph in the language of mermaid, for Markdown.
        dot: The graph in the language of graphviz.
        text: The graph as a tree.
    """

    def __init__(self, graph: Graph, title: str) -> None:
        self.svg = graph_svg(graph, title)
        self.mermaid = graph_mermaid(graph)
        self.dot = graph_dot(graph)
        self.text = graph_tree(graph)

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        bundle = {
            "image/svg+xml": self.svg,
            "text/vnd.mermaid": self.mermaid,
            "text/plain": self.text,
        }
        wanted = set(bundle if include is None else include) - set(exclude or ())
        return {kind: data for kind, data in bundle.items() if kind in wanted}


def draw_store(store: Store) -> Drawing:
    """The graph of a store."""
    pipelines, repos = store.list_pipeline(), store.list_repo()
    last = {job.pipeline: job.state for job in reversed(list(store.list_job()))}
    nodes = [*map(_repo_node, repos), *(_pipeline_node(p, last.get(p.name, "")) for p in pipelines)]
    edges = [edge for pipeline in pipelines for edge in _pipeline_edges(pipeline)]
    return Drawing(Graph(nodes, edges), f"Repos and pipelines of {store.path}")


def _repo_node(repo: RepoInfo) -> Node:
    branches = ", ".join(repo.branches[:3]) + ("…" if len(repo.branches) > 3 else "")  # noqa: PLR2004
    return Node(f"repo {repo.name}", repo.name, branches or "empty")


def _pipeline_node(pipeline: Pipeline, state: str) -> Node:
    return Node(f"pipeline {pipeline.name}", pipeline.name, str(state), round=True)


def _pipeline_edges(pipeline: Pipeline) -> Iterator[Edge]:
    me = f"pipeline {pipeline.name}"
    for source in pipeline.inputs:
        branch = source.branch if source.branch != "master" else ""
        yield Edge(f"repo {source.repo}", me, " ".join(filter(None, (branch, source.glob))))
    yield Edge(me, f"repo {pipeline.name}")
