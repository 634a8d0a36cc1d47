"""What a person sees on a narrow terminal; what a script sees is always the same."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pfslib.cli.coloring import is_wanted
from pfslib.cli.fitted_tables import fit_table
from pfslib.cli.main import main
from pfslib.cli.tables import format_table

HEADER = ("ID", "NAME", "MESSAGE")
ID = "9c8c1ad2667d44d586818306ec19f1ec"
ROWS = [(ID, "one", "why"), (f"stats/{ID}/0", "two", "")]


def test_a_table_takes_the_first_form_that_fits() -> None:
    wide = list(format_table(HEADER, ROWS))
    assert list(fit_table(HEADER, ROWS, max(map(len, wide)))) == wide
    close = [
        "ID                                        NAME  MESSAGE",
        f"{ID}          one   why",
        f"stats/{ID}/0  two",
    ]
    assert list(fit_table(HEADER, ROWS, 55)) == close
    assert list(fit_table(HEADER, ROWS, 54)) == [
        "ID                    NAME  MESSAGE",
        "9c8c1ad2667d          one   why",
        "stats/9c8c1ad2667d/0  two",
    ]
    assert list(fit_table(HEADER, ROWS, 34)) == [
        "ID: 9c8c1ad2667d",
        "NAME: one",
        "MESSAGE: why",
        "",
        "ID: stats/9c8c1ad2667d/0",
        "NAME: two",
    ]
    assert list(fit_table(HEADER, [], 5)) == ["ID  NAME  MESSAGE"]


def test_letters_that_are_two_columns_wide_count_as_two() -> None:
    rows = [("本日", "1"), ("e\u0301", "2")]
    shown = ["A     B", "本日  1", "e\u0301     2"]
    assert list(fit_table(("A", "B"), rows, 7)) == shown
    assert next(fit_table(("A", "B"), rows, 6)) == "A: 本日"


def test_a_later_page_may_need_a_narrower_form() -> None:
    rows = [("a",), ("b",), ("z" * 32,), ("d",), (ID,), ("e",)]
    header = ("X",)
    assert list(fit_table(header, rows, 20, page=1)) == [
        *("X", "a", "b", "", f"X: {'z' * 32}", "", "X: d", "", "X: 9c8c1ad2667d", "", "X: e")
    ]
    assert list(fit_table(header, [("a",), (ID,), ("b",)], 20, page=1)) == [
        *("X", "a", "X", "9c8c1ad2667d", "b")
    ]


class Terminal(io.TextIOWrapper):
    """What somebody watches."""

    def isatty(self) -> bool:
        return True


def on_terminal(*words: str) -> list[str]:
    """The lines that a command prints on a terminal; COLUMNS says how wide that is."""
    screen = Terminal(io.BytesIO(), "utf-8")
    with redirect_stdout(screen), pytest.raises(SystemExit) as ended:
        main(words)
    screen.flush()
    assert not ended.value.code
    assert isinstance(screen.buffer, io.BytesIO)
    return screen.buffer.getvalue().decode().splitlines()


@pytest.mark.mount
@pytest.mark.sandbox
def test_forty_columns_are_enough(store: Path, pfs, monkeypatch) -> None:
    for repo in ("projects", "other"):
        pfs("create-repo", repo)
    spec = b'{"pipeline": {"name": "stats"}, "transform": {"cmd": ["true"]}, ' \
           b'"input": {"pfs": {"repo": "projects", "glob": "/*"}}}'  # fmt: skip
    pfs("create-pipeline", stdin=spec)
    pfs("put-file", "projects@master:/one.txt", "-m", "the first of all", stdin=b"1")
    monkeypatch.setenv("COLUMNS", "40")
    commands = [
        *("", "list repo", "list commit projects", "list commit stats", "list job", "log"),
        *("list file projects@master:/", "list pipeline", "diff projects@master", "status"),
    ]
    shown = {command: on_terminal(*command.split()) for command in commands}
    for command, lines in shown.items():
        assert lines, command
        long = [line for line in lines if len(line) > 40]
        assert command == "status" or not long, (command, long)
    assert f"OUTPUT: stats/{pfs('list-job').rows[0]['OUTPUT'][6:18]}/0" in shown["list job"]
    assert "MESSAGE: the first of all" in shown["log"]
    (job,) = [line.split()[1] for line in shown["list job"] if line.startswith("ID: ")]
    assert pfs("inspect-job", job, "--json").json["state"] == "success"


def test_nothing_to_draw_is_said(store: Path, pfs) -> None:
    drawn = pfs("draw")
    assert (drawn.stdout, drawn.stderr) == (
        b"",
        "pfs: there is nothing to draw: the store has no repos\n",
    )


@pytest.mark.parametrize(
    ("forced", "forbidden", "wanted"),
    [("", "", True), ("1", "", True), ("0", "", False), ("false", "", False), ("1", "1", False)],
)
def test_a_terminal_is_coloured_unless_it_is_not_to_be(
    forced: str, forbidden: str, wanted: bool, monkeypatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", forced)
    monkeypatch.setenv("NO_COLOR", forbidden)
    monkeypatch.setattr(sys, "stdout", Terminal(io.BytesIO(), "utf-8"))
    assert is_wanted("auto") is wanted
