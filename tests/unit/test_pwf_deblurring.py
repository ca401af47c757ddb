"""Blur taken out of a reference speckle; the truth is light blurred in real space on a finer grid."""

from functools import cache

import array_api_strict
import numpy as np
import pytest
from coherent_speckle import LENGTHS, PIXEL_M, counted, speckle
from scipy import ndimage

from xsn_acq.analysis.pwf.deblurring import Deblurring, photon_noise
from xsn_acq.errors import ReconstructionError

PHOTONS = 20_000
GRAIN_M = 2.5e-6
INNER = (slice(8, -8), slice(8, -8))


@cache
def measured(photons=PHOTONS):
    return counted(speckle(grain_m=GRAIN_M).blurred, photons, 1)


def deblurring(**more):
    return Deblurring(measured().shape, PIXEL_M, LENGTHS, **more)


@cache
def deblurred(photons=PHOTONS):
    image = measured(photons)
    return deblurring()(image, photon_noise(image, photons**-0.5))


def error(image, where=INNER):
    return np.std((image - speckle(grain_m=GRAIN_M).sharp)[where])


def test_most_of_the_blur_is_taken_out():
    before, after = error(measured()), error(deblurred().intensity)
    # the blur leaves 7 % of the finest grains' amplitude, under the noise: they cannot all come back
    assert after < 0.25 * before
    assert deblurred().intensity.min() >= 0
    assert deblurred().intensity.mean() == pytest.approx(measured().mean(), rel=2e-3)


def test_it_stops_at_the_noise():
    for photons in (2_000, 200_000):
        found = deblurred(photons)
        assert found.reached_the_noise
        assert found.chi2 > 0.97  # the last step comes from above 1 and gains a few percent at the most
    # fewer photons, sooner; more photons, more detail
    assert deblurred(2_000).iterations < deblurred().iterations < deblurred(200_000).iterations
    assert (
        error(deblurred(2_000).intensity) > error(deblurred().intensity) > error(deblurred(200_000).intensity)
    )


def test_it_needs_a_few_times_fewer_steps_than_plain_richardson_lucy():
    image, noise = measured(), photon_noise(measured(), PHOTONS**-0.5)
    x, y = (spread / PIXEL_M for spread in LENGTHS.spread_m)

    def blurred(some):
        return ndimage.gaussian_filter(some, (y, x), mode="reflect", truncate=5)

    estimate, steps = blurred(image), 0
    while np.mean(((image - blurred(estimate)) / noise) ** 2) > 1:
        estimate, steps = estimate * blurred(image / blurred(estimate)), steps + 1
        if steps == 3 * deblurred().iterations:
            return
    raise AssertionError(f"plain: {steps}, accelerated: {deblurred().iterations}")


def test_the_opposite_border_has_no_say():
    image = np.ones((64, 64))
    image[:, :6] = 3.0
    x, y = (spread / PIXEL_M for spread in LENGTHS.spread_m)
    seen = ndimage.gaussian_filter(image, (y, x), mode="nearest", truncate=5)
    found = Deblurring((64, 64), PIXEL_M, LENGTHS)(seen, 1e-3)
    np.testing.assert_allclose(found.intensity[:, -8:], 1.0, atol=3e-3)  # three times the noise
    assert found.intensity[:, 5].mean() > 2.5


def test_bad_pixels_do_not_spread():
    bad = np.random.default_rng(2).random(measured().shape) < 0.005
    image, noise = measured().copy(), photon_noise(measured(), PHOTONS**-0.5)
    image[bad], noise[bad] = np.nan, 0.0
    found = deblurring(good=~bad)(image, noise)
    assert found.reached_the_noise
    assert error(found.intensity) < 1.1 * error(deblurred().intensity)
    # of a lost pixel its neighbours tell, since the blur is wider than one
    assert error(found.intensity, bad) < 0.5 * error(measured(), bad)
    with pytest.raises(ReconstructionError, match="mark them as bad"):
        deblurring()(image, noise)


def test_it_says_when_it_stopped_short_of_the_noise():
    found = deblurring(most_iterations=20)(measured(200_000), photon_noise(measured(), 200_000**-0.5))
    assert found.iterations == 20
    assert found.chi2 > 1
    assert not found.reached_the_noise


def test_other_types_and_libraries_give_the_same():
    image, noise = measured()[:40, :48], photon_noise(measured()[:40, :48], PHOTONS**-0.5)
    wanted, single, strict = (
        Deblurring((40, 48), PIXEL_M, LENGTHS, **more)(image, noise)
        for more in ({"dtype": np.float64}, {}, {"xp": array_api_strict})
    )
    assert wanted.intensity.dtype == np.float64
    assert single.intensity.dtype == np.float32
    np.testing.assert_allclose(single.intensity, wanted.intensity, atol=2e-3)  # float32 over 50 steps
    np.testing.assert_allclose(strict.intensity, single.intensity, atol=2e-3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ReconstructionError, match="wanted a reference and its noise"):
        deblurring()(measured()[:8], 0.01)
    with pytest.raises(ReconstructionError, match="wanted a map of good pixels"):
        deblurring(good=np.zeros(measured().shape, bool))
