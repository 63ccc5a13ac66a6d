"""The runtime's figures, their peers and their bars.

`runtime_programs` says what is measured of casts, calls, starts and memory, `runtime_failures` of
crashes and stops, `runtime_scale` of many messages and actors. The peers: what one would write on
bare trio (`runtime_peers`), Erlang/OTP with one scheduler (`otp`), pykka (`pykka_peer`),
and triotp (`triotp`).
"""

from __future__ import annotations

from bench import runtime_failures, runtime_scale
from bench.harness import Bar, Comparison, Figure, Run
from bench.peers import OTP, PYKKA, TRIOTP

PEER = "bench.runtime_peers"
CASTS = Run(
    "casts",
    "bench.runtime_programs:casts",
    (Figure("casts_per_s", "1/s", "higher", "casts, counted when handled"),),
    full={"count": 1_000_000},
    quick={"count": 20_000},
    peers={
        "trio channel": f"{PEER}:casts",
        OTP: "bench.otp:casts",
        PYKKA: "bench.pykka_peer:casts",
        TRIOTP: "bench.triotp:casts",
    },
    peer_full={PYKKA: {"count": 200_000}, TRIOTP: {"count": 20_000}},
    comparisons=(
        Comparison("cast_vs_otp", "casts_per_s", OTP, Bar(">=", 0.4), "rate / gen_server:cast"),
        Comparison("cast_vs_pykka", "casts_per_s", PYKKA, Bar(">=", 10), "rate / pykka's tell"),
        Comparison("cast_vs_triotp", "casts_per_s", TRIOTP, Bar(">=", 10), "rate / triotp's cast"),
    ),
)
CALLS = Run(
    "calls",
    "bench.runtime_programs:calls",
    (Figure("calls_per_s", "1/s", "higher", "calls with a deadline to an idle actor"),),
    full={"count": 300_000},
    quick={"count": 5_000},
    peers={
        "trio channel": f"{PEER}:calls",
        OTP: "bench.otp:calls",
        PYKKA: "bench.pykka_peer:calls",
        TRIOTP: "bench.triotp:calls",
    },
    peer_full={PYKKA: {"count": 30_000}, TRIOTP: {"count": 10_000}},
    comparisons=(
        Comparison("call_vs_otp", "calls_per_s", OTP, Bar(">=", 1.5), "rate / gen_server:call"),
        Comparison("call_vs_pykka", "calls_per_s", PYKKA, Bar(">=", 10), "rate / pykka's ask"),
        Comparison("call_vs_triotp", "calls_per_s", TRIOTP, Bar(">=", 10), "rate / triotp's call"),
    ),
)
ASYNC_CALLS = Run(
    "async calls",
    "bench.runtime_programs:async_calls",
    (Figure("async_calls_per_s", "1/s", "higher", "the same, an async def that does not wait"),),
    full={"count": 300_000},
    quick={"count": 5_000},
    peers={OTP: "bench.otp:calls"},
    comparisons=(
        Comparison(
            "call_async_vs_otp", "async_calls_per_s", OTP, Bar(">=", 1), "rate / gen_server:call"
        ),
    ),
)
SHARED_CALLS = Run(
    "shared calls",
    "bench.runtime_programs:shared_calls",
    (Figure("shared_calls_per_s", "1/s", "higher", "calls of one actor by 100 at once"),),
    full={"count": 300_000},
    quick={"count": 5_000},
    peers={OTP: "bench.otp:shared_calls"},
    comparisons=(
        Comparison(
            "call_shared_vs_otp", "shared_calls_per_s", OTP, Bar(">=", 0.6), "rate / the same there"
        ),
    ),
)
STARTS = Run(
    "starts",
    "bench.runtime_programs:starts",
    (Figure("starts_per_s", "1/s", "higher", "supervised starts, init has run"),),
    full={"count": 30_000},
    quick={"count": 1_000},
    peers={"trio nursery": f"{PEER}:starts"},
)
TEMPLATE_STARTS = Run(
    "template starts",
    "bench.runtime_programs:template_starts",
    (Figure("template_starts_per_s", "1/s", "higher", "the same, one child spec for all"),),
    full={"count": 30_000},
    quick={"count": 1_000},
    peers={OTP: "bench.otp:starts"},
    comparisons=(
        Comparison(
            "start_vs_otp",
            "template_starts_per_s",
            OTP,
            Bar(">=", 1),
            "rate / supervisor:start_child",
        ),
    ),
)
MEMORY_ABOUT = "RSS growth by an idle supervised actor that handled a message"
MEMORY = Run(
    "memory",
    "bench.runtime_programs:memory",
    (Figure("bytes_per_actor", "bytes", "lower", MEMORY_ABOUT),),
    full={"actors": 100_000},
    quick={"actors": 5_000},
    peers={"trio task": f"{PEER}:memory", OTP: "bench.otp:memory"},
    comparisons=(
        Comparison(
            "memory_vs_otp", "bytes_per_actor", OTP, Bar("<=", 0.35), "bytes / of a gen_server"
        ),
    ),
    rounds=3,
)
RUNS = (
    *(CASTS, CALLS, ASYNC_CALLS, SHARED_CALLS, STARTS, TEMPLATE_STARTS, MEMORY),
    *runtime_failures.RUNS,
    *runtime_scale.RUNS,
)
