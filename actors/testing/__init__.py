"""The testing kit: probes, virtual time, faults, a leak check.

    async def test_a_room_tells_its_members():
        async with open_test_system() as system:
            probe = await open_probe(system)
            room = await system.spawn(Room)
            async with leak_check(system):
                room.cast(Join(probe.ref))
                await probe.expect(Joined)
                crash(room, ValueError("on purpose"))
                await probe.expect_down(room, reason=ValueError)

Everything here works in any trio code, with and without pytest-trio, on a real and on a virtual
clock; `run_virtual` is the way in for tests without pytest-trio. A failed expectation is an
`ExpectationFailed`, an AssertionError whose text says what came instead. For pytest there are ready
fixtures in `actors.testing.fixtures`, to be imported by who wants them.

The kit is for tests: nothing of the runtime imports it, and what it does to an actor it does by
swapping the actor's behaviour, which costs other actors nothing.
"""

from actors.testing.faults import Fault, crash, delay, drop, fail_nth
from actors.testing.leaks import LeakError, leak_check
from actors.testing.matching import ExpectationFailed
from actors.testing.probe import Probe, open_probe
from actors.testing.time import advance, open_test_system, run_virtual, virtual_clock

__all__ = [
    "ExpectationFailed",
    "Fault",
    "LeakError",
    "Probe",
    "advance",
    "crash",
    "delay",
    "drop",
    "fail_nth",
    "leak_check",
    "open_probe",
    "open_test_system",
    "run_virtual",
    "virtual_clock",
]
