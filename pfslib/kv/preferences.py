"""What holds when no argument says it: the environment, then the user's file, then a default.

The file is `pfs/config.toml` in the folder that XDG_CONFIG_HOME names, else in `~/.config`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pfslib.model.errors import InvalidInputError, near_miss

_HINT: Final = "`pfs config list` lists the settings"


class Setting(NamedTuple):
    """Something that can be set for good."""

    name: str
    """In the file."""

    variable: str
    """In the environment."""

    default: str
    meaning: str
    choices: tuple[str, ...] = ()
    """All that it may be; empty for the path of a directory."""


SETTINGS: Final = {
    setting.name: setting
    for setting in (
        Setting("store", "PFS_STORE", "", "the store, where no .pfs is upwards"),
        Setting("runner", "PFS_RUNNER", "auto", "what runs jobs", ("auto", "local", "docker")),
        Setting("egress", "PFS_EGRESS", "", "below which directory outputs may be copied"),
        Setting("color", "PFS_COLOR", "auto", "whether to colour", ("auto", "always", "never")),
    )
}


class Value(NamedTuple):
    """What a setting is, and who says so."""

    setting: Setting
    value: str
    origin: str
    """A variable of the environment, the path of the file, or ``default``."""


def find_setting(name: str, environ: Mapping[str, str]) -> Value:
    """What a setting is. Cost: nothing is read when the environment says it.

    Raises:
        InvalidInputError: There is none of that name, or it has a value that it cannot have.
    """
    setting = known_setting(name)
    if found := environ.get(setting.variable):
        return Value(setting, check_value(setting, found, setting.variable), setting.variable)
    file = config_file(environ)
    if found := read_config(file).get(name):
        return Value(setting, check_value(setting, found, str(file)), str(file))
    return Value(setting, setting.default, "default")


def known_setting(name: str) -> Setting:
    """A setting by name.

    Raises:
        InvalidInputError: There is none.
    """
    if name not in SETTINGS:
        raise InvalidInputError(
            f"there is no setting {name!r}", hint=near_miss(name, SETTINGS) or _HINT
        )
    return SETTINGS[name]


def check_value(setting: Setting, value: str, origin: str) -> str:
    """The value as it is to be used.

    Raises:
        InvalidInputError: The setting cannot have it.
    """
    if setting.choices and value not in setting.choices:
        raise InvalidInputError(
            f"{origin}: {setting.name} cannot be {value!r}",
            hint=f"it is one of {', '.join(setting.choices)}",
        )
    return value


def config_file(environ: Mapping[str, str]) -> Path:
    """Where the user's file is, or would be."""
    home = environ.get("XDG_CONFIG_HOME", "")  # which is to be ignored if it is relative
    folder = Path(home) if home.startswith("/") else _home(environ) / ".config"
    return folder / "pfs/config.toml"


def _home(environ: Mapping[str, str]) -> Path:
    """The user's home; never below the working directory, though HOME be empty or relative."""
    if (home := environ.get("HOME", "")).startswith("/"):
        return Path(home)
    import pwd  # most people have HOME

    try:
        return Path("/", pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # as in a container that runs as some number
        return Path("/")


def read_config(file: Path) -> dict[str, str]:
    """What the file says; nothing if there is none, or it is somebody else's, as after `sudo -u`.

    Raises:
        InvalidInputError: It is no TOML, or says something that is no setting.
    """
    try:
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be read: {error.strerror}") from error
    return parse_config(text, file)


def parse_config(data: bytes, file: Path) -> dict[str, str]:
    """What the text of a file says.

    Raises:
        InvalidInputError: It is no TOML, or says something that is no setting.
    """
    import tomllib  # most people have no such file

    try:
        said = tomllib.loads(data.decode())
    except ValueError as error:
        raise InvalidInputError(f"{file} is no TOML: {error}", hint="mend or remove it") from error
    for name, value in said.items():
        if name not in SETTINGS:
            hint = near_miss(name, SETTINGS) or _HINT
            raise InvalidInputError(f"{file}: there is no setting {name!r}", hint=hint)
        if not isinstance(value, str):
            raise InvalidInputError(f"{file}: {name} is not text", hint='write it in "quotes"')
        _check_path(SETTINGS[name], value, file)
    return said


def _check_path(setting: Setting, value: str, file: Path) -> None:
    if not setting.choices and value and not value.startswith(("/", "~")):
        raise InvalidInputError(
            f"{file}: {setting.name} is the relative path {value!r}",
            hint="a file that holds everywhere needs a path from / or ~",
        )
