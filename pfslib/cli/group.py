"""The group of all commands: imports one when it is called, by either of its spellings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from pfslib.cli.commands import ALIASES, COMMANDS, SECTIONS
from pfslib.cli.failures import die_of_broken_pipe
from pfslib.cli.session import Context
from pfslib.model.errors import near_miss

_EPILOG = (
    "Each can be written as two words: `pfs put file` is `pfs put-file`. "
    "`pfs help COMMAND` explains one, with its options."
)


class CommandGroup(click.Group):
    """`pfs put-file …` and `pfs put file …`; the module of put-file is imported only then."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """A command by its hyphen form."""
        name = ALIASES.get(cmd_name, cmd_name)
        place = COMMANDS.get(name)
        if place is None:
            return None
        module = import_module(f"pfslib.cli.{place.module}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first two words, or the first, name; and the words after it."""
        for count in (2, 1):
            name = "-".join(args[:count])
            command = self.get_command(ctx, name) if len(args) >= count else None
            if command is not None:
                return command.name, command, args[count:]
        raise click.UsageError(unknown_command(args), ctx)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever the command returns
        """Run the command that is meant."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            die_of_broken_pipe()  # before click makes an ordinary failure of it

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by subject, without importing any."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, place.summary) for name, place in commands.items()])
        formatter.write_paragraph()
        formatter.write_text(_EPILOG)


def unknown_command(args: list[str]) -> str:
    """What is wrong with words that name no command."""
    verb = args[0]
    nouns = [name.removeprefix(f"{verb}-") for name in COMMANDS if name.startswith(f"{verb}-")]
    if nouns and len(args) == 1:
        return f"{verb} what? One of: {', '.join(nouns)}"
    words = "-".join(args[:2]).split("-")
    swapped = "-".join(reversed(words))
    if swapped in COMMANDS:
        return f"there is no command {'-'.join(words)!r}; did you mean {swapped!r}?"
    for name in ("-".join(args[:2]), verb):
        near = near_miss(name, {**COMMANDS, **ALIASES})
        if near:
            return f"there is no command {name!r}; {near}"
    return f"there is no command {verb!r}"
