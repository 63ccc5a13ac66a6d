"""Where the settings of a node come from, and which of them holds.

Four sources, the first that names a setting decides: the command line, the environment, the file of
`--config`, the default. Several values (`origin`) are not joined: one source gives all of them.

    effective = resolve(given, os.environ, Path("beamish.toml"))  # given: by the command line
    effective["port"]  # Effective(9000, "beamish.toml, line 3")

The file is flat TOML, a line a setting, under the names of the command line. All that is wrong with
it and with the environment is told at once (`ConfigError`), each as a sentence that names the file,
the key, the line where it can be told, and what to write instead.

The standard library's `tomllib` reads the file, and the same click types judge the values of all
three sources, so that they cannot differ in what they accept. A settings library (pydantic-settings
was looked at) would have added a second set of types and four packages, and tells neither lines nor
what to write instead.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from beamish.cli.settings import BY_NAME, ENVIRONMENT_PREFIX, SETTINGS, Setting, toml

COMMAND_LINE = "command line"
DEFAULT = "default"
LARGEST_FILE = 1 << 20


class ConfigError(click.ClickException):
    """What is wrong with the configuration, a sentence a line."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def show(self, file: Any = None) -> None:
        """One line for each problem."""
        for problem in self.problems:
            click.echo(f"Error: {problem}", err=True, file=file)


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting's value, and which source gave it."""

    value: Any
    source: str


def resolve(
    given: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> dict[str, Effective]:
    """The value of every setting, by name.

    Args:
        given: what the command line says, by field.
        environment: the process's.
        file: the configuration file, if there is one.

    Raises:
        ConfigError: the file cannot be read, or it or the environment holds something wrong.
    """
    problems: list[str] = []
    effective = {one.name: Effective(one.default, DEFAULT) for one in SETTINGS}
    if file is not None:
        effective |= _from_file(file, problems)
    effective |= _from_environment(environment, problems)
    for setting in SETTINGS:
        if setting.field in given:
            effective[setting.name] = Effective(given[setting.field], COMMAND_LINE)
    if problems:
        raise ConfigError(problems)
    return effective


def values(effective: Mapping[str, Effective]) -> dict[str, Any]:
    """The values alone, by field."""
    return {BY_NAME[name].field: one.value for name, one in effective.items()}


def misspelt(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for every variable that looks like a setting's and is none."""
    variables = [setting.variable for setting in SETTINGS] + [f"{ENVIRONMENT_PREFIX}CONFIG"]
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in variables:
            continue
        if near := difflib.get_close_matches(name, variables, 1, 0.9):
            yield f"{name} in the environment is no setting: did you mean {near[0]}?"


# -- the environment -------------------------------------------------------------------------------


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, Effective]:
    found = {}
    for setting in SETTINGS:
        text = environment.get(setting.variable)
        if text is None or text == "":
            continue
        try:
            value = _each(setting, text.split() if setting.several else text)
        except click.BadParameter as wrong:
            problems.append(f"{setting.variable} in the environment: {_sentence(wrong, setting)}")
        else:
            found[setting.name] = Effective(value, f"{setting.variable} in the environment")
    return found


# -- the file --------------------------------------------------------------------------------------


def _from_file(file: Path, problems: list[str]) -> dict[str, Effective]:
    try:
        text = _read(file)
        content = tomllib.loads(text)
    except ConfigError as wrong:
        problems += wrong.problems
        return {}
    except tomllib.TOMLDecodeError as wrong:
        problems.append(f"{file} is no TOML: {wrong}. A line looks like {BY_NAME['port'].right}")
        return {}
    found = {}
    for key, raw in content.items():
        at = f"{file}{_line_of(key, text)}"
        try:
            found[key] = Effective(_value(key, raw, file.parent), at)
        except click.BadParameter as wrong:
            problems.append(f"{at}: {_sentence(wrong, BY_NAME.get(key))}")
    return found


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            [f"{file} cannot be read: {reason}. Name a file of settings with --config."]
        ) from error
    if len(content) > LARGEST_FILE:
        raise ConfigError([f"{file} has more than 1 MiB: it is no file of settings."])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file} is no UTF-8 text: save it as such."]) from error


def _line_of(key: str, text: str) -> str:
    """Where `key` stands, if only one line looks like it."""
    pattern = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*[=.]|\s*\[+\s*{re.escape(key)}\s*\]""")
    lines = [number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line)]
    return f", line {lines[0]}" if len(lines) == 1 else ""


def _value(key: str, raw: Any, folder: Path) -> Any:
    """The value of a line; raises click.BadParameter."""
    setting = BY_NAME.get(key)
    if setting is None:
        raise click.BadParameter(_unknown(key))
    parts = raw if setting.several else [raw]
    if not isinstance(parts, list) or not all(_fits(setting, part) for part in parts):
        given = toml(raw) if isinstance(raw, (str, bool, int, float)) else f"a {_word(raw)}"
        raise click.BadParameter(f"{key} is {given}, which is not {_wanted(setting)}")
    if setting.is_path:
        return _each(setting, str(folder / raw))
    return _each(setting, raw)


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key.replace("_", "-").lower(), BY_NAME, 1)
    if near:
        return f"{key} is no setting: did you mean {near[0]}"
    return f"{key} is no setting: `beamish serve --help` lists them"


def _each(setting: Setting, raw: Any) -> Any:
    """Judge a value, or each of several."""
    if setting.several:
        return tuple(setting.kind.convert(part, None, None) for part in raw)
    return setting.kind.convert(raw, None, None)


def _fits(setting: Setting, raw: Any) -> bool:
    """Whether a value of TOML has the right type; click's types convert more than they should."""
    if setting.kind is click.BOOL:
        return isinstance(raw, bool)
    if isinstance(setting.kind, click.types.FloatParamType):
        return isinstance(raw, (int, float)) and not isinstance(raw, bool)
    if isinstance(setting.kind, click.types.IntParamType):
        return isinstance(raw, int) and not isinstance(raw, bool)
    return isinstance(raw, str)


def _wanted(setting: Setting) -> str:
    if setting.several:
        return "an array of strings"
    if setting.kind is click.BOOL:
        return "true or false"
    if isinstance(setting.kind, click.types.FloatParamType):
        return "a number"
    if isinstance(setting.kind, click.types.IntParamType):
        return "a whole number"
    return "a string"


def _word(raw: Any) -> str:
    return {"list": "list", "dict": "table"}.get(type(raw).__name__, type(raw).__name__)


def _sentence(wrong: click.BadParameter, setting: Setting | None) -> str:
    said = wrong.message.rstrip(".")
    if setting is None:
        return f"{said}{'?' if 'did you mean' in said else '.'}"
    said = said if said.startswith(setting.name) else f"{setting.name}: {said}"
    return f"{said}. Write for example {setting.right}"
