"""A progress bar fed by documents: frames, rate, time left."""

from typing import Any

from tqdm import tqdm


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
