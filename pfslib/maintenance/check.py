"""Check one state of a store: every invariant that is told of anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.kv.tables import Table
from pfslib.maintenance.check_history import check_history
from pfslib.maintenance.check_pieces import PieceCheck
from pfslib.maintenance.check_trees import TreeCheck
from pfslib.maintenance.check_work import check_work
from pfslib.maintenance.findings import PROBLEMS_MAX, Findings, Problem, shown
from pfslib.maintenance.past_damage import DamagedReading
from pfslib.maintenance.roots import ROOTED, Root
from pfslib.maintenance.trace import WHERES_MAX, trace
from pfslib.model.encoding import unpack
from pfslib.model.errors import CorruptionError
from pfslib.model.history import Commit, OpenCommit

Progress = Callable[[str, int], None]
"""Told what is being checked (``history``, ``trees``, ``chunks``, ``traces``), and how much is."""


class Checked(msgspec.Struct, frozen=True):
    """What was looked at, and what of it is garbage, which is no problem."""

    commits: int = 0
    nodes: int = 0
    """Nodes that trees lead to."""

    pieces: int = 0
    chunks: int = 0
    read_bytes: int = 0
    """Bytes of content read and compared with their digests."""

    garbage_nodes: int = 0
    garbage_pieces: int = 0
    empty_chunks: int = 0
    problems: int = 0


def check(
    kv: KV, *, read_data: bool, report: Callable[[Problem], None], progress: Progress
) -> Checked:
    """Check the state that the store is in now.

    Args:
        kv: The store. One transaction is open all the time, unless LMDB finds a page broken.
        read_data: Read all contents, and compare them with their digests.
        report: Told each problem, `findings.PROBLEMS_MAX` at most.
        progress: See `Progress`.
    """

    def unreadable(table: Table, last: bytes, why: str) -> None:
        after = f" after {shown(last)}" if last else ""
        findings.add("file", f"rows of {table.name}{after} cannot be read: {why}")

    with DamagedReading(kv, unreadable) as txn:
        findings = Findings(txn, report)
        progress("history", 0)
        commits = check_history(findings)
        check_work(findings)
        trees = TreeCheck(findings, progress)
        for root in _roots(txn):
            trees.check_root(root.entry, _name_of(txn, root))
        nodes, garbage_nodes = trees.nodes, _check_other_nodes(txn, trees)
        pieces = PieceCheck(findings, progress, read_data=read_data).check(trees.pieces.ordered())
        _report_damaged(findings, progress)
        return Checked(
            commits=commits,
            nodes=nodes,
            pieces=pieces.pieces,
            chunks=pieces.chunks,
            read_bytes=pieces.read_bytes,
            garbage_nodes=garbage_nodes,
            garbage_pieces=pieces.garbage,
            empty_chunks=pieces.empty_chunks,
            problems=findings.count,
        )


def _roots(txn: ReadTxn) -> Iterator[Root]:
    """The roots that can be read; the checks of their tables tell of the others."""
    for table, entry_of in ROOTED.items():
        for key, value in txn.audit(table):
            try:
                entry = entry_of(value) if value is not None else None
            except CorruptionError:
                continue
            if entry is not None:
                yield Root(table, key, entry)


def _check_other_nodes(txn: ReadTxn, trees: TreeCheck) -> int:
    others = 0
    for key in txn.keys(Table.NODES):
        if not trees.has_seen(key):
            others += 1
            trees.check_unreached(key)
    return others


def _report_damaged(findings: Findings, progress: Progress) -> None:
    """Report the damaged pieces and nodes, each with the files that it hits."""
    damaged = dict(list(findings.damaged.items())[:PROBLEMS_MAX])
    wheres: dict[bytes, list[str]] = {name: [] for name in damaged}
    unfinished = set(damaged)

    def tell(name: bytes, where: str) -> bool:
        found = wheres[name]
        if len(found) < WHERES_MAX and where not in found:
            found.append(where)
        if len(found) == WHERES_MAX:
            unfinished.discard(name)
        return bool(unfinished)

    if damaged:
        progress("traces", 0)
        roots = ((_name_of(findings.txn, root) + ":", root.entry) for root in _roots(findings.txn))
        trace(findings.txn, damaged.keys(), roots, tell)
    for name, problem in damaged.items():
        unused = "" if wheres[name] else " (nothing uses it)"
        findings.tell(Problem(problem.kind, problem.what + unused, tuple(wheres[name])))
    findings.count += len(findings.damaged) - len(damaged)


def _name_of(txn: ReadTxn, root: Root) -> str:
    """What a root is called in reports."""
    shown = root.key.hex()
    if root.table is Table.IMAGES:
        return f"image {root.key.decode(errors='replace')}"
    if root.table is Table.COMMITS:
        return f"{unpack(Commit, txn.get(root.table, root.key) or b'').repo}@{shown}"
    if root.table is Table.OPEN:
        return f"{unpack(OpenCommit, txn.get(root.table, root.key) or b'').repo}@{shown} (open)"
    return f"{_WHAT[root.table]} {shown}"


_WHAT = {
    Table.STAGED: "staged edit",
    Table.DATUMS: "result of datum",
    Table.JOB_DATUMS: "output of datum",
    Table.WORKS: "history of output",
}
