"""`beamish trace USER`: what that user's sessions receive and send, live, for a while."""

from __future__ import annotations

import datetime as dt
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from beamish.cli.users import DATA_OPTION

LONGEST_S = 3_600.0
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")


class Span(click.ParamType[float]):
    """A time such as 60s, 5m or 1h, in seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        if isinstance(value, float):
            return value
        found = _SPAN.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no time: write 60s, 5m or 1h", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2] or ""]
        if not 0 < seconds <= LONGEST_S:
            self.fail(f"{value!r} is out of range: more than nothing, at most 1h", param, ctx)
        return seconds


@click.command()
@click.argument("user")
@DATA_OPTION
@click.option("--for", "seconds", type=Span(), default="60s", show_default=True, help="How long.")
@click.option("--texts", is_flag=True, help="Also what the user and others have written, cut.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def trace(user: str, data: Path, seconds: float, texts: bool, as_json: bool) -> None:
    """Show what the sessions of USER receive and send, until the time is over or Ctrl-C.

    Commands and events by name, with id, size in bytes and the code of a refusal. Passwords and
    tokens are never shown.
    """
    import trio

    from beamish.cli.control import ControlError, follow

    def tell(told: dict[str, Any]) -> None:
        click.echo(json.dumps(told) if as_json else line_of(told))

    async def run() -> dict[str, Any]:
        return await follow(data, "trace", tell, user=user, seconds=seconds, texts=texts)

    try:
        with suppress(KeyboardInterrupt):
            done = trio.run(run)
            if done["left_out"]:
                click.echo(f"{done['left_out']} more were not shown: they came too fast.", err=True)
    except ControlError as error:
        raise click.ClickException(str(error)) from error


def line_of(told: dict[str, Any]) -> str:
    """What a trace tells, for people."""
    if "sessions" in told:
        return f"Traced are {told['sessions']} sessions, and those that come."
    at = dt.datetime.fromtimestamp(told["at"] / 1_000).astimezone()
    arrow = {"in": ">", "out": "<"}.get(told["way"])
    start = f"{at:%H:%M:%S}.{told['at'] % 1_000:03d} #{told['session']}"
    if arrow is None:
        return f"{start} {told['name']} {told['way']}"
    parts = [f"{start} {arrow} {told['name']}"]
    if told.get("id") is not None:
        parts.append(f"id {told['id']}")
    parts.append(f"{told['bytes']:,} bytes")
    if "refusal" in told:
        parts.append(f"refused: {told['refusal']}")
    parts += [json.dumps(text, ensure_ascii=False) for text in told.get("texts", ())]
    return ", ".join(parts)
