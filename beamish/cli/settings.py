"""The settings of `beamish serve`, all of them in one table.

A setting has one name, from which everything follows: `max-connections` is `--max-connections N` on
the command line, `BEAMISH_MAX_CONNECTIONS` in the environment, `max-connections = N` in the file of
`--config`, and the field `max_connections` of `ServeOptions`. The table in docs/operating.md is
`markdown_table()`; a test holds the two together.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

ENVIRONMENT_PREFIX = "BEAMISH_"
ACTOR_KINDS = ("user", "conversation", "session")

F = TypeVar("F", bound=Callable[..., Any])


class OriginType(click.ParamType[str]):
    """An origin as browsers send it: scheme and host, a port perhaps, and nothing else."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        text = str(value)
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.path not in ("", "/") or parts.query or parts.fragment:
            self.fail(
                f"{text!r} is no origin: write https://chat.example, or with :PORT", param, ctx
            )
        return text


class NetworkType(click.ParamType[str]):
    """A network of trusted proxies in CIDR notation, or a single address."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        text = str(value)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            self.fail(f"{text!r} is no network: write 10.0.0.0/8 or an address", param, ctx)
        if network.prefixlen == 0:
            self.fail(f"{text} is everybody: name the proxies", param, ctx)
        return str(network)


class EndpointType(click.ParamType[str]):
    """An address to listen on with its port: HOST:PORT, IPv6 in brackets."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        text = str(value)
        try:
            parts = urlsplit(f"//{text}")
            good = bool(parts.hostname) and parts.port is not None and parts.netloc == text
        except ValueError:
            good = False
        if not good:
            self.fail(f"{text!r} is no address with a port: write 127.0.0.1:9090", param, ctx)
        return text


ORIGIN = OriginType()
ENDPOINT = EndpointType()
NETWORK = NetworkType()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `kind` judges its value, or each of them where there may be several.

    `example`: a value that is right, for error messages, where `default` is none. `reloadable`: a
    running node takes it over from its file on SIGHUP. `path`: it names a file or folder, in the
    configuration file relative to that file. `testing`: only of use to tests of Beamish.
    """

    name: str
    kind: click.ParamType[Any]
    help: str
    default: Any = None
    example: Any = None
    several: bool = False
    reloadable: bool = False
    testing: bool = False

    @property
    def field(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT_PREFIX + self.field.upper()

    @property
    def is_path(self) -> bool:
        """Whether it names a file or folder."""
        return isinstance(self.kind, click.Path)

    @property
    def right(self) -> str:
        """A line of a configuration file with a right value."""
        return f"{self.name} = {toml(self.default if self.example is None else self.example)}"


def toml(value: Any) -> str:
    """A setting's value as TOML; strings, numbers, booleans and arrays of them."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data",
        _FOLDER,
        "Directory for everything that the node keeps; made if it is missing.",
        Path("data"),
    ),
    Setting("host", click.STRING, "Address to listen on.", "127.0.0.1"),
    Setting("port", click.IntRange(0, 65535), "Port to listen on; 0: any free one.", 8080),
    Setting(
        "ready-file",
        _FILE,
        'Where to write {"pid", "http", "ws"} once connections are accepted.',
        example="/run/beamish/ready.json",
    ),
    Setting(
        "registration",
        click.Choice(["open", "closed"]),
        "Whether anybody may register; by default only on a loopback address.",
        example="closed",
        reloadable=True,
    ),
    Setting(
        "origin",
        ORIGIN,
        "Origin of the page behind a proxy, or of one elsewhere that may connect.",
        (),
        example=["https://chat.example"],
        several=True,
        reloadable=True,
    ),
    Setting(
        "max-connections",
        click.IntRange(1),
        "Connections open at once.",
        20_000,
        reloadable=True,
    ),
    Setting(
        "connections-per-address",
        click.IntRange(0),
        "Of these from one address (this machine's own are free); 0: any number.",
        64,
        reloadable=True,
    ),
    Setting(
        "tls-cert",
        _FILE,
        "PEM file of the certificate and its chain; with `tls-key` the node speaks TLS.",
        example="/etc/beamish/chat.pem",
        reloadable=True,
    ),
    Setting(
        "tls-key",
        _FILE,
        "PEM file of the certificate's private key, without a password.",
        example="/etc/beamish/chat.key",
        reloadable=True,
    ),
    Setting(
        "trusted-proxy",
        NETWORK,
        "Network (CIDR) of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
        (),
        example=["127.0.0.0/8"],
        several=True,
        reloadable=True,
    ),
    Setting(
        "admin",
        ENDPOINT,
        "Address and port for `/metrics` and `/status.json`; without it there are none.",
        example="127.0.0.1:9090",
    ),
    Setting(
        "admin-public",
        click.BOOL,
        "Whether `admin` may be an address that others reach: whoever does reads all of it.",
        False,
        example=True,
    ),
    Setting(
        "log-format",
        click.Choice(["text", "json"]),
        "How the log is written: lines of text, or a JSON object a line.",
        "text",
    ),
    Setting("inbox", click.IntRange(1), "Newest updates that each inbox keeps at least.", 10_000),
    Setting(
        "disk-reserve",
        click.IntRange(0),
        "MiB of free disk below which new messages are refused.",
        256,
    ),
    Setting(
        "user-rate",
        click.IntRange(1),
        "Commands a second of one user that change something; ten times that many at once.",
        50,
    ),
    Setting(
        "conversation-rate",
        click.IntRange(1),
        "The same for one conversation, whoever writes there; four times that many at once.",
        500,
    ),
    Setting(
        "overload-wait",
        click.IntRange(1),
        "Average wait of an actor for its turn, in ms, above which the node leaves things undone.",
        20,
    ),
    Setting("argon2-memory", click.IntRange(8), "Memory of a password hash in KiB.", 19 * 1024),
    Setting("argon2-time", click.IntRange(1), "Passes of a password hash.", 2),
    Setting(
        "inject-crashes",
        click.FloatRange(0, 1),
        "For fault tests: share of the marked places at which an actor crashes.",
        0.0,
        testing=True,
    ),
    Setting(
        "inject-into",
        click.Choice(ACTOR_KINDS),
        "For fault tests: the kinds of actor that crash; by default all.",
        ACTOR_KINDS,
        several=True,
        testing=True,
    ),
    Setting(
        "inject-seed",
        click.INT,
        "For fault tests: which of them crash.",
        0,
        testing=True,
    ),
    Setting(
        "inject-sync-delay",
        click.FloatRange(0),
        "For fault tests: ms by which each commit is late.",
        0.0,
        testing=True,
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}


def settings_options(command: F) -> F:
    """A click command with an option for each setting, and `--config`; see `options.asked`."""
    for setting in reversed(SETTINGS):
        names = [f"--{setting.name}"]
        if setting.kind is click.BOOL:
            names = [f"--{setting.name}/--no-{setting.name}"]
        command = click.option(
            *names,
            type=setting.kind,
            multiple=setting.several,
            default=setting.default,
            show_default=setting.default not in (None, (), False),
            help=setting.help,
        )(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar=f"{ENVIRONMENT_PREFIX}CONFIG",
        help="TOML file with settings; those given here or in the environment go before it.",
    )(command)


def shown(value: Any) -> str:
    """A value as the command line would be given it."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def markdown_table() -> str:
    """The settings as docs/operating.md shows them."""
    rows = ["| setting | default | reload | |", "|---|---|---|---|"]
    for setting in SETTINGS:
        if setting.testing:
            continue
        default = shown(setting.default) if setting.default not in (None, ()) else ""
        several = " Any number of times." if setting.several else ""
        rows.append(
            f"| `{setting.name}` | {f'`{default}`' if default else ''} |"
            f" {'yes' if setting.reloadable else ''} | {setting.help}{several} |"
        )
    return "\n".join(rows) + "\n"
