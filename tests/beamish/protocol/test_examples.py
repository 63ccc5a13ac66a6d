"""The worked examples of `docs/protocol.md`, played against a running node in both encodings.

Section 14 of that page says how they are read; this file does what it says.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, connect_websocket_url

from beamish.gateway import GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from beamish.protocol import (
    COMMANDS,
    JSON,
    MSGPACK,
    RETRYABLE,
    CloseCode,
    ErrorCode,
    Limits,
    codecs,
)

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```json exchange\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"(?P<who>\w+)(?P<what>[<>]| x) ?(?P<rest>.*)")


def lines():
    """The story: (line number, who, what, rest)."""
    for block in BLOCK.finditer(PAGE):
        first = PAGE[: block.start(1)].count("\n") + 1
        for offset, line in enumerate(block[1].splitlines()):
            parsed = LINE.fullmatch(line)
            assert parsed is not None, f"line {first + offset} is no line of an exchange: {line}"
            yield first + offset, parsed["who"], parsed["what"].strip(), parsed["rest"]


def is_variable(value):
    return isinstance(value, str) and value.startswith("$")


def match(shown, got, known):
    """`known` with what `shown` names in `got`; None when they differ."""
    if is_variable(shown):
        if shown in known:
            return known if known[shown] == got else None
        return {**known, shown: got}
    if isinstance(shown, dict):
        if not isinstance(got, dict) or not shown.keys() <= got.keys():
            return None
        return match([shown[key] for key in shown], [got[key] for key in shown], known)
    if isinstance(shown, list):
        if not isinstance(got, list) or len(shown) != len(got):
            return None
        for one, other in zip(shown, got, strict=True):
            known = match(one, other, known)
            if known is None:
                return None
        return known
    return known if type(shown) is type(got) and shown == got else None


def fill(shown, known):
    """What a client sends, its variables replaced."""
    if is_variable(shown):
        return known[shown]
    if isinstance(shown, dict):
        return {key: fill(value, known) for key, value in shown.items()}
    if isinstance(shown, list):
        return [fill(value, known) for value in shown]
    return shown


def exploded(items):
    """`updates` events split into one for each of their items."""
    for item in items:
        if item.get("event") == "updates":
            for inner in item["items"]:
                yield {**item, "items": [inner]}
        else:
            yield item


class Player:
    """One connection of the story."""

    def __init__(self, ws, codec):
        self.ws = ws
        self.codec = codec
        self.heard = []

    async def expect(self, shown, known):
        """Hear until every shown item has come; `known` grows."""
        missing = list(exploded(shown))
        while True:
            missing, known = self._strike(missing, known)
            if not missing:
                return known
            frame = await self.ws.get_message()
            self.heard += exploded(self.codec.decode(frame))

    def _strike(self, missing, known):
        left = []
        for shown in missing:
            for got in self.heard:
                found = match(shown, got, known)
                if found is not None:
                    known = found
                    self.heard.remove(got)
                    break
            else:
                left.append(shown)
        return left, known

    async def closed_with(self):
        while True:
            try:
                await self.ws.get_message()
            except ConnectionClosed as closed:
                return closed.reason.code


async def play(nursery, url, codec):
    """Play the whole story; how many connections it had."""
    players = {}
    try:
        await tell(nursery, url, codec, players)
    finally:
        with trio.CancelScope(shield=True):
            for player in players.values():
                with trio.move_on_after(1):
                    await player.ws.aclose()
                await trio.aclose_forcefully(player.ws._stream)
    return len(players)


async def tell(nursery, url, codec, players):
    """The story, line by line; a failure names the line."""
    known = {}
    for number, who, what, rest in lines():
        where = f"docs/protocol.md line {number} ({who}{what} {rest[:60]})"
        if what == ">" and who not in players:
            ws = await connect_websocket_url(nursery, url, subprotocols=[codec.subprotocol])
            players[who] = Player(ws, codec)
        player = players[who]
        with trio.move_on_after(10) as patience:
            if what == ">":
                sent = fill(json.loads(rest), known)
                await player.ws.send_message(codec.to_wire(codec.encode(sent)))
            elif what == "<":
                known = await player.expect(json.loads(rest), known)
            elif rest:
                assert await player.closed_with() == int(rest), where
            else:
                await player.ws.aclose()
        assert not patience.cancelled_caught, f"{where}: not heard, but {player.heard}"


@pytest.mark.parametrize("name", sorted(codecs()))
async def test_the_worked_examples_are_what_a_node_does(name, tmp_path):
    config = NodeConfig(tmp_path, settings=MessengerSettings(registration_open=True))
    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node, GatewayConfig())
        with trio.fail_after(60):
            assert await play(nursery, gateway.ws_url, codecs()[name]) >= 4
        await gateway.close()
        nursery.cancel_scope.cancel()


def test_the_msgpack_examples_are_the_bytes_of_the_values_beside_them():
    pairs = re.findall(r"`(\[\{[^`]*\])`(?: is)?:?\n\n```msgpack\n([0-9a-f \n]*)```", PAGE)
    assert len(pairs) == 2
    for value, encoded in pairs:
        assert MSGPACK.encode(JSON.decode(value)) == bytes.fromhex(encoded)


def section(number):
    """The text of one numbered section."""
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def test_every_error_code_is_documented_with_its_retryability():
    rows = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", section(11), re.MULTILINE))
    assert rows == {code.value: "yes" if RETRYABLE[code] else "no" for code in ErrorCode}


def test_every_close_code_is_documented():
    rows = re.findall(r"^\| (\d{4}) \|", section(12), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(CloseCode)


def test_every_limit_is_documented_with_its_default():
    documented = {}
    for names, values in re.findall(r"^\| (`.*?) \| ([\d, ]+) \|", section(13), re.MULTILINE):
        numbers = [int(value.replace(",", "")) for value in values.split(", ")]
        documented |= dict(zip(re.findall(r"`(\w+)`", names), numbers, strict=True))
    assert documented == Limits().as_map()


def test_every_command_is_documented_and_played():
    played = set(re.findall(r'"command":"(\w+)"', "".join(BLOCK.findall(PAGE))))
    for name in COMMANDS:
        assert re.search(rf"^### {name}$|^\| `{name}` \|", PAGE, re.MULTILINE), name
        assert name in played | {"login"}, f"{name} is in no worked example"
