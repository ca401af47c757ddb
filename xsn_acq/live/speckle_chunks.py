"""The chunk of a speckle reconstruction: fields of some neighbouring angles.

As in `xsn_acq.live.chunks`, a plain function of plain arguments that writes nothing. The first angle of a
chunk starts from Paganin's guess, each further one from the field before, if that has converged.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import astuple
from typing import Any

import numpy as np

from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.pairing import NO_PARTNER
from xsn_acq.analysis.pwf.field import SpeckleField
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.series import FieldSeries
from xsn_acq.analysis.retrieval import Field
from xsn_acq.analysis.shift import centre_on_axis
from xsn_acq.closing import Closing
from xsn_acq.live.chunks import keep
from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_drift import Seen, images_of, still_reference
from xsn_acq.live.speckle_frames import AIR_FRACTION, SpeckleFrames
from xsn_acq.live.speckle_preparing import Prepared
from xsn_acq.live.speckle_scan import SpeckleScan, View
from xsn_acq.live.speckle_settings import plain_settings, settings_from
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fourier import worthwhile_threads

PlainView = tuple[float, list[tuple[int, float, float] | None]]
NUMBERS = ("rmse", "chi2", "gradients", "converged", "strain", "one_material")
"""What is kept of each field beside it; converged, and one_material where nothing speaks against it, are 0 or
1; strain and one_material are NaN where nothing was assumed."""
Retrieved = tuple[PairField, FloatArray]
"""A field, and its RMSE map, float32 (ny, nx)."""


def speckle_job(scan: SpeckleScan, prepared: Prepared, digest: str, *, threads: int = 0) -> str:
    """What all chunks of `retrieve_views` have in common, as JSON; see `xsn_acq.live.chunks`."""
    settings = plain_settings(prepared.settings)
    known = {"scan": scan.plain(), "settings": settings, "axis_column": prepared.axis_column}
    known["seen"] = prepared.seen
    return json.dumps({**known, "threads": threads, "digest": digest})


def plain_view(view: View) -> PlainView:
    """Return a view as plain values."""
    return view.theta_deg, [None if row is None else astuple(row) for row in view.rows]


def retrieve_views(job: str, views: Sequence[PlainView]) -> list[Retrieved]:
    """Fields of some neighbouring angles, the rotation axis in their centre column, air at 0.

    Parameters
    ----------
    job : str
        See `speckle_job`.
    views : sequence of (theta_deg, rows)
        Neighbours; each row is (index, theta_deg, time_s), or None where that position lacks a frame.

    Raises
    ------
    StorageError
        When a frame cannot be read.
    """
    work = keep(job, SpeckleWork)
    work.clear()
    found: list[Retrieved] = []
    for theta, rows in views:
        view = View(theta, tuple(None if row is None else ScanRow(*row) for row in rows))
        found.append(work.centred(view, work.field(view)))
    return found


class SpeckleWork(Closing):
    """Frames of a scan and what retrieves them.

    Parameters
    ----------
    scan, settings : dict
        Plain values, see `speckle_job`.
    axis_column : float
    seen : list
        See `xsn_acq.live.speckle_preparing.Prepared`.
    threads : int
        At most so many for the FFTs; 0: as many as are worth it.
    """

    def __init__(
        self,
        scan: dict[str, Any],
        settings: dict[str, Any],
        axis_column: float,
        seen: Sequence[Sequence[Seen]],
        threads: int = 0,
    ) -> None:
        known = settings_from(settings)
        self._axis_column = axis_column
        worthwhile = worthwhile_threads(known.optics.shape)
        with ExitStack() as opened:
            positions = SpeckleScan.from_plain(scan).positions
            self._frames = [opened.enter_context(SpeckleFrames(each)) for each in positions]
            self._references = [
                still_reference(each.references, air) for each, air in zip(self._frames, seen, strict=True)
            ]
            retrieval = Retrieval(
                known,
                np.stack([each.image for each in self._references]),
                good=~np.any([each.bad for each in self._frames], axis=0),
                workers=min(threads, worthwhile) if threads else worthwhile,
            )
            self._opened = opened.pop_all()
        self._series = FieldSeries(retrieval)

    def field(self, view: View) -> SpeckleField:
        """Field of an angle, as the camera sees it; it starts from the angle before, see `FieldSeries`."""
        images, shifts = images_of(view, self._frames, self._references)
        return self._series.push(images, shifts=shifts)

    def clear(self) -> None:
        """Forget the angle before: another chunk begins."""
        self._series.clear()

    def centred(self, view: View, field: SpeckleField) -> Retrieved:
        """The same as it is stored: air at 0, the axis in the centre column; and its RMSE map."""
        check = field.check
        strain, holds = (np.nan, np.nan) if check is None else (check.strain, float(check.holds))
        seen = field.rmse[field.rmse > 0]
        rmse = float(np.sqrt(np.mean(seen**2))) if seen.size else 0.0
        numbers = (rmse, field.chi2, float(field.gradients), float(field.converged), float(strain), holds)
        alpha, phi = (
            centre_on_axis(without_air(part), self._axis_column) for part in (field.alpha, field.phi)
        )
        pair = PairField(
            view.index, NO_PARTNER, view.theta_deg, Field(alpha, phi, numbers[:1]), numbers=numbers
        )
        return pair, field.rmse

    def close(self) -> None:
        """Close the files."""
        self._opened.close()


def without_air(part: FloatArray) -> FloatArray:
    """Image (ny, nx) whose air, the columns at both borders, is 0 on average."""
    columns = int(np.ceil(AIR_FRACTION * part.shape[1]))
    air = np.concatenate([part[:, :columns], part[:, -columns:]], axis=1)
    return np.asarray(part - np.float32(air.mean(dtype=float)))
