"""Faults of an energy change: limit switches, dead motors and short ones, a feedback that never locks."""

import asyncio
from types import SimpleNamespace

import pytest

from xsn_acq.config import load_beamline
from xsn_acq.errors import ConfigError
from xsn_acq.sim.ioc import simple
from xsn_acq.sim.ioc.beamline import SimulatedBeamline
from xsn_acq.sim.ioc.faults import DiskFull, MotorStopsShort
from xsn_acq.sim.ioc.hdf5_plugin import Hdf5Plugin
from xsn_acq.sim.ioc.timeline import AxisMotion
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
MOVED = {
    "bragg": 0.05,
    "second_crystal_gap": 0.2,
    "zone_plate_x": 10.0,
    "zone_plate_y": 10.0,
    "zone_plate_z": 0.4,
}
"""Axes of an energy change, and a move of each."""


def simulated(check, *faults):
    """Run ``check(simulated beamline)`` 1000 times as fast as real time."""

    async def run():
        sim = SimulatedBeamline(BEAMLINE, speed=1000.0, seed=0, sample="empty", truth=Truth())
        try:
            for text in faults:
                await sim.control.inject(text)
            return await check(sim)
        finally:
            sim.close()

    return asyncio.run(run())


async def move(sim, axis, by):
    fields = sim.motors[axis].fields
    await fields["VAL"].write(fields.get("VAL") + by)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("axis", MOVED)
def test_a_limit_switch_stops_the_motor_and_says_so(axis, sign):
    by = sign * MOVED[axis]
    step = getattr(BEAMLINE.axes, axis).resolution

    async def check(sim):
        fields = sim.motors[axis].fields
        begin = fields.get("RBV")
        at = begin + by / 2
        await sim.control.inject(f"hard_limit axis={axis} at={at!r}")
        await move(sim, axis, by)
        switch, other = ("HLS", "LLS") if sign > 0 else ("LLS", "HLS")
        assert fields.get("RBV") == pytest.approx(at, abs=step)
        assert (fields.get("DMOV"), fields.get(switch), fields.get(other)) == (1, 1, 0)
        assert int(fields.get("MSTA")) & (0x4 if sign > 0 else 0x2000)
        await move(sim, axis, -by)  # VAL was beyond the switch; away from it nothing is in the way
        assert fields.get("RBV") == pytest.approx(begin, abs=step)
        assert fields.get(switch) == 0
        await sim.channels["SIM:Clear"].write(1)
        await move(sim, axis, by)
        assert fields.get("RBV") == pytest.approx(begin + by, abs=step)

    simulated(check)


def test_a_limit_switch_stops_a_motor_under_way():
    axis = AxisMotion(0.0, -100.0, 100.0)
    axis.go(50.0, velocity=1.0, acceleration_s=0.5, time_s=0.0)
    axis.bar(20.0, 10.0)
    assert axis.position(1e3) == 20.0
    assert axis.at_stop
    assert axis.position(9.0) == pytest.approx(8.75)  # the past is as it was
    axis.go(30.0, velocity=1.0, acceleration_s=0.5, time_s=2e3)
    assert axis.position(3e3) == 20.0
    axis.go(-5.0, velocity=1.0, acceleration_s=0.5, time_s=4e3)
    assert axis.position(5e3) == -5.0


def test_right_on_the_switch_the_way_back_is_free():
    for sign in (1.0, -1.0):
        axis = AxisMotion(0.0, -100.0, 100.0)
        axis.go(sign * 20.0, velocity=1.0, acceleration_s=0.5, time_s=0.0)
        axis.bar(sign * 20.0, 100.0)
        axis.go(sign * 30.0, velocity=1.0, acceleration_s=0.5, time_s=200.0)
        assert axis.position(300.0) == sign * 20.0
        axis.go(0.0, velocity=1.0, acceleration_s=0.5, time_s=400.0)
        assert axis.position(500.0) == 0.0


def test_on_a_switch_the_backlash_leg_is_not_made():
    async def check(sim):
        fields = sim.motors["zone_plate_z"].fields
        begin = fields.get("RBV")
        await fields["BDST"].write(0.1)
        await move(sim, "zone_plate_z", -0.1)  # past the target by 0.1, which the switch forbids
        assert fields.get("RBV") == pytest.approx(begin - 0.15, abs=1e-5)
        assert fields.get("LLS") == 1

    z_mm = BEAMLINE.nominal_zone_plate_z_mm(8300.0)
    simulated(check, f"hard_limit axis=zone_plate_z at={z_mm - 0.15!r}")


def test_a_limit_switch_stops_the_gap():
    async def check(sim):
        begin = sim.channels["7C:ID:GapM"].value
        await sim.control.inject(f"hard_limit axis=gap at={begin + 0.02!r}")
        await sim.channels["7C:ID:GapSetC"].write(begin + 0.05)
        await sim.channels["7C:ID:StartC"].write("Start")
        assert sim.channels["7C:ID:GapM"].value == pytest.approx(begin + 0.02, abs=1e-4)
        assert sim.channels["7C:ID:BusyM"].value == "Done"

    simulated(check)


@pytest.mark.parametrize("axis", MOVED)
def test_a_motor_that_stops_short_says_done(axis):
    async def check(sim):
        fields = sim.motors[axis].fields
        begin = fields.get("RBV")
        await move(sim, axis, MOVED[axis])
        assert fields.get("DMOV") == 1
        return fields.get("RBV") - begin

    went = simulated(check, f"motor_stops_short axis={axis} by={0.25 * MOVED[axis]}")
    assert went == pytest.approx(0.75 * MOVED[axis], abs=getattr(BEAMLINE.axes, axis).resolution)


@pytest.mark.parametrize(("by", "gone"), [(0.02, 0.03), (1.0, 0.0)])
def test_a_gap_that_stops_short_says_done(by, gone):
    async def check(sim):
        begin = sim.channels["7C:ID:GapM"].value
        await sim.channels["7C:ID:GapSetC"].write(begin + 0.05)
        await sim.channels["7C:ID:StartC"].write("Start")
        assert sim.channels["7C:ID:BusyM"].value == "Done"
        return sim.channels["7C:ID:GapM"].value - begin

    assert simulated(check, f"motor_stops_short axis=gap by={by}") == pytest.approx(gone, abs=1e-4)


def test_a_motor_that_stops_short_never_turns_back():
    assert MotorStopsShort("gap", 0.1).shortened(0.3) == pytest.approx(0.2)
    assert MotorStopsShort("gap", 0.1).shortened(-0.3) == pytest.approx(-0.2)
    assert MotorStopsShort("gap", 1.0).shortened(-0.3) == 0.0


@pytest.mark.parametrize("axis", [*MOVED, "gap"])
def test_a_dead_motor_never_says_done(axis):
    async def check(sim):
        if axis == "gap":
            start, done = sim.channels["7C:ID:StartC"], lambda: sim.channels["7C:ID:BusyM"].value == "Done"
            await sim.channels["7C:ID:GapSetC"].write(sim.channels["7C:ID:GapM"].value + 0.01)
            put, stop = start.write("Start"), sim.channels["7C:ID:StopC"].write("Stop")
        else:
            fields = sim.motors[axis].fields
            done = lambda: fields.get("DMOV") == 1  # noqa: E731
            put, stop = move(sim, axis, MOVED[axis]), fields["STOP"].write(1)
        before = sim.world.state(sim.clock.now(), sim.clock.now())
        moving = asyncio.create_task(put)
        await asyncio.sleep(0.05)  # 50 simulated seconds
        assert not done()
        await stop
        await moving
        assert done()
        after = sim.world.state(sim.clock.now(), sim.clock.now())
        assert (after.bragg_deg, after.gap_mm, after.zone_plate_z_mm) == (
            before.bragg_deg,
            before.gap_mm,
            before.zone_plate_z_mm,
        )

    simulated(check, f"motor_dead axis={axis}")


def test_a_narrowed_soft_limit_holds():
    async def check(sim):
        fields = sim.motors["zone_plate_z"].fields
        begin = fields.get("RBV")
        await fields["HLM"].write(begin + 0.1)
        await fields["LLM"].write(begin - 0.1)
        for by in (0.2, -0.2):
            await move(sim, "zone_plate_z", by)
            assert (fields.get("LVIO"), fields.get("RBV"), fields.get("VAL")) == (1, begin, begin)

    simulated(check)


def feedback(sim):
    return next(part for part in sim.instruments if isinstance(part, simple.Feedback))


def test_the_feedback_does_not_lock_while_the_fault_lasts():
    async def check(sim):
        locked = sim.channels["7C:DCM:FB:Locked"]
        run = asyncio.create_task(feedback(sim).run())
        await asyncio.sleep(0)
        assert locked.value == "No"
        assert not sim.world.state(sim.clock.now(), sim.clock.now()).feedback_on
        await sim.channels["7C:DCM:FB:Enable"].write("Off")
        await sim.channels["7C:DCM:FB:Enable"].write("On")
        await asyncio.sleep(0.3)  # the lock is looked at every 0.2 s
        assert locked.value == "No"
        await sim.channels["SIM:Clear"].write(1)
        await asyncio.sleep(0.3)
        assert locked.value == "Yes"
        run.cancel()

    simulated(check, "feedback_no_lock")


def test_a_lock_is_told_when_it_comes(monkeypatch):
    """Between two looks at slow values, which are made hours apart here."""
    monkeypatch.setattr(simple, "POLL_S", 1e4)

    async def check(sim):
        run = asyncio.create_task(feedback(sim).run())
        await asyncio.sleep(0)
        locked, enable = sim.channels["7C:DCM:FB:Locked"], sim.channels["7C:DCM:FB:Enable"]
        await enable.write("Off")
        assert locked.value == "No"
        begin = sim.clock.now()
        await enable.write("On")
        while locked.value == "No":
            await asyncio.sleep(0)
        assert sim.clock.now() - begin >= simple.LOCK_TIME_S
        run.cancel()

    simulated(check)


def test_a_limit_of_an_axis_that_does_not_exist_is_refused():
    async def check(sim):
        with pytest.raises(ConfigError, match="no axis 'zp'"):
            await sim.control.inject("hard_limit axis=zp at=1")

    simulated(check)


def test_a_disk_takes_what_fits_of_the_frames_that_come_together():
    writer = object.__new__(Hdf5Plugin)
    writer._faults, writer._full_after = SimpleNamespace(find=lambda kind: [DiskFull(after=2)]), None
    assert writer._fitting([1, 2, 3]) == [1, 2]
    assert writer._fitting([3, 4]) == []
