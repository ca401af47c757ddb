"""From sinograms to slices, whatever technique they come from."""

import numpy as np
import pytest

from xsn_acq.analysis import slicing
from xsn_acq.analysis.rings import smooth_angular_mean
from xsn_acq.analysis.slicing import Slicing, _take_background
from xsn_acq.analysis.tomography import FilteredBackProjection
from xsn_acq.errors import ReconstructionError

SIDE = 64
Z, X = (np.mgrid[:SIDE, :SIDE] - 0.5 * (SIDE - 1)) / (0.5 * SIDE)
BALL = np.hypot(Z, X) < 0.4
BOWL = 0.3 + 0.2 * X - 0.1 * Z + 0.25 * (X**2 + Z**2)


def noisy(image, seed=0):
    return image + 0.01 * np.random.default_rng(seed).standard_normal(image.shape)


def test_the_background_of_delta_and_beta_is_taken_where_delta_shows_air():
    part = (noisy(0.01 * BALL + 0.02 * BOWL, 1) + 1j * noisy(BALL + BOWL)).astype(np.complex64)
    _take_background(part)
    # noise of 0.01, of which six coefficients over 2000 pixels of air keep next to nothing
    assert part.imag[BALL].mean() == pytest.approx(1, abs=0.01)
    inside = np.hypot(Z, X) < 0.97
    assert np.abs(part.imag[inside & ~BALL]).mean() < 0.02
    assert part.real[BALL].mean() == pytest.approx(0.01, abs=0.005)


def test_a_slice_without_air_keeps_its_background(monkeypatch):
    def none(image):
        raise ReconstructionError("background: no air")

    monkeypatch.setattr(slicing, "find_air", none)
    part = (BOWL + 1j * BOWL).astype(np.complex64)
    before = part.copy()
    assert not _take_background(part)
    np.testing.assert_array_equal(part, before)


def test_too_few_pixels_for_a_quadratic_are_left():
    part = np.ones((3, 3), np.complex64)
    assert not _take_background(part)
    np.testing.assert_array_equal(part, np.ones((3, 3)))


def test_slices_are_in_units_of_the_index():
    """A phase of 1 rad a pixel is lambda / (2 pi pixel) of delta, with the sign of n = 1 - delta + i beta."""
    theta = np.deg2rad(np.arange(0, 180, 4.0))
    chord = -2 * np.sqrt(np.maximum(15.0**2 - (np.arange(SIDE) - 0.5 * (SIDE - 1)) ** 2, 0))
    fields = np.broadcast_to((0.01 + 1j) * chord, (theta.size, 1, SIDE)).astype(np.complex64)
    (found,), _ = Slicing(0.65e-6, 1.24e-10).slices(fields, FilteredBackProjection(SIDE, theta))
    delta = 1.24e-10 / (2 * np.pi * 0.65e-6)
    inside = np.hypot(Z, X) * 32 < 12
    # 45 angles of a disc 30 pixels wide: one per cent
    assert found.imag[inside].mean() == pytest.approx(delta, rel=0.01)
    assert found.real[inside].mean() == pytest.approx(0.01 * delta, rel=0.01)


def test_rings_are_taken_out_before():
    theta, rng = np.deg2rad(np.arange(0, 180, 15.0)), np.random.default_rng(2)
    fields = (rng.random((12, 2, SIDE)) + 1j * rng.random((12, 2, SIDE))).astype(np.complex64)
    projection = FilteredBackProjection(SIDE, theta)
    plain, clean = (Slicing(0.65e-6, 1.24e-10, rings=name) for name in ("none", "angular_mean"))
    found, _ = clean.slices(fields, projection)
    expected, _ = plain.slices(smooth_angular_mean(fields, 0.65e-6), projection)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    assert np.abs(found - plain.slices(fields, projection)[0]).max() > 0.1 * np.abs(expected).max()


def test_slices_that_keep_their_background_are_counted(monkeypatch):
    """Of three rows one has no air."""
    rows = iter((0, 1, 2))

    def find_air(delta):
        if next(rows) == 1:
            raise ReconstructionError("background: no air")
        return np.ones(delta.shape, bool)

    monkeypatch.setattr(slicing, "find_air", find_air)
    theta = np.deg2rad(np.arange(0, 180, 15.0))
    fields = np.ones((12, 3, SIDE), np.complex64)
    projection = FilteredBackProjection(SIDE, theta)
    assert Slicing(0.65e-6, 1.24e-10, background=True).slices(fields, projection)[1] == 1
    assert Slicing(0.65e-6, 1.24e-10).slices(fields, projection)[1] == 0
