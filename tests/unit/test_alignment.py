"""Shifts between images half a turn apart; the truth is where the spheres were put on a finer grid."""

from dataclasses import replace

import numpy as np
import pytest
from image_pairs import pair
from tomogram import INDEX, PIXEL_M, WAVELENGTH_M, inside, measure

from xsn_acq.analysis.alignment import PairAlignment
from xsn_acq.analysis.correlation import DetailCorrelation
from xsn_acq.analysis.flatfield import normalise
from xsn_acq.analysis.shift import centre_on_axis, shift_image
from xsn_acq.analysis.tomography import volume
from xsn_acq.analysis.xsn_stream import reconstruct_pairs
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.schlieren import Schlieren

SHIFT = (0.3, -0.8)
SAMPLES = ["phase", "absorbing", "gaining", "copper", "mixed"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_without_noise(sample):
    images = pair(sample, SHIFT)
    shift = PairAlignment(images.optics).shift(images.image_0, images.image_180_flipped)
    # what the weak-object theory leaves out, and the detector's blur with it, is worth 0.03 px for copper
    assert shift.dx == pytest.approx(SHIFT[1], abs=0.04)
    assert shift.dy == pytest.approx(SHIFT[0], abs=0.01)


@pytest.mark.parametrize(("passes", "cutoff"), [("negative", 0.0), ("positive", 0.8e6), ("negative", -0.8e6)])
def test_either_side_of_any_edge(passes, cutoff):
    images = pair("absorbing", SHIFT, passes=passes, cutoff=cutoff)
    shift = PairAlignment(images.optics).shift(images.image_0, images.image_180_flipped)
    # as above, and the darker the field the less linear: 0.054 where 31 % of the light passes
    assert (shift.dy, shift.dx) == pytest.approx(SHIFT, abs=0.07)


@pytest.mark.parametrize("sample", SAMPLES)
def test_photon_noise_and_the_error_it_is_told_to_make(sample):
    images = pair(sample, SHIFT)
    alignment = PairAlignment(images.optics)
    shifts = [alignment.shift(*images.noisy(5000, seed)) for seed in range(12)]
    errors = np.array([(s.dy - SHIFT[0], s.dx - SHIFT[1]) for s in shifts])
    told = np.sqrt(np.mean([(s.sigma_y**2, s.sigma_x**2) for s in shifts], axis=0))
    # a standard deviation from 12 draws is known to 20 %: a factor of 2 is 3.5 of its own standard errors
    assert (errors.std(axis=0) < 2 * told).all()
    assert (errors.std(axis=0) > told / 2).all()
    assert np.abs(errors.mean(axis=0)).max() < 0.06  # 0.04 as without noise, and 12 draws of 0.06


def test_the_correlation_alone_is_biased_by_absorption():
    images = pair("absorbing", SHIFT)
    first, second = (
        np.fft.rfft2(i - images.optics.background) for i in (images.image_0, images.image_180_flipped)
    )
    correlation = DetailCorrelation(first.conj() * second, images.optics.shape, 0.16)
    _, dx = correlation.best(SHIFT)
    assert abs(dx - SHIFT[1]) > 0.3  # half a pixel of bias: what the fit of c(k) is for


@pytest.mark.parametrize("shape", [(12, 16), (11, 15)])
def test_the_gradient_is_the_difference_quotient(shape):
    rng = np.random.default_rng(3)
    first, second = np.fft.rfft2(rng.standard_normal((2, *shape)))
    correlation = DetailCorrelation(first.conj() * second, shape, 0.3)
    at = np.array([0.7, -1.3])
    _, gradient = correlation.value_and_gradient(at)
    step = 1e-5
    quotients = [
        (correlation.value_and_gradient(at + s)[0] - correlation.value_and_gradient(at - s)[0]) / (2 * step)
        for s in step * np.eye(2)
    ]
    assert gradient == pytest.approx(quotients, rel=1e-7)  # step^2 in float64


def test_the_value_is_the_correlation_of_shifted_images():
    """By Parseval: J at whole pixels is what the inverse FFT gives there."""
    rng = np.random.default_rng(4)
    first = rng.standard_normal((12, 16))
    second = -np.roll(first, (2, -3), axis=(0, 1))
    correlation = DetailCorrelation(np.fft.rfft2(first).conj() * np.fft.rfft2(second), (12, 16), 0.5)
    assert correlation.best_integer() == (2, -3)
    everywhere = np.fft.irfft2(correlation.cross, (12, 16)) * 12 * 16
    value, _ = correlation.value_and_gradient(np.array([2.0, -3.0]))
    assert value == pytest.approx(everywhere[2, -3], rel=1e-9)


def test_a_far_shift_is_found_at_once():
    images = pair("mixed", (5.3, -14.8))
    shift = PairAlignment(images.optics).shift(*images.noisy(1000, 1))
    assert (shift.dy, shift.dx) == pytest.approx((5.3, -14.8), abs=4 * max(shift.sigma_x, shift.sigma_y))


def test_a_shift_taken_back_leaves_none():
    images = pair("mixed", SHIFT)
    alignment = PairAlignment(images.optics)
    shift = alignment.shift(images.image_0, images.image_180_flipped)
    first = shift_image(images.image_0, shift.dy / 2, shift.dx / 2)
    second = shift_image(images.image_180_flipped, -shift.dy / 2, -shift.dx / 2)
    rest = alignment.shift(first, second)
    assert (rest.dy, rest.dx) == pytest.approx((0, 0), abs=0.005)  # interpolation


def test_air_tells_nothing():
    optics = pair("phase").optics
    air = np.random.default_rng(1).normal(optics.background, 1e-3, (2, *optics.shape))
    shift = PairAlignment(optics).shift(*air)
    assert not max(shift.sigma_x, shift.sigma_y) < 1  # no shift is known to a pixel


def test_refused():
    optics = pair("phase").optics
    with pytest.raises(ReconstructionError, match="wanted an image of"):
        PairAlignment(optics).shift(np.ones((8, 8)), np.ones((8, 8)))
    with pytest.raises(ReconstructionError, match="show no phase"):
        PairAlignment(replace(optics, cutoff_per_m=1e8))
    with pytest.raises(ReconstructionError, match="show no phase"):
        PairAlignment(Schlieren((4, 4), PIXEL_M, 1 / 60e-9, 0.0, optics.knife_edge))


def beta_errors(run, axis_column):
    settings = replace(run.settings, axis_column=axis_column)
    pairs = reconstruct_pairs(run.frames, run.theta_deg, settings, run.dark, run.flat)
    stack = np.stack([p.field.alpha + 1j * p.field.phi for p in pairs])
    theta = np.deg2rad([p.theta_deg for p in pairs])
    beta = volume(stack, theta, pixel_size_m=PIXEL_M, wavelength_m=WAVELENGTH_M).real
    return {m: round(float(beta[inside(m)].mean() / INDEX[m][1] - 1), 3) for m in INDEX}


def test_what_it_is_worth():
    """A quarter of a pixel of axis error spoils beta; the mean over the pairs' shifts takes it out."""
    run = measure(45, photons=20_000)
    assumed = run.settings.axis_column + 0.25
    optics = run.settings.optics(run.frames.shape[1:])
    images = normalise(run.frames, run.dark, run.flat, background=optics.background, air_columns=3)
    images = centre_on_axis(images, assumed)
    alignment = PairAlignment(optics)
    shifts = [alignment.shift(images[i], images[i + 45][:, ::-1]) for i in range(45)]
    weights = np.array([s.sigma_x**-2 for s in shifts])
    axis = assumed + float(weights @ [s.axis_error for s in shifts] / weights.sum())
    true = run.settings.axis_column
    assert axis == pytest.approx(true, abs=0.02)  # 0.005 of noise; the bar is 0.05
    exact, before, after = (beta_errors(run, column)["Cu"] for column in (true, assumed, axis))
    told = (
        f"beta of Cu {before:+.1%} with the axis 0.25 px off, {after:+.1%} aligned, {exact:+.1%} at the truth"
    )
    assert abs(before - exact) > 0.10, told
    assert abs(after - exact) < 0.01, told
