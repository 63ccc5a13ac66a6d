"""The seam check catches each way round a seam, and the repository has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.seams import RULES, Seam, check_source, check_tree, refused, stale

CAUGHT = [
    "import time",
    "import time as clock",
    "from time import monotonic",
    "from time import *",
    "def f():\n    import time",
    "from datetime import datetime\ndatetime.now()",
    "from datetime import datetime as d\nd.utcnow()",
    "import datetime\ndatetime.datetime.now(datetime.UTC)",
    "import datetime\ndatetime.date.today()",
    "import os\nos.urandom(8)",
    "from os import urandom",
    "import os as o\ntoken = o.getrandom",
    "import secrets",
    "import uuid",
    "import random\nrandom.random()",
    "import random\nrandom.seed(1)",
    "import random as r\nr.choice([1])",
    "from random import randrange",
    "import random\nrandom.Random()",
    "from random import Random\nRandom()",
    "import random\nrandom.SystemRandom(1)",
    "import socket",
    "import select",
    "import trio\ntrio.socket.socket()",
    "import trio\nasync def f():\n    await trio.open_tcp_stream('a', 1)",
    "import threading",
    "from threading import Lock",
    "import subprocess",
    "from concurrent.futures import ThreadPoolExecutor",
    "import concurrent.futures",
    "import trio\nasync def f():\n    await trio.to_thread.run_sync(print)",
    "from trio import to_thread",
    "from trio.to_thread import run_sync",
    "open('x')",
    "from pathlib import Path",
    "__import__('time')",
    "import importlib\nimportlib.import_module('socket')",
]

PASSED = [
    "import random\nrng = random.Random(7)",
    "from random import Random\ndef f(rng: Random) -> float:\n    return rng.random()",
    "import random\ndef f(rng: random.Random) -> int:\n    return rng.randrange(3)",
    "import trio\nasync def f():\n    await trio.sleep(trio.current_time())",
    "from datetime import timedelta\ntimedelta(seconds=1)",
    "import os\nos.fspath('x')",
    "class A:\n    def open(self): ...\nA().open()",
    "from . import time",
    "self = 1\ndef f(self):\n    return self.time.now()",
]


@pytest.mark.parametrize("source", CAUGHT)
def test_a_direct_use_is_caught(source):
    findings = check_source("actors/x.py", source, {})
    assert findings, source
    assert str(findings[0]).startswith("actors/x.py:")
    assert findings[0].instead in RULES.values()


@pytest.mark.parametrize("source", PASSED)
def test_what_goes_through_a_seam_passes(source):
    assert check_source("actors/x.py", source, {}) == []


def test_a_seam_may_use_what_it_names_and_nothing_else():
    seams = {"actors/seam.py": Seam(frozenset({"time"}), "the wall clock")}
    source = "import time\nimport socket\n"
    assert [f.name for f in check_source("actors/seam.py", source, seams)] == ["socket"]
    assert len(check_source("actors/other.py", source, seams)) == 2


def test_a_seam_that_no_longer_uses_what_it_names_is_reported():
    seam = Seam(frozenset({"time", "socket"}), "once")
    assert stale("actors/seam.py", "import time", seam) == ["socket"]


def test_the_nearest_rule_covers_a_dotted_name():
    assert refused("time.monotonic") == "time"
    assert refused("trio.to_thread.run_sync") == "trio.to_thread"
    assert refused("random.Random") is None
    assert refused("trio.sleep") is None


def test_the_code_under_simulation_uses_no_clock_randomness_network_or_thread_by_itself():
    assert check_tree(Path(__file__).resolve().parents[2]) == []
