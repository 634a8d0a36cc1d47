"""A graph as SVG, which stands alone: no scripts, no fonts, nothing fetched."""

from __future__ import annotations

from html import escape
from typing import Final, NamedTuple

from pfslib.display.graph import Edge, Graph, Node

_CHARACTER: Final = 7.3
"""Width of a character in pixels, with room to spare: fonts differ."""

_PADDING: Final = 14
_HEIGHT: Final = 40
_GAP_X: Final = 70
_GAP_Y: Final = 22
_MARGIN: Final = 16

_STYLE: Final = """
.pfs-graph .paper{fill:#ffffff}
.pfs-graph .box{fill:#eef3fa;stroke:#5b7aa8}
.pfs-graph .act{fill:#fdf3e1;stroke:#b98a2f}
.pfs-graph .way{fill:none;stroke:#8a8f98;stroke-width:1.4}
.pfs-graph text{font:13px system-ui,sans-serif;fill:#20242b;text-anchor:middle}
.pfs-graph .faint{font-size:11px;fill:#666c76}
"""
"""Styles hold for the whole page, other drawings on it included: so these are for a class."""


class _Box(NamedTuple):
    node: Node
    x: float
    y: float
    width: float


def graph_svg(graph: Graph, title: str) -> str:
    """The drawing; as large as it needs to be, never wider than the page.

    Args:
        graph: What to draw.
        title: What it is of, for those who cannot see it.
    """
    boxes, width, height = _placed(graph)
    parts = [_edge_svg(boxes[e.start], boxes[e.end], e) for e in graph.edges]
    parts += [_box_svg(box) for box in boxes.values()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pfs-graph" role="img" width="{width:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%;height:auto">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style>"
        '<defs><marker id="pfs-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a8f98"/></marker></defs>'
        f'<rect class="paper" width="100%" height="100%" rx="6"/>{"".join(parts)}</svg>'
    )


def _placed(graph: Graph) -> tuple[dict[str, _Box], float, float]:
    columns = graph.columns()
    tallest = max(map(len, columns), default=0)
    height = max(tallest * (_HEIGHT + _GAP_Y) - _GAP_Y, 0) + 2 * _MARGIN
    boxes: dict[str, _Box] = {}
    x: float = _MARGIN
    for column in columns:
        width = max(map(_width, column))
        used = len(column) * (_HEIGHT + _GAP_Y) - _GAP_Y
        for row, node in enumerate(column):
            y = (height - used) / 2 + row * (_HEIGHT + _GAP_Y)
            boxes[node.key] = _Box(node, x, y, width)
        labels = [len(edge.label) for node in column for edge in graph.after(node.key)]
        x += width + _GAP_X + max(0.0, max(labels, default=0) * _CHARACTER - _GAP_X / 2)
    right = max((box.x + box.width for box in boxes.values()), default=0.0)
    return boxes, right + _MARGIN, height


def _width(node: Node) -> float:
    return max(len(node.label), len(node.below) * 0.85) * _CHARACTER + 2 * _PADDING


def _box_svg(box: _Box) -> str:
    node, middle = box.node, box.x + box.width / 2
    kind, radius = ("act", _HEIGHT / 2) if node.round else ("box", 5)
    base = box.y + (17 if node.below else 25)
    below = f'<text class="faint" x="{middle:.1f}" y="{box.y + 32:.1f}">{_text(node.below)}</text>'
    return (
        f'<g><rect class="{kind}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{_HEIGHT}" rx="{radius:g}"/>'
        f'<text x="{middle:.1f}" y="{base:.1f}">{_text(node.label)}</text>'
        f"{below if node.below else ''}</g>"
    )


def _edge_svg(start: _Box, end: _Box, edge: Edge) -> str:
    x1, y1 = start.x + start.width, start.y + _HEIGHT / 2
    x2, y2 = end.x - 2, end.y + _HEIGHT / 2
    bend = max(abs(x2 - x1) / 2, 20)
    way = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    at = f'x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 - 6:.1f}"'
    label = f'<text class="faint" {at}>{_text(edge.label)}</text>' if edge.label else ""
    return f'<path class="way" d="{way}" marker-end="url(#pfs-tip)"/>{label}'


def _text(text: str) -> str:
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))
