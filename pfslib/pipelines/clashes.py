"""Who is to blame when outputs cannot be merged: the datums, by what they saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pfslib.kv.protocol import KV, ReadTxn
from pfslib.model.errors import PathClashError
from pfslib.model.nodes import Entry
from pfslib.model.paths import split_path
from pfslib.model.work import DatumRecord
from pfslib.pipelines.datums import datum_name, seen_of
from pfslib.pipelines.ledger import find_result
from pfslib.pipelines.merging import ClashError
from pfslib.pipelines.plan import Plan
from pfslib.pipelines.works import WorkTree
from pfslib.trees.lookup import find_entry
from pfslib.trees.nodestore import TreeCache


def name_clash(
    kv: KV,
    cache: TreeCache,
    plan: Plan,
    records: Mapping[bytes, DatumRecord],
    clash: PathClashError,
) -> str:
    """A sentence that names the path and the datums that wrote it. Looks at every output."""
    with kv.read() as txn:
        before = WorkTree(txn, plan.base.work, cache)
        outputs = dict(_outputs(plan, records, before))
        if isinstance(clash, ClashError):
            orders = list(clash.orders)
        else:
            orders = [
                order for order in sorted(outputs) if _is_in(txn, outputs[order], clash.path, cache)
            ]
        names = [_name(txn, plan, before, order) for order in orders[:2]]
    advice = 'set "output_merge" to "append" or "overwrite" if that is meant'
    if not isinstance(clash, ClashError):
        advice = "one wrote a file where the other wrote a directory"
    return f"{clash.path}: the datums {' and '.join(names)} both wrote it; {advice}"


def _outputs(
    plan: Plan, records: Mapping[bytes, DatumRecord], before: WorkTree
) -> Iterator[tuple[bytes, Entry]]:
    changed = {*plan.gone}
    for known in plan.known:
        changed.add(known.order)
        yield known.order, known.output
    for task in plan.tasks:
        changed.add(task.order)
        record = records.get(task.order)
        if record is not None and record.output is not None:
            yield task.order, record.output
    for output in before.outputs():
        if output.name not in changed:
            yield output.name, output


def _is_in(txn: ReadTxn, output: Entry, path: str, cache: TreeCache) -> bool:
    """Whether an output has a path, or a file in its way."""
    parts = tuple(split_path(path))
    if find_entry(txn, output, parts, cache) is not None:
        return True
    above = (find_entry(txn, output, parts[:length], cache) for length in range(1, len(parts)))
    return any(entry is not None and not entry.is_dir for entry in above)


def _name(txn: ReadTxn, plan: Plan, before: WorkTree, order: bytes) -> str:
    for task in plan.tasks:
        if task.order == order:
            return datum_name(seen_of(task.datum))
    keys = {known.order: known.key for known in plan.known}
    result = find_result(txn, keys.get(order) or before.key(order) or b"")
    return datum_name(result.inputs) if result is not None else "(unknown)"
