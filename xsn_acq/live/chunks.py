"""The two chunks of a reconstruction: fields of some pairs, slices of some rows.

Plain functions of plain arguments, so that they run in this process, in others, or on other machines that see
the same files. A chunk writes nothing: who asked for it does.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from xsn_acq.analysis.pair_retrieval import Aligned, PairField, PairRetrieval
from xsn_acq.analysis.pairing import Shot
from xsn_acq.analysis.slicing import Slicing
from xsn_acq.analysis.tomography import FilteredBackProjection
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.closing import Closing
from xsn_acq.live.field_stack import FieldStack
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.frames import ScanFrames
from xsn_acq.live.scan import Scan, ScanRow
from xsn_acq.live.settings import parameters, settings_from
from xsn_acq.optics.arrays import ComplexArray

Work = TypeVar("Work", bound=Closing)
PlainRow = tuple[int, float, float]
PlainPair = tuple[PlainRow, PlainRow | None, Aligned | None]

_kept: dict[int, tuple[str, Closing]] = {}
"""What each thread keeps from one chunk to the next, and of which job: open files, filters, plans."""


def retrieval_job(scan: Scan, settings: XsnSettings, digest: str, *, threads: int = 0) -> str:
    """What all chunks of `retrieve` have in common, as JSON.

    ``digest``: of all that the fields depend on, so that work kept for another scan in the same place is not
    taken for this one's. ``threads``: see `PairRetrieval`.
    """
    known = {"scan": scan.plain(), "settings": parameters(settings), "threads": threads}
    return json.dumps({**known, "digest": digest})


def retrieve(job: str, pairs: Sequence[PlainPair]) -> list[PairField]:
    """Fields of some pairs.

    Parameters
    ----------
    job : str
        See `retrieval_job`.
    pairs : sequence of ((index, theta_deg, time_s), (index, theta_deg, time_s), Aligned or None)
        Frames half a turn apart, and the shift between them where it is known. None in the place of the
        second frame: the first is retrieved alone.

    Raises
    ------
    StorageError
        When a frame cannot be read.
    """
    work = keep(job, _Retrieval)
    return [work.field(one, other, aligned) for one, other, aligned in pairs]


def volume_job(store: FieldStore, slicing: Slicing, *, threads: int = 0) -> str:
    """What all chunks of `backproject` have in common, as JSON.

    ``threads``: see `FilteredBackProjection`.
    """
    return json.dumps(
        {
            "path": str(store.path.absolute()),
            "order": store.order.tolist(),
            "theta_deg": store.theta_deg.tolist(),
            "shape": store.shape,
            "threads": threads,
            "slicing": asdict(slicing),
            "digest": hashlib.sha256(store.fingerprint).hexdigest(),
        }
    )


def backproject(job: str, start: int, stop: int) -> tuple[ComplexArray, int]:
    """Slices of rows ``start`` to ``stop - 1``.

    Parameters
    ----------
    job : str
        See `volume_job`.
    start, stop : int

    Returns
    -------
    complex64 (stop - start, nz, nx)
        beta + i delta.
    int
        Slices that keep their background, see `Slicing.slices`.
    """
    return keep(job, _BackProjection).slices(start, stop)


def let_go(*, thread: int | None = None, jobs: Collection[str] | None = None) -> None:
    """Close and forget what this process keeps: of one thread or all, of some jobs or all."""
    for one, (job, work) in list(_kept.items()):
        if thread in (None, one) and (jobs is None or job in jobs):
            del _kept[one]
            work.close()


class _Retrieval(Closing):
    def __init__(self, scan: dict[str, Any], settings: dict[str, Any], threads: int) -> None:
        self._frames = ScanFrames(Scan.from_plain(scan))
        shape = self._frames.dark.shape
        self._retrieval = PairRetrieval(
            settings_from(settings), np.zeros(shape), np.ones(shape), threads=threads
        )

    def field(self, first: PlainRow, second: PlainRow | None, aligned: Aligned | None) -> PairField:
        one = ScanRow(*first)
        if second is None:
            return self._retrieval.single(Shot(one.index, one.theta_deg), self._frames.transmission(one))
        other = ScanRow(*second)
        shots = Shot(one.index, one.theta_deg), Shot(other.index, other.theta_deg)
        images = self._frames.transmission(one), self._frames.transmission(other)
        return self._retrieval.pair(shots[0], images[0], shots[1], images[1], aligned)

    def close(self) -> None:
        self._frames.close()


class _BackProjection(Closing):
    def __init__(
        self,
        path: str,
        order: list[int],
        theta_deg: list[float],
        shape: tuple[int, int],
        threads: int,
        slicing: dict[str, Any],
    ) -> None:
        self._slicing = Slicing(**slicing)
        self._stack = FieldStack.open(Path(path), np.asarray(order), (shape[0], shape[1]))
        self._projection = FilteredBackProjection(shape[1], np.deg2rad(theta_deg), threads=threads)

    def slices(self, start: int, stop: int) -> tuple[ComplexArray, int]:
        return self._slicing.slices(self._stack[:, slice(start, stop), :], self._projection)

    def close(self) -> None:
        self._stack.close()


def keep(job: str, make: Callable[..., Work]) -> Work:
    """What this thread made for this job of its plain values; that of an earlier job is closed."""
    thread = threading.get_ident()
    found = _kept.get(thread)
    if found is None or found[0] != job:
        if found is not None:
            del _kept[thread]
            found[1].close()
        known = json.loads(job)
        known.pop("digest")
        _kept[thread] = (job, make(**known))
    return cast("Work", _kept[thread][1])
