"""Patterns without frame or spectrum: single ones are left out later, many in a row are a failure."""

import logging
from collections.abc import Sequence

from xsn_acq.errors import DeviceError
from xsn_acq.plans.detectors import FRAMES
from xsn_acq.plans.exposing import Shot
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.pattern_rows import NONE, PatternRow

logger = logging.getLogger(__name__)

_LOOK = "look at its trigger"
MOST_MISSING = 5
"""So many patterns in a row without a frame or spectrum: a device has failed."""
MOST_UNTOLD = 2
"""The same for lines that were flown, whose frames came but cannot be told apart."""


class Lacking:
    """Patterns of a sweep that lack a frame, or a spectrum: what its stop document says of them."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._lacking: set[int] = set()

    def note(self, rows: Sequence[PatternRow]) -> None:
        """Take note of rows that stand, and tell which of them lack something."""
        self._seen.update(row.pattern for row in rows)
        lacking = [row.pattern for row in rows if row.status == "missing"]
        self._lacking.update(lacking)
        if lacking:
            patterns = ", ".join(map(str, lacking))
            logger.warning("patterns without frame or spectrum (%s): %s", rows[0].kind, patterns)

    @property
    def reason(self) -> str:
        """That the sweep is incomplete; empty where it is not."""
        if not self._lacking:
            return ""
        return f"incomplete: {len(self._lacking)} of {len(self._seen)} patterns lack frame or spectrum"


class MissingFrames:
    """Counts them.

    Parameters
    ----------
    devices : StructuredInstrument
    """

    def __init__(self, devices: StructuredInstrument) -> None:
        self._devices, self._missing, self._untold = devices, 0, 0

    def count(self, shots: Sequence[Shot], *, spectra: bool) -> None:
        """Look at more patterns; ``spectra``: each should have a spectrum.

        Raises
        ------
        DeviceError
            Detector, or position compare where it sent no pulses, and what is lacking.
        """
        untold = shots[0].untold
        self._untold = self._untold + 1 if untold else 0
        if self._untold > MOST_UNTOLD:
            device = self._devices.camera if FRAMES in untold else self._devices.vortex
            found = f"fewer in {self._untold} lines, and no whole line to tell which are lacking"
            raise DeviceError(device.name, "expose", "as many frames as pulses", found, hint=_LOOK)
        if untold:
            return
        for shot in shots:
            complete = shot.frame != NONE and (shot.spectrum != NONE or not spectra)
            self._missing = 0 if complete else self._missing + 1
            if self._missing > MOST_MISSING:
                name, what, hint = self._lacking(shot)
                found = f"none for {self._missing} patterns"
                raise DeviceError(name, "expose", f"a {what} for each pattern", found, hint=hint)

    def _lacking(self, shot: Shot) -> tuple[str, str, str]:
        """Device, what it lacks, what to do."""
        if not shot.gated:
            return self._devices.position_compare.name, "pulse", "look at the encoder of sandpaper_fine_x"
        device = self._devices.camera if shot.frame == NONE else self._devices.vortex
        return device.name, "frame", _LOOK
