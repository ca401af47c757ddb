"""Fluorescence detector with its Xspress3 and file writer, as a bluesky flyer."""

from collections.abc import Sequence
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ophyd import Component as Cpt

from xsn_acq.devices.frame_driver import FrameDriver
from xsn_acq.devices.frame_file import ATTRIBUTES, FrameDocuments
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.devices.xspress3_driver import Xspress3Driver
from xsn_acq.errors import DeviceError
from xsn_acq.units import EPICS_EPOCH_S

SCALERS = {
    "clock_ticks": "CHAN1SCA0",
    "reset_ticks": "CHAN1SCA1",
    "reset_counts": "CHAN1SCA2",
    "all_events": "CHAN1SCA3",
    "all_good": "CHAN1SCA4",
    "window_1": "CHAN1SCA5",
    "window_2": "CHAN1SCA6",
    "pile_up": "CHAN1SCA7",
    "event_width": "CHAN1EventWidth",
    "dead_time_factor": "CHAN1DTFactor",
    "dead_time_percent": "CHAN1DTPercent",
}
"""What is counted beside a spectrum: our names, and the datasets in the file, as the Xspress3 names them."""
CLOCK_HZ = 80e6
"""Of the ticks."""
_CHUNK = 1024


class SpectrumFlag(IntFlag):
    """What is wrong with a spectrum; it is kept all the same."""

    SATURATED = 1
    """So much of the time was dead that counts cannot be corrected for it."""
    NO_DEAD_TIME = 2
    """The scalers do not tell how much of the time was dead."""


class Vortex(FrameFlyer):
    """Silicon drift detector on an Xspress3 with NDFileHDF5, one file for each `SpectraSetup`.

    See `FrameFlyer`. Spectra are counted by the Xspress3 (FRAME_COUNT) and by the writer (NumCaptured): in
    gate mode there is one for each gate, and `complete` fails when one is missing. They are raw counts; the
    scalers go along, from which dead time is corrected later. A saturated spectrum is flagged, no failure.

    Parameters
    ----------
    bins : int
        Of a spectrum.
    dead_time_s : float
        What an event costs.
    most_dead : float
        With more than this share of the time dead, a spectrum is flagged.
    """

    det = Cpt(Xspress3Driver, "det1:")

    number_names = ("NDArrayTimeStamp", *SCALERS.values())

    def __init__(
        self, prefix: str, *, name: str, bins: int, dead_time_s: float, most_dead: float, **kwargs: Any
    ) -> None:
        super().__init__(prefix, name=name, **kwargs)
        self._bins, self._event_ticks, self._most_dead = bins, dead_time_s * CLOCK_HZ, most_dead

    @property
    def driver(self) -> FrameDriver:
        """The Xspress3."""
        return self.det

    @property
    def spectra_key(self) -> str:
        """Key of the spectra in descriptors."""
        return f"{self.name}_spectra"

    def scaler_key(self, scaler: str) -> str:
        """Key in descriptors of one of `SCALERS`."""
        return f"{self.name}_{scaler}"

    def frame_times_s(self) -> NDArray[np.float64]:
        """Read the Unix time at which each spectrum was read out, shape (frames,).

        It is in another attribute than the camera's: this driver sets no EPICS time stamp.
        """
        times: NDArray[np.float64] = self.frame_numbers()[:, 0] + EPICS_EPOCH_S
        return times

    def scalers(self) -> NDArray[np.float64]:
        """Read the scalers of each spectrum in the file, (frames, 11), in the order of `SCALERS`."""
        return self.frame_numbers()[:, 1:]

    def frame_flags(self) -> NDArray[np.uint8]:
        """Tell what is wrong with each spectrum in the file, (frames,): `SpectrumFlag`, 0 for nothing."""
        scalers = dict(zip(SCALERS, self.scalers().T, strict=True))
        ticks, resets, events = scalers["clock_ticks"], scalers["reset_ticks"], scalers["all_events"]
        known = np.isfinite(ticks + resets + events) & (ticks > 0)
        dead = events * self._event_ticks + resets
        saturated = known & (dead > self._most_dead * ticks)
        flags = SpectrumFlag.SATURATED * saturated + SpectrumFlag.NO_DEAD_TIME * ~known
        return flags.astype(np.uint8)

    def describe_collect(self) -> dict[str, dict[str, Any]]:
        """Describe spectra, [1, bins], and scalers of the present file."""
        self._prepared("describe")
        common = {"source": f"PV:{self.prefix}HDF1:", "external": "STREAM:"}
        spectra = {"shape": [1, self._bins], "dtype": "array", "dtype_numpy": "<u4"}
        number = {"shape": [], "dtype": "number", "dtype_numpy": "<f8"}
        scalers = {self.scaler_key(name): {**common, **number} for name in SCALERS}
        return {self.spectra_key: {**common, **spectra}, **scalers}

    def _apply(self, setup: SpectraSetup) -> None:
        self.det.apply(setup, self._bins)

    def _describe_file(self, setup: SpectraSetup) -> Sequence[FrameDocuments]:
        spectra = FrameDocuments(self.spectra_key, setup.path, (1, self._bins))
        scalers = (
            FrameDocuments(self.scaler_key(name), setup.path, (), f"{ATTRIBUTES}/{dataset}", _CHUNK)
            for name, dataset in SCALERS.items()
        )
        return [spectra, *scalers]

    def _check(self, operation: str, frames: int) -> None:
        self.det.check_raw(operation)
        found = len(self.frame_numbers()) if frames else 0
        if found < frames:
            hint = "does the Xspress3's attributes file (NDAttributesFile) name them all?"
            raise DeviceError(self.name, operation, frames, found, "frames with scalers in the file", hint)
