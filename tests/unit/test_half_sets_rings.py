"""Two halves of the angles share their rings: these must not make them agree."""

from types import SimpleNamespace

import numpy as np
import pytest

from xsn_acq.analysis.slicing import Slicing
from xsn_acq.live.resolution import compare_halves, ring_sigma_per_m


class Store(SimpleNamespace):
    """Fields of a store (angles, rows, columns), by rising angle."""

    @property
    def shape(self):
        return self.fields.shape[1:]

    def __len__(self):
        return len(self.fields)

    def stack(self, half):
        return self.fields[half]


def noise_and_rings(*, rings):
    """Noise of 1 at each angle, its own; and columns that are off by so much at all angles."""
    rng = np.random.default_rng(4)
    fields = rng.normal(0, 1, (2, 60, 8, 96)) + rings * rng.normal(0, 1, (2, 1, 8, 96))
    return Store(fields=(fields[0] + 1j * fields[1]).astype(np.complex64), theta_deg=np.arange(60) * 3.0)


@pytest.mark.parametrize("pixel_m", [60e-9, 650e-9])
def test_rings_alone_are_no_resolution(pixel_m):
    for rings in (0.0, 2.0):
        halves = compare_halves(noise_and_rings(rings=rings), Slicing(pixel_m, 1.24e-10))
        curve = halves.curves["delta"]
        fine = curve.frequency_per_m > 0.4 / (2 * pixel_m)
        # noise has 0 +- 0.1 in a ring; rings that are left in make it 0.8
        assert abs(np.mean(curve.correlation[fine])) < 0.2
        assert halves.ring_sigma_per_m == ring_sigma_per_m(pixel_m)


def test_the_filter_is_the_papers_where_pixels_are_small():
    assert ring_sigma_per_m(40e-9) == ring_sigma_per_m(100e-9) == 1e6
    assert ring_sigma_per_m(650e-9) == pytest.approx(0.1 / 650e-9)
