"""Parameters of speckle microtomography: the paper's defaults, positions, what is refused."""

import math
from itertools import combinations, pairwise

import pytest

from xsn_acq.config import load_microscope
from xsn_acq.errors import ConfigError
from xsn_acq.params import SpeckleTomography
from xsn_acq.plans.speckle_estimate import estimate_speckle

FILE = load_microscope("pls2-6c")


def test_defaults_are_the_papers():
    params = SpeckleTomography()
    assert (params.projections, params.step_deg, params.exposure_s) == (801, 0.225, 0.1)
    assert params.start_deg + 800 * params.step_deg == 180.0
    assert params.places_mm == ((0.0, 0.0),)
    assert params.frames == 20 + 20 + 20 + 801 + 20


@pytest.mark.parametrize("count", range(1, 13))
def test_positions_on_a_grid_are_a_step_from_their_neighbours(count):
    places = SpeckleTomography(positions=count, step_mm=0.2).places_mm
    assert len(set(places)) == count
    assert all(math.dist(*pair) >= 0.2 - 1e-9 for pair in combinations(places, 2))  # rounded to 1e-9
    assert all(math.dist(a, b) <= 0.2 + 1e-9 for a, b in pairwise(places))
    assert max(abs(value) for place in places for value in place) <= 0.3


def test_yaml_both_ways():
    params = SpeckleTomography(positions_mm=((0.0, 0.0), (0.1, 0.0), (0.0, 0.2)), mode="free")
    assert SpeckleTomography.from_yaml(params.to_yaml()) == params
    assert SpeckleTomography.from_yaml("positions_mm: [[0, 0.1], [1, 2]]").places_mm == ((0, 0.1), (1, 2))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{mode: free, positions: 2}", "mode: free wants 3 diffuser positions or more, found 2"),
        ("{material: SiO2, beta_over_delta: 0.01}", "wanted it or material, found 0.01 and SiO2"),
        ("{mode: free, positions: 3, beta_over_delta: 0.01}", "wanted none with mode free"),
        ("{positions: 3, positions_mm: [[0, 0], [1, 1]]}", "positions: wanted 2, as many as positions_mm"),
        ("{positions_mm: [[0, 0], [0, 0]]}", "wanted each position once"),
        ("{positions: 2, trigger: free_running}", "trigger: wanted position with 2 diffuser positions"),
        ("{positions: 13}", "positions: wanted 12 or less"),
        ("{beta_over_delta: 0}", "beta_over_delta: wanted more than 0"),
        ("{readout_port: '1'}", "readout_port: no such key"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(ConfigError) as caught:
        SpeckleTomography.from_yaml(text)
    assert any(words in fault for fault in caught.value.faults), caught.value.faults


@pytest.mark.parametrize(("every", "spans"), [(None, 0), (801, 0), (800, 1), (400, 2), (267, 2), (100, 8)])
def test_references_between_projections_are_counted(every, spans):
    params = SpeckleTomography(references_every=every)
    assert params.spans == spans
    assert params.frames == 881 + 20 * spans


def test_the_estimate_of_the_papers_tomogram():
    """801 periods of 0.111 s are 88.9 s, 80 other frames of 0.11 s 8.8 s; the rest are moves and files.

    While 0.1 s are exposed the stage turns by 0.2027 degrees: 1280 pixels from the axis 4.5 pixels.
    """
    found = estimate_speckle(FILE, SpeckleTomography())
    assert 97.7 < found.duration_s < 140.0  # four files and ten moves of a few seconds each at most
    assert found.rim_px == pytest.approx(1280 * math.radians(0.225 / 0.111 * 0.1), rel=1e-6)
    assert "moves 4.5 pixels" in found.summary()
    assert found.disk_bytes == 881 * 2 * 2560 * 2160


def test_a_slow_tomogram_of_a_small_field_is_not_warned_of():
    roi = {"min_x": 1216, "min_y": 1032, "size_x": 128, "size_y": 96}
    params = SpeckleTomography.checked({"roi": roi, "projections": 1801, "positions": 3})
    found = estimate_speckle(FILE, params)
    assert "NOTE" not in found.summary()
    assert found.summary().startswith("3 diffuser positions, at each 1881 frames of 128 x 96")
    assert found.duration_s == 3 * found.position_s
