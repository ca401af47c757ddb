"""The hardware of the simulated microscope with structured light over time, and what goes wrong with it."""

import asyncio
import math

import pytest

from xsn_acq.config import load_beamline, load_microscope
from xsn_acq.sim.alignment import MicroscopeAlignment
from xsn_acq.sim.ioc.beamline import SimulatedBeamline, technique
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.source import wiggler_beam
from xsn_acq.sim.structured_truth import StructuredTruth
from xsn_acq.sim.truth import Truth

BEAMLINE, TRUTH = load_microscope("ssrl-6-2c"), StructuredTruth()
NOW_S = 1.8e9


@pytest.fixture
def world():
    return StructuredWorld(BEAMLINE, TRUTH)


def go(world, axis, target, time_s, velocity=1.0):
    world.axes[axis].go(target, velocity=velocity, acceleration_s=1e-6, time_s=time_s)


def test_everything_starts_aligned(world):
    state = world.state(NOW_S, NOW_S + 0.5)
    alignment = MicroscopeAlignment(BEAMLINE, TRUTH, state)
    assert alignment.energy_ev == pytest.approx(9000.0, abs=0.05)
    assert abs(alignment.defocus_m) < 0.05 * alignment.depth_of_focus_m
    # 25 nm a pixel, as the beamline file says
    assert alignment.pixel_um == pytest.approx(0.025, rel=5e-3)
    # the ring decays by half a per cent between two top-ups, and the beam drifts by as much
    assert wiggler_beam(BEAMLINE, TRUTH, state) == pytest.approx(1.0, abs=0.02)
    assert (state.front_end_open, state.shutter_open, state.feedback_on) == (True, False, True)
    assert BEAMLINE.zone_plate_z_mm(9000.0) == pytest.approx(state.zone_plate_z_mm)
    for name, axis in world.axes.items():
        limits = getattr(BEAMLINE.axes, name)
        assert limits.low <= axis.position(NOW_S) <= limits.high, name


def test_the_fine_sheet_counts_at_both_ends_all_else_in_the_middle(world):
    for axis in ("sandpaper_fine_x", "sandpaper_fine_y", "sandpaper_coarse_x", "condenser_yaw"):
        go(world, axis, 4.0, NOW_S)
    state = world.state(NOW_S + 1.0, NOW_S + 2.0)
    assert (state.fine_x_start_mm, state.fine_x_end_mm) == pytest.approx((1.0, 2.0), abs=1e-5)
    found = (state.fine_y_mm, state.coarse_x_mm, state.condenser_yaw_urad)
    assert found == pytest.approx((1.5, 1.5, 1.5), abs=1e-5)
    assert state.exposure_s == pytest.approx(1.0)


def test_moves_of_the_sample_are_counted(world):
    assert world.state(NOW_S, NOW_S + 0.1).sample_moves == 0
    go(world, "sample_x", 100.0, NOW_S + 1.0, velocity=1e4)
    go(world, "sandpaper_fine_x", 1.0, NOW_S + 1.0)
    go(world, "sample_x", 0.0, NOW_S + 2.0, velocity=1e4)
    moves = [world.state(NOW_S + t, NOW_S + t + 0.1).sample_moves for t in (0.5, 1.5, 2.5)]
    assert moves == [0, 1, 2]


@pytest.mark.parametrize(
    ("axis", "field"), [("sandpaper_coarse_x", "coarse_x_mm"), ("sandpaper_fine_y", "fine_y_mm")]
)
def test_a_sheet_that_slips_stays_while_its_motor_goes_on(world, axis, field):
    go(world, axis, 10.0, NOW_S)
    world.hold({axis}, NOW_S + 2.0)
    state = world.state(NOW_S + 5.0, NOW_S + 5.0)
    assert getattr(state, field) == pytest.approx(2.0, abs=1e-5)
    assert world.axes[axis].position(NOW_S + 5.0) == pytest.approx(5.0, abs=1e-5)
    world.hold({axis, "condenser_x"}, NOW_S + 6.0)  # another fault does not let it go, nor move it
    assert getattr(world.state(NOW_S + 7.0, NOW_S + 7.0), field) == pytest.approx(2.0, abs=1e-5)
    world.hold(set(), NOW_S + 8.0)
    assert getattr(world.state(NOW_S + 8.5, NOW_S + 8.5), field) == pytest.approx(8.5, abs=1e-5)


def test_a_fine_sheet_that_slips_does_not_fly(world):
    go(world, "sandpaper_fine_x", 10.0, NOW_S)
    world.hold({"sandpaper_fine_x"}, NOW_S + 2.0)
    state = world.state(NOW_S + 4.0, NOW_S + 5.0)
    assert (state.fine_x_start_mm, state.fine_x_end_mm) == pytest.approx((2.0, 2.0), abs=1e-5)


def simulated(check):
    """Run ``check(simulated beamline)`` in this process, 1000 times as fast as real time."""

    async def run():
        sim = SimulatedBeamline(BEAMLINE, speed=1000.0, seed=0, sample="empty", truth=TRUTH)
        try:
            return await check(sim)
        finally:
            sim.close()

    return asyncio.run(run())


def test_faults_reach_the_sheets():
    async def check(sim):
        begin = sim.world.state(sim.clock.now(), sim.clock.now())
        await sim.control.inject("sheet_slips axis=sandpaper_coarse_y")
        await sim.motors["sandpaper_coarse_y"].fields["VAL"].write(3.0)
        held = sim.world.state(sim.clock.now(), sim.clock.now())
        read = sim.motors["sandpaper_coarse_y"].fields.get("RBV")
        sim.faults.clear()
        released = sim.world.state(sim.clock.now(), sim.clock.now())
        return begin.coarse_y_mm, held.coarse_y_mm, read, released.coarse_y_mm

    assert simulated(check) == pytest.approx((0.0, 0.0, 3.0, 3.0), abs=1e-4)


def test_a_dead_monitor_counts_nothing():
    async def check(sim):
        prefix, found = BEAMLINE.pvs.beam_monitor, []
        for fault in (None, "monitor_dead"):
            if fault:
                await sim.control.inject(fault)
            await sim.channels[f"{prefix}Preset"].write(1.0)
            await sim.channels[f"{prefix}Count"].write("Count")
            found.append(sim.channels[f"{prefix}Counts"].value)
        return found

    alive, dead = simulated(check)
    assert alive > 1e5
    assert dead < 10 * math.sqrt(alive)


def test_every_record_of_the_file_is_served():
    async def check(sim):
        return set(sim.channels)

    names = simulated(check)
    for axis in type(BEAMLINE.axes).model_fields:
        assert getattr(BEAMLINE.axes, axis).pv in names
    for prefix in BEAMLINE.pvs.model_dump().values():
        assert any(name.startswith(prefix) for name in names), prefix


def test_truth_and_beamline_must_be_of_one_technique():
    schlieren = load_beamline("pls2-7c-xni")
    with pytest.raises(TypeError, match="ssrl-6-2c: Truth is another technique's"):
        technique(BEAMLINE, Truth(), 0)
    with pytest.raises(TypeError, match="pls2-7c-xni: StructuredTruth is another technique's"):
        technique(schlieren, TRUTH, 0)
    assert technique(BEAMLINE, TRUTH, 0).encoder == "sandpaper_fine_x"
    assert technique(schlieren, Truth(), 0).encoder == "sample_theta"
