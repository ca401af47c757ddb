"""Progress bars: of frames, fed by documents, and of the stages of a reconstruction."""

from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from xsn_acq.closing import Closing
from xsn_acq.live.expected import frames_expected

_UNITS: Mapping[str, str] = {"retrieval": "pair", "volume": "row"}
"""What is counted in a stage."""


class FrameProgress:
    """Bluesky callback: a bar for each stream of frames; of a hyperspectral scan one for all projections.

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
        self._scan = _Scan()

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Take one document."""
        if name == "start":
            self._expected = frames_expected(doc)
            whole = doc.get("acquisition", {}).get("expected", {})
            self._scan.begin(doc.get("hyperspectral"), whole.get("projections", 0))
        elif name == "descriptor":
            self._streams[doc["uid"]] = doc["name"]
        elif name == "stream_datum":
            self._advance(self._streams[doc["descriptor"]], int(doc["indices"]["stop"]))
        elif name == "stop" and self._scan.more:
            self._streams.clear()
        elif name == "stop":
            self._close()

    def _advance(self, stream: str, frames: int) -> None:
        if self._scan.begun:
            if stream == "projections":
                self._scan_bar(self._scan.done(frames))
            return
        if stream not in self._bars:
            total = self._expected.get(stream)
            what = f"{stream}{self._speed}"
            self._bars[stream] = tqdm(total=total, desc=what, unit="frame", smoothing=0.1, disable=None)
        bar = self._bars[stream]
        bar.update(frames - bar.n)

    def _scan_bar(self, frames: int) -> None:
        """Show how far a whole scan is."""
        scan = self._scan
        if not self._bars:
            options = {"initial": scan.done(0), "total": scan.total, "smoothing": 0.0, "disable": None}
            self._bars["scan"] = tqdm(unit="frame", **options)
        bar = self._bars["scan"]
        bar.set_description(f"{scan.name}{self._speed}", refresh=False)
        bar.update(frames - bar.n)

    def _close(self) -> None:
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
        self._streams.clear()


class _Scan:
    """Where in a hyperspectral scan the run is that goes on."""

    def __init__(self) -> None:
        self._part: Mapping[str, Any] = {}
        self._projections = self._taken = 0

    def begin(self, part: Mapping[str, Any] | None, projections: int) -> None:
        """Take in a run's start: its entry ``hyperspectral`` if any, and frames at one energy."""
        self._part, self._projections = part or {}, projections
        self._taken = sum(last - first + 1 for first, last in self._part.get("taken", []))

    @property
    def begun(self) -> bool:
        """Whether the run is one of a scan."""
        return bool(self._part) and self._part["number"] is not None

    @property
    def more(self) -> bool:
        """Whether energies follow."""
        return self.begun and self._part["number"] + 1 < self._part["count"]

    @property
    def name(self) -> str:
        """The energy, and its number."""
        part, number = self._part, self._part["number"]
        return f"{number + 1}/{part['count']}, {part['energies_ev'][number]:g} eV"

    @property
    def total(self) -> int:
        """Projections of the whole scan."""
        return int(self._part["count"]) * self._projections

    def done(self, frames: int) -> int:
        """Projections up to now, with so many frames of this run; frames retaken do not count."""
        here = min(self._taken + frames, self._projections)
        return int(self._part["number"]) * self._projections + here


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
