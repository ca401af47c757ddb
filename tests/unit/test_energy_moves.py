"""What an energy change moves, over which turning points, and what forbids it."""

import math

import pytest
from fake_instrument import FILE, instrument

from xsn_acq.config.energy import at_energy
from xsn_acq.errors import LimitError
from xsn_acq.plans.energy_moves import (
    GAP,
    NEGLIGIBLE,
    AxisMove,
    axis_move,
    axis_moves,
    plan_energy,
    positions,
    targets_at,
    travel_s,
)


@pytest.fixture
def devices():
    return instrument()


@pytest.mark.parametrize(
    ("start", "target", "backlash", "via"),
    [
        (0.0, 1.0, 0.02, None),
        (1.0, 0.0, 0.02, -0.02),  # comes from below
        (0.0, 1.0, -0.02, 1.02),  # comes from above
        (1.0, 0.0, -0.02, None),
        (1.0, 0.0, 0.0, None),
        (0.0, 1.0, 0.0, None),
    ],
)
def test_an_axis_ends_in_the_direction_of_its_backlash(start, target, backlash, via):
    assert axis_move("a", start, target, "mm", backlash) == AxisMove("a", start, target, via, "mm")


def test_axes_that_are_there_are_left_alone():
    here = targets_at(at_energy(FILE, 8300.0))
    for name in here:
        tolerance = FILE.undulator.gap_tolerance_mm if name == GAP else getattr(FILE.axes, name).tolerance
        for share, moved in ((0.9, []), (1.1, [name])):
            there = here | {name: here[name] + share * NEGLIGIBLE * tolerance}
            assert [move.axis for move in axis_moves(FILE, here, there)] == moved


def test_an_axis_that_is_not_measured_sideways_stays(devices):
    assert {move.axis for move in plan_energy(devices, 8313.0).moves} == {
        "bragg",
        "second_crystal_gap",
        "zone_plate_z",
        GAP,
    }


def test_the_plan_of_a_change(devices):
    plan = plan_energy(devices, 8313.0)
    assert (plan.from_ev, plan.at) == (8300.0, at_energy(FILE, 8313.0))
    assert plan.between == "8300.0 and 8313.0 eV"
    here, targets = positions(devices), targets_at(plan.at)
    for move in plan.moves:
        assert (move.start, move.target) == (here[move.axis], targets[move.axis])
    told = plan.metadata()
    assert told["decided"]["zone_plate_z_mm"] == plan.at.zone_plate_z_mm
    assert [move["axis"] for move in told["moves"]] == [move.axis for move in plan.moves]


def test_the_detector_counts(devices):
    devices.detector.z.user_readback.value = 10.0
    assert plan_energy(devices, 8313.0).at == at_energy(FILE, 8313.0, 10.0)


def refused(devices, energy=8313.0, **options):
    with pytest.raises(LimitError) as caught:
        plan_energy(devices, energy, **options)
    return sorted(caught.value.faults)


def narrow(devices, motor, **limits):
    motor.axis = motor.axis.model_copy(update=limits)


def test_limits_of_targets_are_told_all_at_once(devices):
    narrow(devices, devices.mono.bragg, low=13.77)
    narrow(devices, devices.zone_plate.z, high=0.03)
    devices.undulator.deadband.value = 0.005
    bragg, source, lens = refused(devices)
    assert bragg.startswith("mono_bragg: 13.758")
    assert lens.startswith("zone_plate_z: 0.0385")
    assert source == "undulator: dead band is 0.005 mm"  # once, though the gap is asked at its two ends


def test_limits_of_turning_points_count(devices):
    """Down to 8290 eV: 0.02 mm below the zone plate's target, 0.01 deg above the Bragg axis'."""
    at = at_energy(FILE, 8290.0)
    narrow(devices, devices.zone_plate.z, low=at.zone_plate_z_mm - 0.01)
    narrow(devices, devices.mono.bragg, high=at.bragg_deg + 0.005)
    bragg, lens = refused(devices, 8290.0)
    assert bragg.startswith("mono_bragg: 13.8071")
    assert lens.startswith("zone_plate_z: -0.1")


def test_another_harmonic_is_refused(devices):
    devices.undulator.harmonic.value = 5
    assert refused(devices) == ["undulator: wanted harmonic 3, found 5; set it, or the beamline file's"]


def test_a_zone_plate_that_would_touch_is_refused(devices):
    """It stands 64.04 mm from the sample plane; 20 mm must stay."""
    devices.sample.z.user_readback.value = 44_050.0
    (fault,) = refused(devices)
    assert fault == (
        "zone_plate_z: wanted 20 mm or more to sample and pinhole, found 19.989 mm at 0.0385 mm; "
        "choose higher energies, or move the sample upstream"
    )
    devices.sample.z.user_readback.value = 44_030.0
    plan_energy(devices, 8313.0)
    # downwards it turns 0.02 mm nearer than its target
    z = at_energy(FILE, 8290.0).zone_plate_z_mm
    devices.sample.z.user_readback.value = 1e3 * (z + 64.0 - 20.0 - 0.01)
    assert len(refused(devices, 8290.0)) == 1


@pytest.mark.parametrize(
    "where",
    ["mono.bragg", "zone_plate.z", "zone_plate.x", "mono.second_crystal_gap", "detector.z", "sample.z"],
)
def test_an_axis_that_does_not_know_where_it_is_is_refused(devices, where):
    part, name = where.split(".")
    getattr(getattr(devices, part), name).user_readback.value = math.nan
    assert any("nan" in fault for fault in refused(devices))
    devices.undulator.gap.value = math.nan
    assert any("undulator_gap reads nan" in fault for fault in refused(devices))


def test_what_the_file_forbids_is_told_before_anything_is_asked():
    assert refused(nothing_but_file(), 20_000.0) == [
        "energy: wanted 7500 to 9500 eV, found 20000 eV; choose another"
    ]


def nothing_but_file():
    """No device can be asked."""
    made = instrument()
    return type("FileOnly", (), {"file": made.file})()


def test_the_slowest_axis_sets_the_time():
    moves = (
        AxisMove("bragg", 13.70, 13.80, 13.81, "deg"),  # 0.11 deg and 0.01 deg at 0.05 deg/s
        AxisMove("zone_plate_z", 0.0, 0.5, None, "mm"),
    )
    # two accelerations of 0.2 s; it settles for 0.05 s at the turning point and at the end
    assert travel_s(FILE, moves) == pytest.approx(0.12 / 0.05 + 2 * 0.2 + 2 * 0.05)
    assert travel_s(FILE, moves[1:]) == pytest.approx(0.5 / 0.5 + 0.2 + 0.05)
    assert travel_s(FILE, (AxisMove(GAP, 7.0, 8.0, None, "mm"),)) == pytest.approx(2.0 + 0.05)
    assert travel_s(FILE, ()) == 0.0
