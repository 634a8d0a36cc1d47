"""What the library logs, told on standard error."""

from __future__ import annotations

import logging

import click


class _Telling(logging.Handler):
    """Says warnings as the command says everything else, wherever standard error is now."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"pfs: {record.getMessage()}", err=True)


_TELLING = _Telling(logging.WARNING)


def tell_what_is_logged() -> None:
    """Tell warnings from now on. Idempotent."""
    logging.getLogger("pfslib").addHandler(_TELLING)
