"""Two images of each pattern become a pattern at the sample, and the sample's transmission."""

import numpy as np
import pytest
from sweep_scene import PATTERN_SHIFT, scene

from xsn_acq.analysis.nxsci.pairs import Exclusion, pair_patterns

DARK, PHOTONS, NUMBER = 100.0, 3000.0, 12
MONITOR = 1e5


@pytest.fixture(scope="module")
def images():
    """Raw frames of the first 12 patterns without and with the sample, and the beam monitor's counts."""
    rng, there = np.random.default_rng(5), scene(4, 10)
    light = 1 + 0.3 * rng.random((2, NUMBER))
    out, within = (
        rng.poisson(DARK + PHOTONS * bright[:, None, None] * expected[:NUMBER]).astype(float)
        for bright, expected in zip(light, (there.out, there.within), strict=True)
    )
    return out, within, MONITOR * light


def paired(images, **options):
    out, within, gain = images
    return pair_patterns(out, within, np.full(out.shape[1:], DARK), *gain, **options)


def changed(images, *changes):
    """Copies of the images; each change is (0 out or 1 within, pattern, image)."""
    out, within, gain = images
    frames = (out.copy(), within.copy())
    for which, number, image in changes:
        frames[which][number] = image
    return (*frames, gain)


def test_patterns_come_to_where_they_were_with_the_sample(images):
    found = paired(images)
    assert not found.excluded.any()
    # one pattern is found to 0.05 px with so many photons; the median of 12 better
    assert found.shift == pytest.approx(PATTERN_SHIFT[0], abs=0.05)
    np.testing.assert_allclose(found.patterns.mean(axis=(1, 2)), 1.0, rtol=1e-5)


def test_the_light_is_the_mean_for_each_count(images):
    wanted = PHOTONS / MONITOR * scene(4, 10).out[:NUMBER].mean(axis=(1, 2))
    # a mean over 1024 pixels of 3000 photons: 0.0006
    np.testing.assert_allclose(paired(images).light, wanted, rtol=4 * 0.0006)


def test_the_transmission_is_the_samples(images):
    found = paired(images)
    inner = (slice(2, -2), slice(2, -2))  # what lies outside the field is not known, and 0.3 px of it come in
    error = (found.top / found.bottom - scene(4, 10).transmission)[inner]
    # photons: 0.005 of 12 patterns; light varies within a pixel and is blurred with the sample: 0.01
    assert np.sqrt(np.mean(error**2)) < 0.02


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("fault", ["missing", "shut", "saturated", "stuck"])
def test_a_frame_that_is_no_pattern_is_left_out(images, which, fault):
    frames = images[which]
    wrong = {
        "missing": np.zeros_like(frames[0]),
        "shut": np.random.default_rng(1).poisson(DARK, frames[0].shape),
        "saturated": np.where(frames[5] > np.percentile(frames[5], 98), 65535.0, frames[5]),
        "stuck": frames[4] + np.random.default_rng(2).normal(0, 10, frames[0].shape),
    }[fault]
    found = paired(changed(images, (which, 5, wrong)), saturation=65535.0)
    wanted = np.zeros(NUMBER, int)
    wanted[5] = Exclusion.FRAME  # and no other reason: two images of which one is missing do not differ
    np.testing.assert_array_equal(found.excluded, wanted)
    assert found.shift == pytest.approx(PATTERN_SHIFT[0], abs=0.05)


@pytest.mark.parametrize("other", range(12, 20))
def test_another_pattern_with_the_sample_is_left_out(images, other):
    """Two places of one sheet may overlap by half, and are then found again: pixels away."""
    found = paired(changed(images, (1, 5, scene(4, 10).within[other] * PHOTONS + DARK)))
    assert list(np.flatnonzero(found.excluded)) == [5]
    assert found.excluded[5] == Exclusion.PATTERNS_DIFFER


@pytest.mark.parametrize("which", [0, 1])
def test_no_light_told_is_left_out(images, which):
    out, within, gain = images
    gain = gain.copy()
    gain[which, 3] = 0.0
    found = paired((out, within, gain))
    assert list(np.flatnonzero(found.excluded)) == [3]
    assert found.excluded[3] == Exclusion.BEAM_MONITOR


def test_what_is_left_out_is_not_in_the_transmission(images):
    glare = np.full_like(images[0][0], 60000.0)
    broken = paired(changed(images, (1, 5, glare)))
    kept = np.arange(NUMBER) != 5
    out, within, gain = images
    whole = paired((out[kept], within[kept], gain[:, kept]))
    # the same patterns; the shift is the median of the same
    np.testing.assert_allclose(broken.top / broken.bottom, whole.top / whole.bottom, rtol=1e-9)
    assert broken.good.sum() == NUMBER - 1


def test_all_left_out(images):
    out, within, gain = images
    found = paired((out, within, np.zeros_like(gain)))
    assert (found.excluded == Exclusion.BEAM_MONITOR).all()
    assert not found.bottom.any()
    assert list(found.shift) == [0.0, 0.0]
