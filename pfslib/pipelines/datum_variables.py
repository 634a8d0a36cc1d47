"""The variables that tell a datum's command what it works on, and lists of paths beside them.

The kernel starts no command whose variables are too large. So what an input's variable holds is
bounded; all paths are in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pfslib.model.paths import to_text
from pfslib.model.variable_names import meaning_of
from pfslib.model.work import Job, Pipeline
from pfslib.pipelines.datums import Datum

LISTS: Final = ".paths"
"""The name below /pfs of the directory of lists; no input can be called so."""

PATHS_MAX: Final = 64 << 10
"""Bytes that the variables of all inputs may hold together. Linux takes 128 KiB in one."""


def variables_of(job: Job, pipeline: Pipeline, datum: Datum, key: bytes) -> dict[str, str]:
    """The variables of a datum.

    Of an input whose paths are too long to be told, the variable holds its directory, as it does
    for a datum that sees all of it.
    """
    found = {f"PACH_{source.repo.upper()}_COMMIT_ID": source.commit for source in job.inputs}
    commits = {source.name: source.commit for source in job.inputs}
    for item in datum:
        if item.name in commits:
            found[f"{item.name}_COMMIT"] = commits[item.name]
        if item.joined:
            found[f"PACH_DATUM_{item.name}_JOIN_ON"] = item.joined
        if item.grouped:
            found[f"PACH_DATUM_{item.name}_GROUP_BY"] = item.grouped
    paths = _paths_by_input(datum)
    found |= {
        name: "\n".join(map(to_text, below))
        for name, below in _bounded(paths).items()
        if not meaning_of(name)  # specs of older stores may have such inputs
    }
    found |= {f"PACH_DATUM_{name}_PATHS": f"/pfs/{LISTS}/{name}" for name in _listed(paths)}
    # Last, for a repo called "output" has a variable of the same name as one of these.
    found |= {
        "PACH_JOB_ID": job.id,
        "PACH_OUTPUT_COMMIT_ID": job.output_commit,
        "PACH_DATUM_ID": key.hex(),
        "PPS_PIPELINE_NAME": pipeline.name,
    }
    return found | dict(pipeline.transform.env)


def lists_of(datum: Datum) -> dict[str, bytes]:
    """The content of each list, by its input: paths below /pfs, each ended by a NUL.

    Only of inputs of which the datum sees several paths.
    """
    paths = _paths_by_input(datum)
    return {name: b"".join(path + b"\0" for path in paths[name]) for name in _listed(paths)}


def _paths_by_input(datum: Datum) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for item in datum:
        directory = b"/pfs/" + item.name.encode()
        path = directory + b"/" + item.path if item.path else directory
        found.setdefault(item.name, []).append(path)
    return found


def _listed(paths: Mapping[str, list[bytes]]) -> Iterable[str]:
    return (name for name, found in paths.items() if len(found) > 1)


def _bounded(paths: Mapping[str, list[bytes]]) -> dict[str, list[bytes]]:
    """The paths, those of the largest inputs left out until the rest fits."""
    sizes = {name: sum(len(path) + 1 for path in found) for name, found in paths.items()}
    shown = dict(paths)
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= PATHS_MAX or len(paths[name]) == 1:
            break
        shown[name] = [b"/pfs/" + name.encode()]
        sizes[name] = len(shown[name][0]) + 1
    return shown
