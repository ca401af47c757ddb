"""Fields angle by angle: where each starts, alone and in the chunks of a scan."""

from types import SimpleNamespace

import numpy as np
import pytest
from speckle_run import SpeckleRun
from speckle_stand_in import know_the_light

from xsn_acq.analysis.pwf.series import FieldSeries
from xsn_acq.live import speckle_chunks
from xsn_acq.live.chunks import let_go
from xsn_acq.live.speckle_chunks import plain_view, retrieve_views, speckle_job
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_preparing import prepare
from xsn_acq.live.speckle_scan import speckle_scan
from xsn_acq.live.speckle_settings import SpeckleChoices
from xsn_acq.storage.run import RunRecord

SHAPE = (16, 24)
GIVEN = SpeckleChoices(mu=30.0, beta_over_delta=0.003, axis_column=11.5)


class Retrieval:
    """Fields without content; the second one has not converged."""

    made = None

    def __init__(self, *_, **__):
        self.asked = []
        type(self).made = self

    def retrieve(self, projections, start=None, *, shifts=None):
        self.asked.append((start, shifts))
        zero, number = np.zeros(SHAPE, np.float32), len(self.asked)
        known = {"number": number, "converged": number != 2, "chi2": 1.0, "gradients": 1, "check": None}
        return SimpleNamespace(alpha=zero, phi=zero, rmse=zero, **known)

    @property
    def starts(self):
        return [0 if start is None else start.number for start, _ in self.asked]


def test_a_field_that_has_not_converged_is_no_start():
    retrieval = Retrieval()
    series = FieldSeries(retrieval)
    for number in range(4):
        series.push(np.ones((1, *SHAPE)), shifts=[(float(number), 0.0)])
    assert retrieval.starts == [0, 1, 0, 3]
    assert [shifts for _, shifts in retrieval.asked] == [[(float(number), 0.0)] for number in range(4)]
    assert series.value().number == 4


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Five angles of one run, and what a chunk needs to know."""
    know_the_light(monkeypatch)
    run = RunRecord.from_documents(SpeckleRun(shape=SHAPE, projections=5).play(tmp_path))
    scan, views = speckle_scan([run])
    with SpeckleFrames(scan.positions[0]) as frames:
        prepared = prepare(scan.start, [frames], views, GIVEN)
    monkeypatch.setattr(speckle_chunks, "Retrieval", Retrieval)
    made = speckle_job(scan, prepared, "series")
    yield made, [plain_view(view) for view in views]
    let_go(jobs=[made])


def test_a_chunk_starts_anew_and_follows_the_same_rule(job):
    made, views = job
    retrieve_views(made, views[:3])
    retrieve_views(made, views[3:])
    assert Retrieval.made.starts == [0, 1, 0, 0, 4]
    assert all(shifts == [(0.0, 0.0)] for _, shifts in Retrieval.made.asked)
