"""Volumes on disk: planes through any voxel, rings taken out."""

import dataclasses

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tomogram import measure
from xsn_run import xsn_run

from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.retrieval import Field
from xsn_acq.analysis.rings import remove_rings
from xsn_acq.analysis.tomography import volume
from xsn_acq.live.executors import InProcess
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.offline import reconstruct
from xsn_acq.live.settings import parameters
from xsn_acq.live.volume import VolumeFile
from xsn_acq.live.volume_writing import write_volume
from xsn_acq.storage.run import RunRecord


def test_a_plane_through_any_voxel_smoothed_or_not_is_that_of_the_whole_volume(tmp_path):
    record = RunRecord.from_documents(xsn_run().run.play(tmp_path / "frames"))
    with VolumeFile(reconstruct(record, tmp_path / "out").volume) as file:
        y, z, x = at = (1, 20, 47)  # near two faces, where the slab that is read is cut short
        whole = gaussian_filter(file.beta[()], 1.5, mode="nearest", truncate=3.0)
        for plane, where in {"xz": np.s_[y], "xy": np.s_[:, z], "zy": np.s_[:, :, x]}.items():
            np.testing.assert_array_equal(file.cut("delta", plane, at), file.delta[where])
            smooth = file.cut("beta", plane, at, sigma=1.5)
            # float32 rounding, of a plane against its volume
            np.testing.assert_allclose(smooth, whole[where], atol=1e-6 * np.abs(whole).max())
        assert file.place_m("x", x) == pytest.approx(23.5 * 40e-9)


def test_rings_are_taken_out_of_a_volume_that_asks_for_it(tmp_path):
    shape, theta = (3, 48), np.arange(9) * 20.0
    random = np.random.default_rng(0)
    fields = random.normal(size=(9, 2, *shape)).astype(np.float32)
    settings = dataclasses.replace(measure(2, shape=(4, 8)).settings, pixel_size_m=60e-9)
    settings = dataclasses.replace(settings, rings="angular_mean")
    with FieldStore(tmp_path, "", capacity=9, shape=shape, iterations=1) as store, InProcess() as here:
        for index, (alpha, phi) in enumerate(fields):
            store.append(PairField(index, 9 + index, theta[index], Field(alpha, phi, (0.0,))))
        write_volume(
            tmp_path / "v.h5",
            store,
            settings.slicing,
            parameters(settings),
            {"uid": "u"},
            executor=here,
            progress=lambda *_: None,
        )
    stack = remove_rings(fields[:, 0] + 1j * fields[:, 1], "angular_mean", pixel_size_m=60e-9)
    sizes = {"pixel_size_m": 60e-9, "wavelength_m": settings.wavelength_m}
    with VolumeFile(tmp_path / "v.h5") as file:
        np.testing.assert_array_equal(file.delta, volume(stack, np.deg2rad(theta), **sizes).imag)
    with h5py.File(tmp_path / "v.h5") as file:
        assert '"rings": "angular_mean"' in file["entry/process/parameters"].asstr()[()]
