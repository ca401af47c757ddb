"""A synthetic speckle scan becomes a volume; what was retrieved is not retrieved again."""

import json

import pytest
from speckle_run import SpeckleRun

from xsn_acq.live import speckle_reconstruction
from xsn_acq.live.speckle_reconstruction import reconstruct_speckle
from xsn_acq.live.speckle_settings import SpeckleChoices
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.run import RunRecord

GIVEN = SpeckleChoices(mu=30.0, background=False)


@pytest.fixture(autouse=True)
def _without_report(monkeypatch):
    """Drawing a page takes longer than these reconstructions; `test_report` looks at it."""
    monkeypatch.setattr(speckle_reconstruction, "report_on", lambda path, record: None)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    run = SpeckleRun(projections=9, references_after=2)
    return RunRecord.from_documents(run.play(tmp_path_factory.mktemp("frames")))


def test_a_scan_becomes_a_volume(record, tmp_path):
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    with VolumeFile(paths.volume) as volume:
        delta = volume.delta[()]
        assert volume.parameters["technique"] == "pwf"
        assert len(volume.summary().theta_deg) == 9
        assert set(volume.per_pair()) == {"rmse", "chi2", "gradients", "strain"}
    print(delta.shape, delta.max())
    assert json.loads((tmp_path / "live.json").read_text())["state"] == "done"
