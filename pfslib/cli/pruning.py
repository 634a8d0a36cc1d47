"""`pfs drop-commit` and `squash-commit`: finished commits taken out of history."""

from __future__ import annotations

import click

from pfslib.cli.places import COMMIT, REPO, parse_place
from pfslib.cli.removals import dry_run_option, show_removal
from pfslib.cli.session import Command, Session, Words, words


@click.command(cls=Command)
@words("REPO COMMIT")
@dry_run_option
@click.pass_obj
def drop_commit(session: Session, words: Words, *, dry_run: bool) -> None:
    """Remove the newest commit of a branch, with its content.

    Its branches go back to its parent. Refused while anything is on top of it, was made from it,
    or holds it. gc gives the room back.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        removal = store.repo(place.repo).drop_commit(place.commit, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)


@click.command(cls=Command)
@words("REPO COMMIT")
@dry_run_option
@click.pass_obj
def squash_commit(session: Session, words: Words, *, dry_run: bool) -> None:
    """Remove a commit; what it put stays in its children.

    They keep their ids and get its parent. Refused for the head of a branch, and while anything
    was made from it or holds it.
    """
    place = parse_place(words, REPO, COMMIT)
    with session.open() as store:
        removal = store.repo(place.repo).squash_commit(place.commit, dry_run=dry_run)
        show_removal(session, removal, dry_run=dry_run)
