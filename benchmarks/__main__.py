"""One command, one table, JSON beside it.

Every case has its foil in the same run, on the same bytes and the same disk, taking turns with it;
only the ratios count. Peers that are not installed are named and left out, and run at their
defaults, start-up included.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import big_files, jobs, one_change, pipelines, releases, report, small_files
from benchmarks.report import Row
from benchmarks.scales import SCALES, Scale

CASES: dict[str, Callable[[Path, Scale], Iterator[Row]]] = {
    "big": big_files.run,
    "small": small_files.run,
    "releases": releases.run,
    "change": one_change.run,
    "pipelines": pipelines.run,
    "jobs": jobs.run,
}


def main() -> None:
    """Run the cases asked for and print their table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(CASES)}; all")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument(
        "--quick", dest="scale", action="store_const", const="quick", help="a minute's run"
    )
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), metavar="FILE")
    parser.add_argument(
        "--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure"
    )
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    scale = SCALES[options.scale]
    rows: list[tuple[str, Row]] = []
    for name in options.cases or CASES:
        print(f"\n{name}: {CASES[name].__doc__}\n{report.HEAD}")
        with tempfile.TemporaryDirectory(prefix=".pfs-bench-", dir=options.dir) as top:
            for found in CASES[name](Path(top), scale):
                print(report.line(found), flush=True)
                rows.append((name, found))
        report.write_json(options.json, scale.name, rows)
    missed = [found.what for _, found in rows if found.met is False]
    print(f"\n{len(rows)} rows in {options.json}; load {os.getloadavg()[0]:.1f}")
    print("not met: " + ("; ".join(missed) or "none"))


if __name__ == "__main__":
    main()
