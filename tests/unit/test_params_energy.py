"""Parameters of scans over energies: lists, segments, order, rules; every fault in our own words."""

import numpy as np
import pytest

from xsn_acq.config import load_beamline
from xsn_acq.errors import ConfigError
from xsn_acq.params import EnergyScan, HyperspectralTomography, XsnTomography
from xsn_acq.params.energies import Energies, Segment
from xsn_acq.params.energy import ChangeEnergy, MonoCalibration, UndulatorCalibration
from xsn_acq.plans.framing import framing

FILE = load_beamline("pls2-7c-xni")


def segment(start, stop, step):
    return {"start_ev": start, "stop_ev": stop, "step_ev": step}


@pytest.mark.parametrize(
    ("piece", "energies"),
    [
        ((8313.0, 8325.0, 4.0), (8313.0, 8317.0, 8321.0, 8325.0)),
        ((8313.0, 8324.9, 4.0), (8313.0, 8317.0, 8321.0)),  # the step does not fit: it ends before
        ((8300.0, 8300.0, 1.0), (8300.0,)),
        ((8300.0, 8300.3, 0.1), (8300.0, 8300.1, 8300.2, 8300.3)),  # 0.3 / 0.1 is below 3 in binary
        ((8333.333, 8334.0, 0.3335), (8333.333, 8333.6665, 8334.0)),
    ],
)
def test_a_segment_has_both_ends_where_the_step_fits(piece, energies):
    assert Segment(**segment(*piece)).energies_ev == energies


def test_the_papers_energies():
    params = HyperspectralTomography()
    assert params.sequence_ev == tuple(8313.0 + 4.0 * k for k in range(11))
    assert EnergyScan.from_yaml("{segments: [{start_ev: 8313, stop_ev: 8353, step_ev: 4}]}").once_ev == (
        params.sequence_ev
    )


PIECES = [segment(8300.0, 8320.0, 10.0), segment(8320.0, 8324.0, 2.0)]


@pytest.mark.parametrize(
    ("given", "order", "once"),
    [
        ({"segments": PIECES}, "up", (8300, 8310, 8320, 8322, 8324)),
        ({"segments": PIECES}, "down", (8324, 8322, 8320, 8310, 8300)),
        ({"segments": PIECES[::-1]}, "as_given", (8320, 8322, 8324, 8300, 8310, 8320)),
        ({"energies_ev": (8330.0, 8310.0, 8320.0, 8310.0)}, "up", (8310, 8320, 8330)),
        ({"energies_ev": (8330.0, 8310.0, 8310.0, 8330.0)}, "as_given", (8330, 8310, 8330)),
    ],
)
def test_order(given, order, once):
    assert Energies(**given, order=order).once_ev == once


def test_repeats_visit_the_whole_list_again():
    params = Energies(energies_ev=(8310.0, 8320.0), repeats=3)
    assert params.sequence_ev == (8310.0, 8320.0) * 3


FAULTS = [
    (EnergyScan, "{}", "energies_ev: wanted energies_ev or segments, found none; give one of them"),
    (
        EnergyScan,
        "{energies_ev: [8300], segments: [{start_ev: 1, stop_ev: 2, step_ev: 1}]}",
        "energies_ev: wanted energies_ev or segments, found both; give one of them",
    ),
    (
        EnergyScan,
        "{segments: [{start_ev: 8320, stop_ev: 8300, step_ev: 1}]}",
        "stop_ev: wanted 8320 eV or more, found 8300 eV",
    ),
    (EnergyScan, "{segments: [{start_ev: 1, stop_ev: 2, step_ev: 0}]}", "step_ev: wanted more than 0 eV"),
    (EnergyScan, "{energies_ev: [-8300]}", "wanted more than 0"),
    (EnergyScan, "{energies_ev: [.nan]}", "finite"),
    (EnergyScan, "{energies_ev: [8300], order: sideways}", "order: wanted 'up', 'down' or 'as_given'"),
    (EnergyScan, "{energies_ev: [8300], repeats: 0}", "repeats: wanted 1 or more, found 0"),
    (EnergyScan, "{energies_ev: [8300], regions: {left: [0, 0, 8]}}", "regions.left"),
    (EnergyScan, "{energies_ev: [8300], regions: {left: [0, 0, 8, x]}}", "regions.left"),
    (EnergyScan, "{energies_ev: [8300], flats_every_ev: 0}", "flats_every_ev: wanted more than 0 eV"),
    (MonoCalibration, "{energies_ev: [8300], element: nickel}", "element"),
    (
        HyperspectralTomography,
        "{energies_ev: [8300], segments: [{start_ev: 1, stop_ev: 2, step_ev: 1}]}",
        "both",
    ),
    (HyperspectralTomography, "{segments: []}", "found none"),
    (UndulatorCalibration, "{energies_ev: [8300], points: 3}", "points: wanted 7 or more, found 3"),
    (ChangeEnergy, "{}", "energy_ev: missing"),
]


@pytest.mark.parametrize(("kind", "text", "fault"), FAULTS, ids=[text for _, text, _ in FAULTS])
def test_what_is_refused(kind, text, fault):
    with pytest.raises(ConfigError) as caught:
        kind.from_yaml(text)
    assert any(fault in line for line in caught.value.faults), caught.value.faults


@pytest.mark.parametrize(
    "params",
    [
        EnergyScan(energies_ev=(8300.0, 8310.0), regions={"left": (0, 0, 8, 8)}, flats_every_ev=20.0),
        HyperspectralTomography(energies_ev=(8300.0,), projections=36, exposure_s=0.5),
        MonoCalibration(segments=(Segment(start_ev=8320.0, stop_ev=8345.0, step_ev=0.5),)),
    ],
)
def test_yaml_both_ways(params):
    assert type(params).from_yaml(params.to_yaml()) == params


def test_frames_are_counted():
    params = EnergyScan(energies_ev=(8300.0, 8310.0), repeats=2, darks=5, flats=3, frames_per_energy=4)
    assert params.flats_at_each
    assert params.frames == 5 + 4 * (3 + 4)
    assert not EnergyScan(energies_ev=(8300.0,), flats_every_s=60.0).flats_at_each


def mid_exposures(params):
    """Angle in the middle of each exposure, as the stage turns: it starts at the pulse."""
    frame = framing(FILE, params)
    rhythm = frame.rhythm(params)
    during = 0.5 * frame.exposure_s / frame.period_s
    return rhythm.first_deg + rhythm.step_deg * (np.arange(rhythm.count) + during)


@pytest.mark.parametrize("direction", [1, -1])
def test_every_second_tomogram_turns_back_over_the_same_angles(direction):
    params = HyperspectralTomography(start_deg=10.0, direction=direction)
    there, back = params.tomogram(0), params.tomogram(1)
    assert type(there) is XsnTomography
    assert (there.start_deg, there.direction) == (10.0, direction)
    assert (back.start_deg, back.direction) == (10.0 + 360.0 * direction, -direction)
    assert params.tomogram(2) == there
    # the exposure fills all but the readout of a step (0.8 %): so far apart may the middles be
    assert np.sort(mid_exposures(there)) == pytest.approx(
        np.sort(mid_exposures(back)), abs=0.01 * params.step_deg
    )
