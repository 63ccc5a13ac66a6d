"""`beamish chat`: the messenger in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

TRIES = 3


@click.command()
@click.argument("node", default="ws://127.0.0.1:8080/ws", envvar="BEAMISH_NODE")
@click.option("--user", help="Who you are; asked for if it is left out.")
@click.option("--register", is_flag=True, help="Make the account; harmless if there is one.")
@click.option("--display", help="With --register: the name that others see.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file that is this device; by default one for each user and node in"
    " ~/.local/share/beamish.",
)
def chat(
    node: str, user: str | None, register: bool, display: str | None, file: Path | None
) -> None:
    """Chat on NODE, whose address is ws://HOST:PORT/ws or just HOST:PORT.

    The password is asked for once: from then on the file is logged in, and the chat starts without
    a node, too. /help tells what there is; Ctrl-C or /quit ends.
    """
    from beamish.chat import chat as run_chat
    from beamish.chat import default_file, known_user, node_url
    from beamish.client import ClientError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException("beamish chat needs a terminal: run it in one")
    try:
        url = node_url(node)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NODE") from None
    try:
        if user is None:
            user = (known_user(file) if file is not None else None) or click.prompt("User")
        file = file or default_file(url, user)
        if known_user(file) is None:
            _sign_in(url, user, file, register=register, display=display)
        ended = run_chat(url, user, file)
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    if ended is not None:
        raise click.ClickException(f"{ended}\nStart again to log in.")


def _sign_in(url: str, user: str, file: Path, *, register: bool, display: str | None) -> None:
    from beamish.chat import sign_in
    from beamish.client import AuthenticationFailed

    for attempt in range(1, TRIES + 1):
        password = click.prompt("Password", hide_input=True, confirmation_prompt=register)
        try:
            sign_in(url, user, password, file, register=register, display=display)
        except AuthenticationFailed:
            if attempt == TRIES:
                raise
            click.echo("That is not the password, or there is no such user (--register makes one).")
        else:
            return
