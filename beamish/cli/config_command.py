"""`beamish config check`: the settings that would hold, and where each of them comes from."""

from __future__ import annotations

import os

import click

from beamish.cli.configuration import DEFAULT, Effective, misspelt, values
from beamish.cli.options import ServeOptions, asked
from beamish.cli.settings import SETTINGS, Setting, settings_options, toml


@click.group()
def config() -> None:
    """Settings of `beamish serve`."""


@config.command()
@settings_options
@click.pass_context
def check(context: click.Context, /, **_given: object) -> None:
    """Print the effective settings and where each comes from; status 2 if something is wrong.

    The options are those of `beamish serve`. What is printed is a configuration file.
    """
    effective = asked(context).effective()
    options = ServeOptions(**values(effective))
    if options.registration is None:
        decided = "open" if options.registration_open else "closed"
        effective["registration"] = Effective(decided, f"default on {options.host}")
    shown = [one for one in SETTINGS if not one.testing or effective[one.name].source != DEFAULT]
    rows = [(_row(one, effective[one.name]), effective[one.name].source) for one in shown]
    width = max(len(row) for row, _ in rows)
    for row, source in rows:
        click.echo(f"{row:<{width}}  # {source}")
    for sentence in misspelt(os.environ):
        click.echo(f"Warning: {sentence}", err=True)


def _row(setting: Setting, effective: Effective) -> str:
    if effective.value is None:
        return f"# {setting.name} is not set"
    if setting.is_path:
        return f"{setting.name} = {toml(effective.value.absolute())}"
    return f"{setting.name} = {toml(effective.value)}"
