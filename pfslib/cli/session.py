"""What holds for every command: the options that all take, and how the store is opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

import pfslib
from pfslib.cli.logged import tell_what_is_logged
from pfslib.kv.preferences import find_setting
from pfslib.model.errors import StoreNotFoundError

if TYPE_CHECKING:
    from pfslib import Store
    from pfslib.api.commit_source import CommitSource

STORE_HELP = "The store. [env: PFS_STORE; default: the nearest .pfs upwards, or of `pfs config`]"
CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}
_NARROW: Final = 52
JSON_HELP = "Print JSON: one document, or one a line for a list."

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Session:
    """What the options before and after the command's name say.

    Attributes:
        store: Directory of the store, as given.
        as_json: Whether to print JSON.
        commit: Whether a commit is to be made for an edit.
        create: Whether the store and the repo that an edit goes into are made if they are missing.
        message: Why a commit is made.
        wait_s: How long to wait for a branch that has an open commit.
        runner: Which runner jobs get.
        egress_to: Below which directory their specs may have outputs copied.
        no_run: Whether triggered jobs are only recorded.
    """

    def __init__(self, store: str | None = None, *, as_json: bool = False) -> None:
        self.store = store
        self.as_json = as_json
        self.commit = False
        self.create = False
        self.message = ""
        self.wait_s = 0.0
        self.runner = "auto"
        self.egress_to: Path | None = None
        self.no_run = False

    def open(self) -> Store:
        """The store that is meant; a context manager.

        Raises:
            StoreNotFoundError: None is there.
        """
        tell_what_is_logged()
        return pfslib.open(self.store)

    def open_or_make(self, check: Callable[[], None]) -> Store:
        """The same; with --create, one that is missing is made.

        Args:
            check: Sees that what the store is made for can be; raises, and none is made.

        Raises:
            StoreNotFoundError: None is there, and --create was not given.
        """
        try:
            return self.open()
        except StoreNotFoundError:
            if not self.create:
                raise
        check()
        store = pfslib.open(self.store, create=True)
        click.echo(f"pfs: made the store {store.path}", err=True)
        return store

    def open_to_look(self) -> CommitSource:
        """The same store, to find and mount commits: opened in half the time.

        Raises:
            StoreNotFoundError: None is there.
        """
        from pfslib.api.commit_source import open_commits  # imports what reads a store

        tell_what_is_logged()
        return open_commits(self.store)


class Text(click.ParamType[str]):
    """Text that a store can keep: an argument whose bytes are not UTF-8 is refused."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """See click."""
        text = str(value)
        if not is_text(text):
            self.fail(f"{text!a} is not UTF-8", param, ctx)
        return text


TEXT = Text()


class HostPath(click.ParamType[str]):
    """A file or directory of this machine; an empty word is none, though `Path` says it is `.`."""

    name = "path"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """See click."""
        if value == "":
            self.fail("it is empty; '.' is this directory", param, ctx)
        return str(value)


HOST_PATH = HostPath()


def is_text(word: str) -> bool:
    """Whether a word of the command line was UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Formatter(click.HelpFormatter):
    """Help as wide as the terminal, also where that has fewer columns than click's least, 50."""

    def __init__(self, *, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(
            width=max(columns - 1, 20) if width is None and columns < _NARROW else width,
            max_width=max_width,
        )

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """See click."""
        if self.width < _NARROW - 2:
            col_max = self.width // 3
        super().write_dl(rows, col_max, col_spacing)


class Context(click.Context):
    """What click knows of a call."""

    formatter_class = _Formatter


class Command(click.Command):
    """A command that takes --store and --json after its name, too."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(*args, **{"context_settings": CONTEXT_SETTINGS, **kwargs})
        self.params += [_store_option(), _json_option()]


def runs_jobs(function: FunctionT) -> FunctionT:
    """Give a command the options of those that run jobs when they are done."""
    return runner_option(
        click.option(
            "--no-run",
            is_flag=True,
            expose_value=False,
            callback=_remember("no_run"),
            help="Leave the jobs that follow to `pfs run`.",
        )(function)
    )


def makes_commit(function: FunctionT) -> FunctionT:
    """Give a command the options of those that edit a commit, or make one for the edit."""
    commit_option = click.option(
        "-c",
        "--commit",
        is_flag=True,
        expose_value=False,
        callback=_remember("commit"),
        help="Make a commit of it on the branch, which is made when there is none.",
    )
    return commit_option(message_option(wait_option(runs_jobs(function))))


def creates(function: FunctionT) -> FunctionT:
    """Give a command that puts data the option --create."""
    return click.option(
        "--create",
        is_flag=True,
        expose_value=False,
        callback=_remember("create"),
        help="Make the store and the repo, too, if they are not there yet.",
    )(function)


def message_option(function: FunctionT) -> FunctionT:
    """Give a command the option --message."""
    return click.option(
        "-m",
        "--message",
        type=TEXT,
        expose_value=False,
        callback=_remember("message"),
        help="Why the commit is made.",
    )(function)


def wait_option(function: FunctionT) -> FunctionT:
    """Give a command the option --wait."""
    return click.option(
        "--wait",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        expose_value=False,
        callback=_remember("wait_s"),
        help="How long to wait for a branch that has an open commit; not at all, without.",
    )(function)


def runner_option(function: FunctionT) -> FunctionT:
    """Give a command the option --runner."""
    return click.option(
        "--runner",
        type=click.Choice(["auto", "local", "docker"]),
        default=lambda: find_setting("runner", os.environ).value,
        show_default="auto",
        envvar="PFS_RUNNER",
        show_envvar=True,
        expose_value=False,
        callback=_prepare_jobs,
        help="What runs jobs: Docker where the spec names an image and an engine answers (auto), "
        "the sandbox of this machine (local), or Docker.",
    )(function)


def _prepare_jobs(context: click.Context, _: click.Parameter, runner: str) -> None:
    """Look at all settings of jobs before anything is done: a commit cannot be taken back."""
    egress = find_setting("egress", os.environ).value
    if isinstance(context.obj, Session):
        context.obj.runner = runner
        context.obj.egress_to = Path(egress).expanduser() if egress else None


def words(metavar: str) -> Callable[[FunctionT], FunctionT]:
    """The arguments of a command that takes a place, in either grammar; see `places`."""
    return click.argument("words", nargs=-1, metavar=metavar)


Words = Sequence[str]


def _store_option() -> click.Option:
    return click.Option(
        ["--store"],
        type=HOST_PATH,
        metavar="DIR",
        expose_value=False,
        callback=_remember("store"),
        help=STORE_HELP,
    )


def _json_option() -> click.Option:
    return click.Option(
        ["--json", "--raw"],
        is_flag=True,
        expose_value=False,
        callback=_remember("as_json"),
        help=JSON_HELP,
    )


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Keep an option's value in the session; what is not given leaves it as it was."""

    def callback(context: click.Context, _: click.Parameter, value: Any) -> None:  # noqa: ANN401
        if value and isinstance(context.obj, Session):
            setattr(context.obj, name, value)

    return callback
