"""Progress bars: of frames, fed by documents, and of the stages of a reconstruction."""

from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from xsn_acq.closing import Closing

_UNITS: Mapping[str, str] = {"retrieval": "pair", "volume": "row"}
"""What is counted in a stage."""


class FrameProgress:
    """Bluesky callback: one bar for each stream of frames.

    Parameters
    ----------
    speed : float
        Of a simulated beamline's clock: it is said where it is not 1, because the bar's times are real ones.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = "" if speed == 1.0 else f" at {speed:g} times real time"
        self._streams: dict[str, str] = {}
        self._expected: dict[str, int] = {}
        self._bars: dict[str, tqdm] = {}

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take one document."""
        if name == "start":
            self._expected = doc.get("acquisition", {}).get("expected", {})
        elif name == "descriptor":
            self._streams[doc["uid"]] = doc["name"]
        elif name == "stream_datum":
            self._advance(self._streams[doc["descriptor"]], int(doc["indices"]["stop"]))
        elif name == "stop":
            self._close()

    def _advance(self, stream: str, frames: int) -> None:
        if stream not in self._bars:
            total = self._expected.get(stream)
            what = f"{stream}{self._speed}"
            self._bars[stream] = tqdm(total=total, desc=what, unit="frame", smoothing=0.1, disable=None)
        bar = self._bars[stream]
        bar.update(frames - bar.n)

    def _close(self) -> None:
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
        self._streams.clear()


class StageProgress(Closing):
    """A progress bar for each stage of a reconstruction, on a terminal; see `xsn_acq.live.reconstruction`."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take in how far a stage is."""
        if stage != self._stage:
            self.close()
            self._stage = stage
            unit = _UNITS.get(stage, "")
            self._bar = tqdm(desc=stage, unit=unit, initial=done, total=total, disable=self._quiet or None)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
