"""`pfs log`: what happened, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from pfslib.cli.documents import commit_document, found_document
from pfslib.cli.names import full_name_of
from pfslib.cli.output import show_list
from pfslib.cli.places import COMMIT, PATH, REPO, Place, parse_place
from pfslib.cli.session import Command, Session, Words, words
from pfslib.cli.wording import ago, human_size

if TYPE_CHECKING:
    import pfslib

_PAGE: Final = 256


@click.command(cls=Command)
@words("[REPO [COMMIT [PATH]]]")
@click.option("-n", "count", type=click.IntRange(min=0), help="How many commits; all, without.")
@click.pass_obj
def log(session: Session, words: Words, count: int | None) -> None:
    """Tell what was committed, newest first.

    From COMMIT back, and with PATH only what changed that; of REPO alone, or of the whole store
    without it, what was committed to any branch, in the order of time. SIZE is what the commit
    itself put; with PATH, how large that was afterwards. Of messages, it shows the first line. To
    go on after the last commit shown, give it with a ^ as COMMIT.
    """
    place = parse_place(words, REPO, COMMIT, PATH, optional=2) if words else Place("")
    now = datetime.now(UTC)
    with session.open() as store:
        if place.path:
            found = store.commit(place.reference).find_commit(place.path)
            show_list(
                session,
                islice(found, count),
                ("OP", "REPO/ID", "FINISHED", "SIZE", "MESSAGE"),
                lambda found: (found.op, *_row(found.commit, _size_of(found), now)),
                found_document,
                page=_PAGE,
            )
            return
        show_list(
            session,
            islice(_commits(store, place), count),
            ("REPO/ID", "FINISHED", "SIZE", "MESSAGE"),
            lambda commit: _row(commit, human_size(commit.added_bytes), now),
            commit_document,
            page=_PAGE,
        )


def _commits(store: pfslib.Store, place: Place) -> Iterator[pfslib.Commit]:
    if place.commit:
        return store.commit(place.reference).history()
    if place.repo:
        store.repo(place.repo)  # a mistyped one is to be an error
    return store.history(place.repo)


def _size_of(found: pfslib.FoundCommit) -> str:
    return "-" if found.op == "removed" else human_size(found.size)


def _row(commit: pfslib.Commit, size: str, now: datetime) -> Sequence[str]:
    line = commit.message.partition("\n")[0]
    return full_name_of(commit), ago(commit.finished, now), size, line
