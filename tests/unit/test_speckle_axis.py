"""The axis of a speckle scan: found from its projections, or taken as given."""

import numpy as np
import pytest
from test_mirrored import phases

from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_axis import find_axis, half_turn
from xsn_acq.live.speckle_scan import View


def views(*theta_deg):
    return [View(theta, (ScanRow(index, theta, 0.0),)) for index, theta in enumerate(theta_deg)]


def phase_of(axis, **options):
    first, second = phases(axis, **options)
    return lambda view: first if view.index == 0 else second


def test_views_half_a_turn_apart():
    first, *_, last = scan = views(0.2, 60.2, 120.2, 180.25)
    assert half_turn(scan) == (first, last)
    assert half_turn(scan[:-1]) is None
    assert half_turn(views(0.0, 90.0, 179.8)) is None
    assert half_turn([]) is None


@pytest.mark.parametrize("first_column", [0, 300])
def test_the_axis_that_is_found_is_taken(first_column):
    at = first_column + 78.9
    found = find_axis(views(0.0, 90.0, 180.0), phase_of(78.9), at + 0.6, first_column)
    assert found.column == pytest.approx(at, abs=0.04)
    (said,) = found.found
    assert said.startswith(f"rotation axis {found.column:.2f} +- 0.")
    assert said.endswith(f"was {at + 0.6:.2f}")
    assert found.warnings == ()


def test_one_far_from_the_beamline_file_is_told():
    found = find_axis(views(0.0, 180.0), phase_of(75.0), 79.5)
    assert found.column == pytest.approx(75.0, abs=0.04)
    (warning,) = found.warnings
    assert warning.startswith(f"the rotation axis is in column {found.column:.2f} by the projections")
    assert "79.50 by the beamline file" in warning
    assert "+4.5" in warning


def test_less_than_half_a_turn_asks_no_projection():
    def phase(view):
        raise AssertionError

    found = find_axis(views(0.0, 90.0, 170.0), phase, 79.5)
    assert (found.column, found.found, found.warnings) == (79.5, (), ())


def test_where_nothing_is_seen_the_file_is_believed_and_that_is_said():
    noise = np.random.default_rng(1).normal(0, 1, (2, 64, 160))
    found = find_axis(views(0.0, 180.0), lambda view: noise[view.index], 79.5)
    assert (found.column, found.found) == (79.5, ())
    (warning,) = found.warnings
    assert warning.startswith("rotation axis: wanted two images that mirror each other")
    assert warning.endswith("Column 79.50 of the beamline file was taken")
