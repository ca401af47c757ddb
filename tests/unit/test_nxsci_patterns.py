import numpy as np
import pytest
from pixel_axes import axis
from speckle_frames import PIXEL_UM, passes, patterns

from xsn_acq.analysis.nxsci.patterns import (
    Flaw,
    flaws,
    move_patterns,
    normalise_patterns,
    register_passes,
)
from xsn_acq.errors import ReconstructionError
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.structured_imaging import transmission


@pytest.fixture(scope="module")
def frames():
    out, within, moved = passes(8, 64, 1000.0, 1)
    return out, within, moved


def test_shifts_between_passes_come_out(frames):
    out, within, moved = frames
    found = register_passes(out, within)
    # 1000 photons a pixel: 0.01 expected, and some from what the sample blurs into the light
    assert np.abs(found.shift - moved).max() < 0.03
    assert found.sigma.max() < 0.05
    assert found.significance.min() > 20


def test_shifts_come_out_where_the_sample_hides_half(frames):
    out, within, moved = frames
    hidden = np.random.default_rng(0).poisson(np.where(np.arange(64) < 32, 0.02, 1.0) * within)
    found = register_passes(out, hidden.astype(float))
    assert np.abs(found.shift - moved).max() < 0.1  # standard errors are up to 0.04


def test_what_shows_another_pattern_is_not_moved(frames):
    out, within, _ = frames
    other = register_passes(out, within[::-1])
    assert not other.shift.any()
    assert np.isinf(other.sigma).all()
    assert other.significance.max() < 6
    dark = register_passes(out[:1], np.zeros_like(out[:1]))
    assert dark.significance[0] == 0


def best_ratio(out, within):
    """Least squares of within = T out in each pixel."""
    return (out * within).sum(axis=0) / (out.astype(float) ** 2).sum(axis=0)


def test_moved_patterns_are_those_of_the_other_pass(frames):
    out, within, moved = frames
    there = move_patterns(normalise_patterns(out, np.zeros((64, 64))).patterns, moved)
    assert there.mean(axis=(1, 2)) == pytest.approx(1, abs=1e-5)
    inner = (slice(None), slice(3, -3), slice(3, -3))  # what comes in at the border was not seen
    seen = best_ratio(there[inner], normalise_patterns(within, np.zeros((64, 64))).patterns[inner])
    x = axis(64, PIXEL_UM)
    true = transmission(phantom("three_cathodes"), 9000.0, 0.0, x, x)[3:-3, 3:-3]
    ratio = seen / true / np.median(seen / true)
    # 8 patterns of 1000 photons: 1.6 %, and the microscope's blur at the particles' rims
    assert np.std(ratio) < 0.04
    still = best_ratio(out[inner], within[inner])
    assert np.std(still / true) > 3 * np.std(ratio)


def test_normalised_patterns_have_mean_one_and_tell_their_light():
    true = patterns(5, 32, 2)
    gain, dark = np.array([1.0, 2.0, 0.5, 1.0, 1.0]), np.full((32, 32), 100.0)
    raw = 800 * gain[:, None, None] * true + dark
    raw[3] = dark  # no light
    found = normalise_patterns(raw, dark, gain=gain)
    lit = [0, 1, 2, 4]
    mean = true.mean(axis=(1, 2))
    assert found.patterns[lit] == pytest.approx(true[lit] / mean[lit, None, None], rel=1e-5)  # float32
    assert found.light[lit] == pytest.approx(800 * mean[lit], rel=1e-6)
    assert found.light[3] == 0
    assert not found.patterns[3].any()


def test_each_flaw_is_told():
    rng, true = np.random.default_rng(3), patterns(8, 32, 2)
    raw = rng.poisson(500 * true) + 100
    raw[1] = 0  # no file
    raw[3] = raw[2]  # the camera gave the same picture again
    raw[5] = rng.poisson(500 * true[4]) + 100  # the stage stood still
    raw[6] = rng.poisson(10 * true[6]) + 100  # a shutter closed early
    raw[7, 4, 5] = 4095
    found = flaws(raw, np.full((32, 32), 100.0), saturation=4095)
    wanted = [0, Flaw.MISSING, 0, Flaw.STUCK, 0, Flaw.STUCK, Flaw.DARK, Flaw.SATURATED]
    assert found.tolist() == [int(flaw) for flaw in wanted]
    lost = raw.astype(float)
    lost[0, 0, 0] = np.nan
    assert flaws(lost, np.full((32, 32), 100.0))[0] == Flaw.MISSING


def test_what_does_not_fit_is_refused():
    stack = np.ones((3, 4, 5))
    with pytest.raises(ReconstructionError, match=r"dark \(ny, nx\), found \(3, 4, 5\) and \(5, 4\)"):
        normalise_patterns(stack, np.zeros((5, 4)))
    with pytest.raises(ReconstructionError, match="gain: wanted values above 0, found 0"):
        normalise_patterns(stack, np.zeros((4, 5)), gain=[1, 0, 1])
    with pytest.raises(ReconstructionError, match="as many frames of one shape"):
        register_passes(stack, stack[:2])
