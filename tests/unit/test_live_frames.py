"""Frames that a reconstruction lacks are named."""

import pytest
from documents import SyntheticRun

from xsn_acq.errors import ReconstructionError
from xsn_acq.live.scan import scan_of_run
from xsn_acq.storage.run import RunRecord


@pytest.mark.parametrize("stream", ["darks", "flats", "projections"])
def test_a_run_broken_off_too_early_says_what_it_lacks(tmp_path, stream):
    record = RunRecord.from_documents(SyntheticRun().play(tmp_path))
    scan_of_run(record)
    del record.streams[stream]
    with pytest.raises(ReconstructionError, match=f"wanted {stream}, found none; the run ended too early"):
        scan_of_run(record)
