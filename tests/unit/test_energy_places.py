"""Where an energy scan takes its frames: order, flats by their rules, the cutoff filter's place."""

import pytest
from fake_instrument import FILE

from xsn_acq.params import EnergyScan
from xsn_acq.plans.energy_places import change_s, energy_places, flats_at, opened_cutoff_um

ENERGIES = (8300.0, 8310.0, 8320.0, 8330.0, 8340.0)


def scan(**changes):
    values = {"energies_ev": ENERGIES, "flats": 3, "frames_per_energy": 2, "exposure_s": 1.0}
    return EnergyScan(**(values | changes))


def test_flats_at_each_energy_in_the_order_of_least_motion():
    """The sample moves out and in once for two energies."""
    places = energy_places(scan(), FILE, 5.0)
    assert [(place.energy_ev, place.kind) for place in places] == [
        (8300.0, "flat"),
        (8300.0, "projection"),
        (8310.0, "projection"),
        (8310.0, "flat"),
        (8320.0, "flat"),
        (8320.0, "projection"),
        (8330.0, "projection"),
        (8330.0, "flat"),
        (8340.0, "flat"),
        (8340.0, "projection"),
    ]
    for place in places:
        assert place.frames == (3 if place.kind == "flat" else 2)
        assert dict(place.axes)["sample_x"] == (60.0 if place.kind == "flat" else 5.0)


def test_the_cutoff_filter_is_opened_to_its_dark_side():
    (first, *_) = energy_places(scan(), FILE, 0.0)
    assert dict(first.axes)["cutoff_x"] == -45.0
    (first, *_) = energy_places(scan(opened_um=None), FILE, 0.0)
    assert "cutoff_x" not in dict(first.axes)
    other = FILE.model_copy(
        update={"geometry": FILE.geometry.model_copy(update={"cutoff_passes": "negative"})}
    )
    assert opened_cutoff_um(other, 45.0) == 45.0


CHANGE_S = change_s(FILE, 8300.0, 8310.0)


@pytest.mark.parametrize(
    ("rules", "numbers"),
    [
        ({}, (0, 1, 2, 3, 4)),
        ({"flats_every_ev": 1000.0}, (0, 4)),  # the last ones make both sides
        ({"flats_every_ev": 10.0}, (0, 2, 4)),
        ({"flats_every_ev": 9.9}, (0, 1, 2, 3, 4)),
        # an energy takes two frames of 1 s, and the change to it about as long as from 8300 to 8310
        ({"flats_every_s": 1.5 * (2.0 + CHANGE_S)}, (0, 2, 4)),
        ({"flats_every_s": 1e6, "flats_every_ev": 25.0}, (0, 3, 4)),
        ({"flats_every_s": 1e6, "flats_every_ev": 25.0, "order": "down"}, (0, 3, 4)),
        ({"energies_ev": (8300.0,), "flats_every_ev": 1.0}, (0,)),
        ({"energies_ev": ENERGIES[:2], "repeats": 2, "flats_every_ev": 5.0}, (0, 1, 2, 3)),
    ],
)
def test_rules_for_flats(rules, numbers):
    assert flats_at(scan(**rules), FILE) == numbers


def test_a_scan_with_few_flats_has_images_at_each_energy():
    places = energy_places(scan(flats_every_ev=1000.0), FILE, 0.0)
    assert [place.energy_ev for place in places if place.kind == "projection"] == list(ENERGIES)
    assert [place.energy_ev for place in places if place.kind == "flat"] == [8300.0, 8340.0]


def test_the_time_of_a_change():
    """10 eV: 0.0168 deg of the Bragg axis at 0.05 deg/s, 0.2 s acceleration, 0.05 s to settle."""
    assert pytest.approx(0.0168 / 0.05 + 0.25, rel=0.01) == CHANGE_S  # three digits
    assert change_s(FILE, 8310.0, 8300.0) > CHANGE_S + 0.25  # back over a turning point
    assert change_s(FILE, 8300.0, 8300.0) == 0.0
