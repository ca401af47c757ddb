"""A progress bar fed by documents: frames, rate, time left."""

from typing import Any

from tqdm import tqdm


class FrameProgress:
    """Bluesky callback: one bar for each stream of frames."""

    def __init__(self) -> None:
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
            self._bars[stream] = tqdm(total=total, desc=stream, unit="frame", smoothing=0.1, disable=None)
        bar = self._bars[stream]
        bar.update(frames - bar.n)

    def _close(self) -> None:
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()
        self._streams.clear()
