"""The beam monitor counts light that did not reach the experiment shutter yet."""

import asyncio
import math

import pytest

from xsn_acq.config import load_beamline
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.monitor import COUNTS_PER_S, BeamMonitor
from xsn_acq.sim.ioc.world import World
from xsn_acq.sim.source import beam
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STEADY = Truth(flux_drift=0.0)
SPEED = 100.0


def light(world):
    return lambda time_s: beam(BEAMLINE, STEADY, world.state(time_s, time_s))


def counted(prepare=lambda world, now: None, *, preset_s=0.1, seed=3, counts=1):
    """Counts after the puts of a client, the last of them; and the simulated seconds that the put took."""

    async def count():
        world, clock = World(BEAMLINE), SimClock(SPEED)
        prepare(world, clock.now())
        monitor = BeamMonitor("I0:", light(world), seed, clock)
        await monitor["Preset"].write(preset_s)
        begin = clock.now()
        for _ in range(counts):
            await monitor["Count"].write("Count")
        assert monitor.value("Count") == "Done"
        return monitor.value("Counts"), clock.now() - begin

    return asyncio.run(count())


def test_a_put_is_answered_when_the_preset_time_has_passed():
    counts, took_s = counted(preset_s=5.0)
    assert took_s >= 5.0
    # the ring has lost up to half a per cent since its last top-up; five standard deviations of the noise
    assert 5 * COUNTS_PER_S * 0.995 - 5 * math.sqrt(5e6) < counts < 5 * COUNTS_PER_S + 5 * math.sqrt(5e6)


def test_the_experiment_shutter_and_the_diffuser_do_not_matter():
    def shut(world, now):
        assert not world.shutter_open.last

    def without_diffuser(world, now):
        world.shutter_open.set(True, now)
        world.axes["diffuser_x"].go(15.0, velocity=1e9, acceleration_s=1e-9, time_s=now - 1.0)

    # the ring's current and noise, half a per cent each
    assert counted(shut)[0] == pytest.approx(counted(without_diffuser)[0], rel=0.01)


@pytest.mark.parametrize("gone", ["front_end", "beam"])
def test_no_beam_no_counts(gone):
    def prepare(world, now):
        if gone == "beam":
            world.dumped.set(True, now)
        else:
            world.front_end_open.set(False, now)

    assert counted(prepare)[0] == 0


def test_a_beam_lost_half_way_counts_half():
    found, _ = counted(lambda world, now: world.dumped.set(True, now + 10.0), preset_s=20.0)
    # the light is looked at 16 times; the put begins a little after the beam's end was set
    assert found == pytest.approx(10.0 * COUNTS_PER_S, rel=0.15)


def test_counts_repeat_with_the_seed_and_differ_from_count_to_count():
    def steady(world, now):
        world.ring = type(world.ring)(400.0, lifetime_s=math.inf)

    first, again, other = (counted(steady, preset_s=1.0, seed=s)[0] for s in (1, 1, 2))
    assert first == again != other
    assert counted(steady, preset_s=1.0, seed=1, counts=2)[0] != first
    assert first == pytest.approx(1e6, abs=5e3)  # five standard deviations


def test_a_count_ends_early_and_two_at_a_time_are_refused():
    async def check():
        clock = SimClock(SPEED)
        monitor = BeamMonitor("I0:", light(World(BEAMLINE)), 0, clock)
        await monitor["Preset"].write(1e6)
        count = asyncio.create_task(monitor["Count"].write("Count"))
        while monitor.value("Count") == "Done":
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="under way"):
            await monitor["Count"].write("Count")
        await monitor["Count"].write("Done")
        await count
        assert monitor.value("Count") == "Done"
        assert monitor.value("Counts") < 60 * COUNTS_PER_S  # well under a second of real time
        with pytest.raises(ValueError, match="above 0"):
            await monitor["Preset"].write(0.0)

    asyncio.run(check())
