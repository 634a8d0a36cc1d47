"""`pfs help`: the commands, or one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pfslib.cli.commands import COMMANDS, SECTIONS
from pfslib.cli.group import unknown_command
from pfslib.cli.output import print_document, print_documents
from pfslib.cli.session import Command, Context, Session, Words, words

if TYPE_CHECKING:
    from pfslib.cli.documents import Document


@click.command(cls=Command)
@words("[COMMAND]")
@click.pass_context
def help(context: click.Context, words: Words) -> None:  # noqa: A001 - it is the command's name
    """Explain a command, or list all."""
    session, parent = context.obj, context.parent
    assert isinstance(session, Session)
    assert parent is not None
    if not words:
        if session.as_json:
            print_documents(map(_document, COMMANDS))
        else:
            click.echo(parent.get_help())
        return
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, "-".join(words))
    if command is None or command.name is None:
        raise click.UsageError(unknown_command(list(words)), parent)
    if session.as_json:
        print_document(_document(command.name))
        return
    click.echo(command.get_help(Context(command, parent, command.name)))


def _document(name: str) -> Document:
    section = next(title for title, commands in SECTIONS.items() if name in commands)
    return {"command": name, "section": section, "summary": COMMANDS[name].summary}
