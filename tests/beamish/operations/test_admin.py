"""The admin port of a whole node."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from beamish.gateway import GatewayConfig, open_gateway
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from beamish.operations.admin import open_admin
from beamish.operations.figures import Figures
from beamish.operations.metrics import ALARMS
from beamish.operations.monitor import Monitor
from beamish.operations.watched import Watched
from tests.beamish.gateway.conftest import read_all
from tests.beamish.gateway.test_hostile import connected, register, say
from tests.beamish.gateway.test_http import body, headers, request, status


class Admin:
    def __init__(self, watched, admin):
        self.watched = watched
        self.admin = admin
        self.ws_url = watched.gateway.ws_url

    async def get(self, path, method="GET", **fields):
        async with await trio.open_tcp_stream(*self.admin.address) as stream:
            await stream.send_all(request(f"{method} {path} HTTP/1.1", **fields))
            return await read_all(stream)

    async def samples(self):
        """Every sample, by its name and labels."""
        text = body(await self.get("/metrics")).decode()
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@asynccontextmanager
async def watched_node(folder):
    settings = MessengerSettings(argon2_memory_kib=8, argon2_time=1)
    config = NodeConfig(folder, settings=settings)
    async with open_node(config) as node, trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 0, node, GatewayConfig())
        watched = Watched(node, gateway, Monitor(node))
        nursery.start_soon(watched.monitor.run)
        figures = Figures(watched, folder, {"http": gateway.http_url})
        admin = await open_admin(nursery, ("127.0.0.1", 0), watched, figures)
        with trio.fail_after(60):
            yield Admin(watched, admin)
            await admin.close()
            await gateway.close()
        nursery.cancel_scope.cancel()


async def test_a_scrape_tells_what_happened_in_prometheus_own_format(tmp_path):
    async with watched_node(tmp_path) as node, connected(node.ws_url) as ws:
        await register(ws, "ada")
        sending = {"conversation": "d:ada:nobody", "tag": "t", "number": 1, "text": "x"}
        await say(ws, {"id": 5, "command": "send", **sending})
        while '"id":5' not in await ws.get_message():
            pass
        found = await node.samples()
        assert found["beamish_sessions",] == 1
        assert found["beamish_users_online",] == 1
        answers = {key: value for key, value in found.items() if ("command", "send") in key}
        assert found["beamish_commands_total", ("command", "register"), ("outcome", "ok")] == 1
        refusals = [
            value for (name, *_), value in found.items() if name == "beamish_refusals_total"
        ]
        assert sum(refusals) == 1
        assert answers["beamish_command_seconds_count", ("command", "send")] == 1
        journal = node.watched.node.journal.statistics()
        assert found["beamish_journal_commits_total",] == journal.commits > 0
        assert found["beamish_append_seconds_count",] == journal.appends
        assert found["beamish_journal_disk_free_bytes",] > 0
        assert found["beamish_actors", ("actor", "Session")] == 1
        assert found["beamish_mailbox_messages", ("actor", "User")] == 0
        assert found["process_open_fds",] > 0
        assert found["process_resident_memory_bytes",] > 1 << 20
        assert found["actors_alive",] >= 6
        assert found["beamish_overload_level",] == 0
        for alarm in ALARMS:
            assert found["beamish_alarm", ("alarm", alarm)] == 0


async def test_two_nodes_in_one_process_keep_their_metrics_apart(tmp_path):
    one, other = watched_node(tmp_path / "a"), watched_node(tmp_path / "b")
    async with one as first, other as second, connected(first.ws_url):
        assert (await first.samples())["beamish_sessions",] == 1
        assert (await second.samples())["beamish_sessions",] == 0


async def test_buckets_are_cumulated_up_to_the_count(tmp_path):
    async with watched_node(tmp_path) as node:
        took = node.watched.node.environment.traffic.appended
        took.buckets = [0] * len(took.buckets)
        took.count, took.sum = 0, 0.0
        for seconds in (0.0001, 0.003, 0.003, 99.0):
            took.add(seconds)
        found = await node.samples()
        name = "beamish_append_seconds"
        assert found[f"{name}_bucket", ("le", "0.001")] == 1
        assert found[f"{name}_bucket", ("le", "0.005")] == 3
        assert found[f"{name}_bucket", ("le", "10.0")] == 3
        assert found[f"{name}_bucket", ("le", "+Inf")] == found[f"{name}_count",] == 4


async def test_status_and_health_are_there_and_sessions_are_not(tmp_path):
    async with watched_node(tmp_path) as node:
        answer = await node.get("/status.json")
        assert (status(answer), headers(answer)[b"content-type"].strip()) == (
            200,
            b"application/json",
        )
        figures = json.loads(body(answer))
        assert figures["version"]
        assert figures["journal"]["commits"] >= 0
        assert figures["journal_bytes"] > 0
        assert status(await node.get("/health/ready")) == 200
        assert status(await node.get("/")) == 404
        node.watched.node.stop_accepting()
        assert status(await node.get("/health/ready")) == 503
        assert status(await node.get("/metrics")) == 200


async def test_the_public_port_has_no_metrics(tmp_path):
    async with watched_node(tmp_path) as node:
        public = Admin(node.watched, node.watched.gateway)
        assert status(await public.get("/metrics")) == 404
        assert status(await public.get("/status.json")) == 404


async def test_a_page_of_a_stranger_cannot_read_it_by_a_name_that_leads_here(tmp_path):
    async with watched_node(tmp_path) as node:
        assert status(await node.get("/metrics", Host="evil.example")) == 421


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_nothing_can_be_changed_there(tmp_path, method):
    async with watched_node(tmp_path) as node:
        assert status(await node.get("/metrics", method)) == 405
