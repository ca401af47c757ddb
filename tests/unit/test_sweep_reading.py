"""Frames, spectra and scalers of a sweep are read by their numbers, also while their files grow."""

import h5py
import numpy as np
import pytest
from sweep_run import SweepRun, played
from sweep_scene import SIDE, VORTEX

from xsn_acq.errors import StorageError
from xsn_acq.optics.xspress3 import SCALERS, column
from xsn_acq.storage.frames import path_of
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sweep import SweepReader


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return played(SweepRun(lines=2, per_line=4), tmp_path_factory.mktemp("run"))


def in_file(record, stream, dataset="entry/data/data"):
    with h5py.File(path_of(record.streams[stream].resources[0])) as file:
        return file[dataset][()]


def test_frames_come_in_the_order_asked_for(record):
    whole = in_file(record, "patterns")
    wanted = [5, 6, 7, 2, 0, 1]
    with SweepReader(record, SCALERS) as reader:
        np.testing.assert_array_equal(reader.frames(wanted), whole[wanted])
        assert reader.frames([]).shape == (0, SIDE, SIDE)


def test_what_is_not_there_is_zero(record):
    whole, counts = in_file(record, "patterns"), in_file(record, "spectra")
    with SweepReader(record, SCALERS) as reader:
        found = reader.frames([3, -1, 4, -1])
        spectra, scalers = reader.spectra([-1, 2, -1])
        nothing, none = reader.spectra([-1])
    assert not found[1].any()
    np.testing.assert_array_equal(found[[0, 2]], whole[3:5])
    assert spectra.shape == (3, VORTEX.bins)
    np.testing.assert_array_equal(spectra[1], counts[2, 0])
    assert not spectra[[0, 2]].any()
    assert not scalers[[0, 2]].any()
    assert not nothing.any()
    assert not none.any()


def test_scalers_are_those_of_their_names(record):
    ticks = in_file(record, "spectra", "entry/instrument/NDAttributes/CHAN1SCA0")
    events = in_file(record, "spectra", "entry/instrument/NDAttributes/CHAN1SCA3")
    with SweepReader(record, SCALERS) as reader:
        _, scalers = reader.spectra([4, 1])
        assert reader.spectra_written() == len(ticks) == 10  # 8 patterns, 2 references
    np.testing.assert_array_equal(scalers[:, column("clock_ticks")], ticks[[4, 1]])
    np.testing.assert_array_equal(scalers[:, column("all_events")], events[[4, 1]])


def test_the_dark_is_the_mean_of_the_darks(record):
    with SweepReader(record, SCALERS) as reader:
        np.testing.assert_array_equal(reader.dark(), in_file(record, "darks").mean(axis=0))


@pytest.mark.parametrize("what", ["frames", "spectra"])
def test_more_than_there_is_cannot_be_read(record, what):
    with SweepReader(record, SCALERS) as reader, pytest.raises(StorageError, match="found"):
        getattr(reader, what)([99])


def test_a_scaler_that_is_not_announced_is_missed(record):
    missing = pytest.raises(StorageError, match=r"wanted phase_of_the_moon, found .*clock_ticks")
    with SweepReader(record, ["clock_ticks", "phase_of_the_moon"]) as reader, missing:
        reader.spectra([0])


def test_a_row_can_be_read_once_its_frame_is_in_the_file(tmp_path):
    """Documents are held back: what is announced is always there; the next is not yet."""
    known, row = RunRecord(), {"frame": 5, "spectrum": -1}
    seen = []
    reader = None
    for name, doc in SweepRun(lines=2, per_line=4).play(tmp_path):
        known.add(name, doc)
        if name == "event_page" and reader is None:
            reader = SweepReader(known, SCALERS)
        if name == "event_page":
            seen.append(reader.has(row))
    reader.close()
    assert seen == [False, True, True, True]  # 5 exposures at a time
    assert not reader.has({"frame": 99, "spectrum": -1})
    assert reader.has({"frame": -1, "spectrum": -1})
    reader.close()
