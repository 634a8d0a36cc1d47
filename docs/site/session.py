"""Draws docs/session.svg: a terminal with a real session of `pfs`, run now.

`python docs/site/session.py` writes it; tests/docs/test_session.py holds its text to a new run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "session.svg"
FILES = {
    "words.json": """\
{"pipeline": {"name": "words"},
 "transform": {"cmd": ["sh"], "stdin": ["wc -w < $texts > /pfs/out/$(basename $texts)"]},
 "input": {"pfs": {"repo": "texts", "glob": "/*"}}}
"""
}
COMMANDS = (
    "pfs init && pfs create-repo texts",
    "cat words.json",
    "pfs create-pipeline -f words.json",
    "echo 'to be or not to be' | pfs put-file texts@master:/hamlet",
    "echo 'I have a dream' | pfs put-file texts@master:/king -m 'another one'",
    "pfs list-file words@master:/",
    "pfs get-file words@master:/hamlet",
    "echo 'that is the question' | pfs put-file texts@master:/hamlet -a -m 'goes on' -c",
    "pfs diff words@master",
    "pfs get-file words@master:/hamlet",
    "pfs get-file words@master^:/hamlet",
    "pfs draw",
)

COLUMN, LINE, FONT, MARGIN = 7.8, 18, 13, 18
STYLE = (
    f"text{{font:{FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d6dbe3;"
    "white-space:pre}.typed{fill:#8fd694;font-weight:600}"
)


def run_session() -> list[str]:
    """The lines of a terminal in which the commands are typed, one after another."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PFS_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PFS_RUNNER": "local",
        "LC_ALL": "C.UTF-8",
    }
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="pfs-session-") as home:
        for name, text in FILES.items():
            (Path(home) / name).write_text(text)
        for command in COMMANDS:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=home,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
            lines += [f"$ {command}", *done.stdout.replace(home, "/home/ada").splitlines()]
    return [line.rstrip() for line in lines]


def draw(lines: list[str]) -> str:
    """A picture of a terminal; every column is in its place, whatever the font."""
    width = max(map(len, lines)) * COLUMN + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    rows = [
        f'<text class="{"typed" if line.startswith("$ ") else "shown"}" x="{MARGIN}" '
        f'y="{MARGIN + LINE * number + FONT}" textLength="{len(line) * COLUMN:.1f}" '
        f'xml:space="preserve">{escape(line)}</text>'
        for number, line in enumerate(lines)
        if line
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">'
        f"<title>A terminal in which pfs is used</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#1d2230"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(run_session()), "utf-8")
