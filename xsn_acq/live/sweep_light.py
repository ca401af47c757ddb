"""How much light each exposure of a sweep had: by the beam monitor, or by the ring current in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row

_LEAST = 0.2
"""Of the usual counts: with less, the beam monitor was lost."""
_MOST_LOST = 0.5
"""When more of the exposures of a pass are without it, the ring current stands in for it."""


@dataclass(frozen=True, eq=False)
class BlockLight:
    """Exposure times light of the exposures of a block, over what was usual in it.

    Attributes
    ----------
    out, within : (n,)
        Without and with the sample; 0 where it is not told.
    by_ring_current : bool
        Whether the ring current stands in for the beam monitor, in both passes.
    """

    out: FloatArray
    within: FloatArray
    by_ring_current: bool


def block_light(
    out: Sequence[Row], within: Sequence[Row], exposure_out_s: float, exposure_within_s: float
) -> BlockLight:
    """Tell the light of a block, of both passes by the same device."""
    both = [_told(rows, "beam_counts_s") for rows in (out, within)]
    lost = any(np.mean(light == 0) > _MOST_LOST for light in both)
    if lost:
        both = [_told(rows, "ring_current_ma") for rows in (out, within)]
    gains = [
        light * exposure_s
        for light, exposure_s in zip(both, (exposure_out_s, exposure_within_s), strict=True)
    ]
    usual = _usual(np.concatenate(gains))
    return BlockLight(gains[0] / usual, gains[1] / usual, lost)


def _told(rows: Sequence[Row], name: str) -> FloatArray:
    """What a device told, 0 where it was lost."""
    found = np.array([row[name] for row in rows], float)
    found = np.where(found > 0, found, 0.0)
    return np.where(found > _LEAST * _usual(found), found, 0.0)


def _usual(values: FloatArray) -> float:
    there = values[values > 0]
    return float(np.median(there)) if there.size else 1.0
