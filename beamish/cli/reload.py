"""SIGHUP: the settings are read again, and what can change while the node runs is taken over.

All or none: where anything is wrong (the file, the certificate), one log line a fault says so and
everything stays as it is. A setting that only a start takes over is named in the log when it has
changed. What holds for connections holds for those that come from then on: open ones keep their
certificate, and stay where a bound was lowered below them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beamish.cli.configuration import ConfigError
from beamish.cli.files import connections_room, file_limit
from beamish.cli.settings import SETTINGS
from beamish.gateway import TlsError

if TYPE_CHECKING:
    from beamish.cli.options import Asked, ServeOptions
    from beamish.gateway import Gateway
    from beamish.node import Node

logger = logging.getLogger("beamish")


class Reload:
    """Takes over changed settings into a running node; `options` are those that hold."""

    def __init__(self, asked: Asked, options: ServeOptions, gateway: Gateway, node: Node) -> None:
        self.options = options
        self._asked = asked
        self._gateway = gateway
        self._node = node

    def now(self) -> None:
        """Read the settings and take over what has changed, or say in the log what is wrong."""
        wanted = self._attempt()
        if isinstance(wanted, list):
            for problem in wanted:
                logger.error("SIGHUP: nothing is changed: %s", problem)
        else:
            self._take_over(wanted)

    def _attempt(self) -> ServeOptions | list[str]:
        """The new settings, taken over by the gateway; or what is wrong with them."""
        try:
            wanted = self._asked.options()
            changes = reloadable(wanted)
        except ConfigError as wrong:
            return wrong.problems
        except TlsError as wrong:
            return [str(wrong)]
        if (self.options.tls_cert is None) != (wanted.tls_cert is None):
            return ["TLS begins and ends with a start of the node: restart it."]
        self._gateway.reconfigure(**changes)
        return wanted

    def _take_over(self, wanted: ServeOptions) -> None:
        self._node.open_registration(open_to_all=wanted.registration_open)
        now: dict[str, Any] = {}
        taken = []
        for setting in SETTINGS:
            old, new = getattr(self.options, setting.field), getattr(wanted, setting.field)
            if old == new:
                continue
            if setting.reloadable:
                now[setting.field] = new
                taken.append(setting.name)
            else:
                logger.warning("SIGHUP: %s has changed: restart the node for it", setting.name)
        self.options = replace(self.options, **now)
        if wanted.tls_cert is not None:
            taken.append("the certificate")
        logger.info("SIGHUP: took over %s", ", ".join(taken) or "nothing: nothing has changed")


def reloadable(options: ServeOptions) -> dict[str, Any]:
    """What the gateway takes over, as `GatewayConfig` has it; raises TlsError."""
    most = min(options.max_connections, connections_room(file_limit()))
    return {
        "tls": options.tls(),
        "allowed_origins": options.origin,
        "trusted_proxies": options.trusted_proxy,
        "max_connections": most,
        "max_per_address": options.connections_per_address or most,
    }
