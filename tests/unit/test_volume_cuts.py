"""Planes through any voxel of a volume on disk."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from xsn_run import xsn_run

from xsn_acq.live.offline import reconstruct
from xsn_acq.live.volume import VolumeFile
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
