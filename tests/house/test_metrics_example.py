"""The example of an exporter prints what Prometheus reads."""

from __future__ import annotations

import os
import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from tests.house.programs import ROOT


def test_the_exporter_s_text_is_read_by_prometheus_own_parser():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "prometheus_metrics.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    text = out[out.index("# HELP") :]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    alive = families["actors_alive"]
    assert (alive.type, alive.samples[0].value) == ("gauge", 3)
    assert families["actors_spawned"].type == "counter"
    assert families["actors_of_class"].samples[0].labels["actor"] == "Greeter"
