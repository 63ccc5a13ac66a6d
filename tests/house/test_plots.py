"""The plots of the page of figures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from bench.document import PEERS
from bench.plots import PLOTS, draw
from bench.sizes import MESSAGE, SIZES, TRAFFIC


def series(*samples):
    return {"value": sorted(samples)[len(samples) // 2], "samples": list(samples)}


def document(peers):
    names = [pattern.format(size) for pattern in (TRAFFIC, MESSAGE) for size in SIZES]
    return {
        "figures": {name: series(1.0, 2.0, 3.0) for name in names},
        "peers": {name: {peer: series(4.0) for peer in peers} for name in names},
    }


def texts(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def test_each_plot_is_an_svg_that_draws_a_curve_for_ours_and_each_peer(tmp_path):
    for peers in ((), ("OTP",)):
        drawn = draw(document(peers), tmp_path)
        assert [file.name for file in drawn] == [plot[0] for plot in PLOTS]
        for file in drawn:
            assert ET.parse(file).getroot().tag.endswith("svg")
            legend = texts(file)
            assert "Beamish" in legend
            assert ("OTP" in legend) == bool(peers)


def test_the_same_figures_give_the_same_file(tmp_path):
    first = [texts(file) for file in draw(document(("OTP",)), tmp_path / "a")]
    again = [texts(file) for file in draw(document(("OTP",)), tmp_path / "b")]
    assert first == again


def test_the_page_shows_every_plot():
    assert all(f"](images/{plot[0]})" in PEERS["curves"] for plot in PLOTS)
