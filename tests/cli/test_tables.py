"""Words and columns, as the post prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pfslib.cli.tables import format_fields, format_table
from pfslib.cli.wording import ago, human_duration, human_size, printable

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = datetime(2016, 12, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        # Docker's units.HumanDuration, with the cases of its own test.
        (-5, "Less than a second"),
        (0.45, "Less than a second"),
        (1, "1 second"),
        (45, "45 seconds"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (3 * MINUTE, "3 minutes"),
        (35 * MINUTE + 40, "35 minutes"),
        (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (HOUR + 29 * MINUTE, "About an hour"),
        (HOUR + 31 * MINUTE, "2 hours"),
        (2 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY + 5 * HOUR, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
        (3 * 365 * DAY, "3 years"),
    ],
)
def test_durations_are_docker_s(seconds: float, words: str) -> None:
    assert human_duration(seconds) == words


def test_times_are_told_from_now() -> None:
    assert ago(NOW - timedelta(seconds=18), NOW) == "18 seconds ago"
    assert ago(NOW - timedelta(seconds=61), NOW) == "About a minute ago"
    assert ago(NOW + timedelta(hours=9), NOW) == "Less than a second ago"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (27, "27 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1_234_567, "1.177 MiB"),
        (3 << 30, "3 GiB"),
        (1 << 62, "4 EiB"),
    ],
)
def test_sizes_have_four_digits(size: int, words: str) -> None:
    assert human_size(size) == words


def test_a_table_is_the_post_s() -> None:
    uuid = "9c8c1ad2667d44d586818306ec19f1ec"
    repos = [("projects", "18 seconds ago", "0 B"), ("stats", "5 seconds ago", "0 B")]
    assert list(format_table(("NAME", "CREATED", "SIZE"), repos)) == [
        "NAME                CREATED             SIZE",
        "projects            18 seconds ago      0 B",
        "stats               5 seconds ago       0 B",
    ]
    header = ("ID", "OUTPUT", "STARTED", "DURATION", "STATE")
    job = ("4c4f53668e46c20fdeb1286ca971ea1f", f"stats/{uuid}/0", "About a minute ago")
    assert list(format_table(header, [(*job, "57 seconds", "success")])) == [
        "ID                                 OUTPUT                                     "
        "STARTED              DURATION            STATE",
        "4c4f53668e46c20fdeb1286ca971ea1f   stats/9c8c1ad2667d44d586818306ec19f1ec/0   "
        "About a minute ago   57 seconds          success",
    ]
    file = ("/results", "file", "About an hour ago", f"{uuid}/0", "27 B")
    header = ("NAME", "TYPE", "MODIFIED", "LAST_COMMIT_MODIFIED", "SIZE")
    assert list(format_table(header, [file]))[1] == (
        "/results            file                About an hour ago   "
        "9c8c1ad2667d44d586818306ec19f1ec/0   27 B"
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert list(format_table(("NAME", "SIZE"), [])) == ["NAME                SIZE"]


def test_an_empty_cell_keeps_its_column() -> None:
    line = list(format_table(("A", "B", "C"), [("x", "", "y")]))[1]
    assert line == f"x{' ' * 39}y"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 中 text", "plain é 中 text"),
        ("new\nline\ttab\x1b[31m", r"new\nline\ttab\x1b[31m"),
        ("caf\udce9", r"caf\xe9"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\0", r"\x00"),
        ("back\\nslash", r"back\nslash"),
        ("back\\nslash\n", r"back\\nslash\n"),
    ],
)
def test_no_name_can_break_a_line(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert list(format_table(("A",), [(text,)]))[1] == shown


def test_fields_without_a_value_are_left_out() -> None:
    assert list(format_fields([("Name", "a\nb"), ("Reason", "")])) == [r"Name: a\nb"]
