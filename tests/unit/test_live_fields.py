"""The store of fields: what was written is read, a torn pair is made again, a killed writer harms nothing."""

import dataclasses
import os

import h5py
import numpy as np
import pytest

from xsn_acq.analysis.pair_retrieval import Aligned, PairField
from xsn_acq.analysis.retrieval import Field
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.fields import FieldStore

SHAPE = (5, 8)


def pair(number):
    random = np.random.default_rng(number)
    alpha, phi = random.normal(size=(2, *SHAPE)).astype(np.float32)
    theta = (number * 50.0) % 180
    return PairField(number, number + 100, theta, Field(alpha, phi, (0.5, 0.25 / (1 + number))))


def opened(folder, digest="a", capacity=6):
    return FieldStore(folder, digest, capacity=capacity, shape=SHAPE, iterations=2)


@pytest.fixture
def filled(tmp_path):
    with opened(tmp_path) as store:
        for number in range(4):
            store.append(pair(number))
    return tmp_path


def test_pairs_come_back_as_they_were(filled):
    with opened(filled) as store:
        found = list(store.pairs())
        assert store.frames == {0, 1, 2, 3, 100, 101, 102, 103}
    for number, got in enumerate(found):
        want = pair(number)
        assert (got.index_0, got.index_180, got.theta_deg) == (want.index_0, want.index_180, want.theta_deg)
        np.testing.assert_array_equal(got.field.alpha, want.field.alpha)
        np.testing.assert_array_equal(got.field.phi, want.field.phi)
        # the file keeps residuals in float32
        np.testing.assert_allclose(got.field.residual, want.field.residual, rtol=1e-6)


def test_stack_is_ordered_by_angle_and_read_by_rows(filled):
    with opened(filled) as store:
        stack = store.stack()
        rows = stack[:, slice(1, 4), :]
        assert stack.shape == (4, *SHAPE)
        assert store.theta_deg.tolist() == [0.0, 50.0, 100.0, 150.0]
        assert store.stack(slice(1, None, 2)).shape[0] == 2
    for position, number in enumerate((0, 1, 2, 3)):
        field = pair(number).field
        np.testing.assert_array_equal(rows[position], (field.alpha + 1j * field.phi)[1:4])


def numbered(folder, names=("rmse", "strain")):
    return FieldStore(folder, "a", capacity=6, shape=SHAPE, iterations=2, numbers=names)


def test_numbers_of_each_field_come_back_by_rising_angle(tmp_path):
    order = (3, 0, 2, 1)  # 150, 0, 100 and 50 degrees
    with numbered(tmp_path) as store:
        for number in order:
            strain = float("nan") if number == 2 else 0.1 * number
            store.append(dataclasses.replace(pair(number), numbers=(float(number), strain)))
    with numbered(tmp_path) as store:
        assert len(store) == 4  # the checksum holds where a number is not one
        found = store.numbers
        assert [each.numbers[0] for each in store.pairs()] == list(order)
        store.replace(dataclasses.replace(pair(1), numbers=(9.0, 9.0)))
        assert store.numbers["rmse"].tolist() == [0, 9, 2, 3]
    assert found["rmse"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found["strain"], [0.0, 0.1, np.nan, 0.1 * 3])


def test_other_numbers_begin_anew(tmp_path):
    with numbered(tmp_path) as store:
        store.append(dataclasses.replace(pair(0), numbers=(1.0, 2.0)))
        with pytest.raises(ValueError, match="zip"):
            store.append(pair(1))
        assert len(store) == 1
    with numbered(tmp_path, ("rmse", "chi2")) as store:
        assert len(store) == 0
    with opened(tmp_path) as store:
        assert store.numbers == {}


def test_another_digest_begins_anew(filled):
    with opened(filled, digest="b") as store:
        assert len(store) == 0


@pytest.mark.parametrize("dataset", ["alpha", "phi", "records"])
def test_a_torn_pair_alone_is_made_again(filled, dataset):
    with h5py.File(filled / "fields.h5") as file:
        data = file[dataset]
        at = data.id.get_offset() + 2 * data.id.get_storage_size() // 6 + 6
    with open(filled / "fields.h5", "r+b") as raw:
        raw.seek(at)
        before = raw.read(1)
        raw.seek(at)
        raw.write(bytes([before[0] ^ 0xFF]))
    with opened(filled) as store:
        assert [found.index_0 for found in store.pairs()] == [0, 1, 3]  # the last one fills its place
        assert_all_whole(store)
        store.append(pair(2))
    with opened(filled) as store:
        assert [found.index_0 for found in store.pairs()] == [0, 1, 3, 2]
        assert_all_whole(store)


def assert_all_whole(store):
    for found in store.pairs():
        np.testing.assert_array_equal(found.field.phi, pair(found.index_0).field.phi)


def test_a_field_is_replaced_in_its_place(filled):
    better = dataclasses.replace(pair(1), field=pair(3).field, aligned=Aligned(applied=(0.1, 0.2)))
    with opened(filled) as store:
        store.replace(better)
    with opened(filled) as store:
        assert len(store) == 4
        found = list(store.pairs())[1]
        assert (found.index_0, found.aligned.applied) == (1, (0.1, 0.2))
        np.testing.assert_array_equal(found.field.phi, pair(3).field.phi)
        with pytest.raises(ReconstructionError, match="no field of frames 7 and 107"):
            store.replace(pair(7))


def test_a_writer_that_dies_leaves_a_file_that_opens(tmp_path):
    child = os.fork()
    if child == 0:  # leaves without closing anything
        store = opened(tmp_path)
        store.append(pair(0))
        os._exit(0)
    os.waitpid(child, 0)
    with opened(tmp_path) as store:
        assert len(store) == 1


def test_other_programs_read_it_while_it_is_written(tmp_path):
    with opened(tmp_path) as store:
        store.append(pair(0))
        with h5py.File(tmp_path / "fields.h5", "r") as file:
            np.testing.assert_array_equal(file["phi"][0], pair(0).field.phi)
            assert file["records"]["done"].tolist() == [1, 0, 0, 0, 0, 0]


def test_two_processes_do_not_share_a_store(tmp_path):
    with opened(tmp_path), pytest.raises(StorageError, match="another process"):
        opened(tmp_path)
    opened(tmp_path).close()


def test_more_pairs_than_there_can_be_are_refused(tmp_path):
    with opened(tmp_path, capacity=1) as store:
        store.append(pair(0))
        with pytest.raises(ReconstructionError, match="1 pairs at most"):
            store.append(pair(1))
        assert len(store) == 1
    with opened(tmp_path, capacity=1) as store:
        assert len(store) == 1


def test_memory_is_of_a_slab_not_of_the_store(tmp_path):
    """An empty store of a terabyte opens and is read by rows."""
    with FieldStore(tmp_path, "a", capacity=2000, shape=(8192, 8192), iterations=2) as store:
        assert len(store) == 0
        assert (tmp_path / "fields.h5").stat().st_size > 10**12
        assert os.stat(tmp_path / "fields.h5").st_blocks * 512 < 10**7
        assert store.stack().shape == (0, 8192, 8192)
