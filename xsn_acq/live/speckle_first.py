"""The first references of a speckle run, before its projections come: it can still be stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xsn_acq.errors import StorageError
from xsn_acq.live.saturation import saturation_warnings
from xsn_acq.live.scan import Scan, frame_set, has_frames
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_light import Light, light_of
from xsn_acq.live.speckle_settings import entry
from xsn_acq.storage.frames import FrameReader
from xsn_acq.storage.run import RunRecord

_STREAMS = ("darks", "flats", "references")


@dataclass(frozen=True)
class FirstLight:
    """What the first references tell; what is wrong with flats, references and light, one line each."""

    light: Light
    warnings: tuple[str, ...]


def first_light(start: Mapping[str, Any], frames: SpeckleFrames) -> FirstLight:
    """Measure the light behind the diffuser.

    Raises
    ------
    ReconstructionError
        There is no speckle.
    """
    light = light_of(start, frames.references[0].image, frames.noise)
    full = saturation_warnings(frames.full_shares, frames.full_scale)
    return FirstLight(light, (*full, *light.warnings(entry(start, "pixel_size_m"), saturated=bool(full))))


def references_are_there(record: RunRecord) -> bool:
    """Whether all darks, flats and references that come before the projections can be read now."""
    return all(_is_there(record, name) for name in _STREAMS)


def first_frames(record: RunRecord) -> SpeckleFrames:
    """References of a run before its projections; of these there are none yet to ask for.

    Raises
    ------
    ReconstructionError
        There are no darks, flats or references.
    StorageError
        See `SpeckleFrames`.
    """
    darks, flats, references = (frame_set(record, name) for name in _STREAMS)
    return SpeckleFrames(Scan(record.start, darks, (flats,), references, references=(references,)))


def _is_there(record: RunRecord, stream: str) -> bool:
    """Whether the last frame of a stream has its counts: announced, it may still read zeros."""
    expected = int(record.start["acquisition"]["expected"].get(stream, 0))
    if not expected or not has_frames(record, stream) or record.streams[stream].n_frames < expected:
        return False
    try:
        with FrameReader(record.streams[stream].resource) as frames:
            return len(frames) >= expected and bool(frames.frame(expected - 1).any())
    except (StorageError, OSError):
        return False
