"""Scans of half a turn: one image at each angle, of a sample of one material."""

import numpy as np
import pytest
import tomogram
from tomogram import INDEX, inside
from xsn_run import xsn_run

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.offline import Choices, reconstruct
from xsn_acq.live.results import read_status
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.run import RunRecord

SHAPE = (40, 96)
DELTA, BETA = INDEX["Al"]


@pytest.fixture(scope="module")
def half_turn(tmp_path_factory):
    """Record of 45 frames over 180 degrees of two spheres of aluminium."""
    with pytest.MonkeyPatch.context() as patch:
        spheres = (("Al", -0.7, 0.1, 0.5, 0.40), ("Al", 0.6, -0.2, -0.5, 0.35))
        patch.setattr(tomogram, "SPHERES_UM", spheres)
        made = xsn_run(45, shape=SHAPE, photons=20000.0)
        voxels = inside("Al", SHAPE)
    made.run.projections, made.run.span_deg = 45, 180.0
    made.run.acquisition |= {"step_deg": 4.0, "expected": {"darks": 2, "flats": 3, "projections": 45}}
    folder = tmp_path_factory.mktemp("half turn")
    return RunRecord.from_documents(made.run.play(folder / "frames")), voxels, folder


def test_delta_comes_from_one_image_at_each_angle(half_turn):
    record, voxels, folder = half_turn
    paths = reconstruct(record, folder / "out", choices=Choices(BETA / DELTA))
    with VolumeFile(paths.volume) as file:
        delta, beta, summary = file.delta[()], file.beta[()], file.summary()
    # photon noise and 45 angles leave 1 %; the slowest frequencies, carried by absorption alone, another
    assert delta[voxels].mean() == pytest.approx(DELTA, rel=0.04)
    np.testing.assert_allclose(
        beta, BETA / DELTA * delta, atol=5e-3 * BETA
    )  # tied; 2e-4 of the transform at the border
    assert summary.theta_deg.size == 45
    status = read_status(folder / "out")
    assert (status.pairs, status.expected_pairs, status.state) == (45, 45, "done")


def test_it_is_gone_on_with_and_not_made_again(half_turn, monkeypatch):
    record, _, folder = half_turn
    reconstruct(record, folder / "out", choices=Choices(BETA / DELTA))
    monkeypatch.setattr(
        "xsn_acq.analysis.retrieval.XsnRetrieval.single", lambda *_, **__: pytest.fail("made again")
    )
    reconstruct(record, folder / "out", choices=Choices(BETA / DELTA))


def test_without_the_ratio_it_is_refused_and_told_how(half_turn):
    record, _, folder = half_turn
    with pytest.raises(ReconstructionError, match="--beta-over-delta"):
        reconstruct(record, folder / "refused")
