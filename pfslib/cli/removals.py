"""What destructive commands have in common: --dry-run, and what went or would go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pfslib.cli.documents import removal_document
from pfslib.cli.output import print_document, print_lines
from pfslib.cli.wording import counted, printable

if TYPE_CHECKING:
    from pfslib.cli.session import Session
    from pfslib.model.removal import Removal

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def dry_run_option(function: FunctionT) -> FunctionT:
    """Give a command the option --dry-run."""
    return click.option("--dry-run", is_flag=True, help="Only say what would go.")(function)


def show_removal(session: Session, removal: Removal, *, dry_run: bool) -> None:
    """Print what would go; what went is printed as JSON only, for whoever asked knows it."""
    if session.as_json:
        print_document(removal_document(removal, dry_run=dry_run))
    elif dry_run:
        print_lines(_sentences(removal))


def _sentences(removal: Removal) -> Iterator[str]:
    kinds = (
        ("repo", removal.repos),
        ("branch", removal.branches),
        ("tag", removal.tags),
        ("commit", removal.commits),
        ("open commit", removal.open_commits),
        ("pipeline", removal.pipelines),
        ("image", removal.images),
    )
    for kind, names in kinds:
        yield from (f"would delete {kind} {printable(name)}" for name in names)
    yield from (f"would move branch {name} to another commit" for name in removal.moved)
    if removal.jobs:
        yield f"would delete {counted(removal.jobs, 'job')}"
