"""Shifts of pairs over a run: judged together, taken out at its end, by live and offline alike."""

import dataclasses

import numpy as np
import pytest
from tomogram import measure
from xsn_run import xsn_run

from xsn_acq.analysis.alignment import NOT_MEASURED, PairShift
from xsn_acq.analysis.pair_retrieval import Aligned, PairRetrieval
from xsn_acq.analysis.pairing import Shot
from xsn_acq.live.aligning import misaligned
from xsn_acq.live.offline import reconstruct
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.run import RunRecord

SIGMA_PX = 0.03
SHAPE = (48, 96)


def pairs(dx, sigma=SIGMA_PX, *, applied=(0.0, 0.0), count=40):
    """Measured shifts along x, with their noise; none along y."""
    rng = np.random.default_rng(4)
    noise = sigma * rng.standard_normal((2, count))
    return [Aligned(PairShift(noise[0, n], dx + noise[1, n], sigma, sigma), applied) for n in range(count)]


def test_an_axis_that_is_right_moves_nothing():
    assert misaligned(pairs(0.0)) == {}


def test_a_wrong_axis_is_taken_out_of_every_pair():
    left = misaligned(pairs(0.4))
    assert sorted(left) == list(range(40))
    for aligned in left.values():
        assert aligned.applied[1] == pytest.approx(0.4, abs=2 * SIGMA_PX)  # noise of one pair 0.03
        assert aligned.applied[0] == pytest.approx(0.0, abs=2 * SIGMA_PX)


def test_what_is_taken_out_is_not_taken_out_again():
    before = pairs(0.4)
    left = misaligned(before)
    assert misaligned([left[n] for n in range(len(before))]) == {}


def test_too_few_shifts_leave_the_calibrated_axis():
    assert misaligned([Aligned(NOT_MEASURED)] * 40) == {}
    assert misaligned(pairs(0.4, count=5)) == {}


def test_a_shift_that_is_known_is_taken_out_of_the_images():
    run = measure(1, shape=SHAPE, photons=1e6)
    one, other = Shot(0, 0.0), Shot(1, 180.0)
    right = PairRetrieval(run.settings, run.dark, run.flat)
    off = dataclasses.replace(run.settings, axis_column=run.settings.axis_column + 0.5)
    wrong = PairRetrieval(off, run.dark, run.flat)
    wanted = right.pair(one, run.frames[0], other, run.frames[1]).field
    left_in = wrong.pair(one, run.frames[0], other, run.frames[1])
    taken_out = wrong.pair(
        one, run.frames[0], other, run.frames[1], Aligned(left_in.aligned.measured, (0.0, 1.0))
    )
    assert left_in.aligned.measured.axis_error == pytest.approx(-0.5, abs=0.1)  # three small spheres
    error = [np.abs(pair.field.alpha - wanted.alpha).max() for pair in (left_in, taken_out)]
    assert error[1] < 0.1 * error[0]  # what is left: two Fourier shifts instead of one, at the borders
    assert taken_out.aligned.applied == (0.0, 1.0)


def test_a_run_with_a_wrong_axis_ends_as_one_with_the_right_axis(tmp_path):
    """20 pairs of three spheres; the axis half a pixel off makes the absorption of all wrong."""
    beta, axis = {}, {}
    for off in (0.0, 0.5):
        made = xsn_run(20, shape=SHAPE, photons=20000.0)
        made.run.acquisition["axis_column"] += off
        record = RunRecord.from_documents(made.run.play(tmp_path / f"frames {off}"))
        stages = []
        paths = reconstruct(
            record, tmp_path / f"out {off}", progress=lambda *told, stages=stages: stages.append(told[0])
        )
        with VolumeFile(paths.volume) as file:
            beta[off] = file.beta[()]
            alignment = dict(file.alignment())
            taken_out = file.per_pair()["taken_out_x"][0]
        axis[off] = float(alignment["axis_error"].split()[0])
        assert ("alignment" in stages) == bool(np.any(taken_out))
    assert axis[0.0] == pytest.approx(0.0, abs=0.03)  # noise of one pair 0.05, of the mean of 20 0.01
    assert axis[0.5] - axis[0.0] == pytest.approx(-0.5, abs=0.03)
    assert np.std(beta[0.5] - beta[0.0]) < 0.2 * np.std(beta[0.0])
