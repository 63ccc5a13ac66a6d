"""The command `beamish`: serve a node, look at it, change it, replay logs against it.

Exit status: 0 well, 1 it did not work (one sentence on the error stream says why), 2 wrong usage;
`beamish replay` adds 3, no node could be reached, and 130, stopped by Ctrl-C. What a command needs
is imported when it runs.
"""

from __future__ import annotations

import click

from beamish.cli.backups import backup, restore
from beamish.cli.chat_command import chat
from beamish.cli.config_command import config
from beamish.cli.doctor import doctor
from beamish.cli.replay_command import replay
from beamish.cli.serve import serve
from beamish.cli.status import status
from beamish.cli.trace_command import trace
from beamish.cli.upgrade import upgrade
from beamish.cli.users import user


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="beamish")
def main() -> None:
    """Beamish: a messenger on supervised actors, made to be killed."""


main.add_command(serve)
main.add_command(chat)
main.add_command(config)
main.add_command(user)
main.add_command(status)
main.add_command(backup)
main.add_command(restore)
main.add_command(doctor)
main.add_command(trace)
main.add_command(replay)
main.add_command(upgrade)

__all__ = ["main"]
