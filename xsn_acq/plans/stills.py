"""Series of frames with nothing moving: darks and flats."""

from collections.abc import Callable
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import short_uid

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.errors import SpoiltFramesError
from xsn_acq.plans.steps import POLL_S, Plan, finished, step

FLUSH_S = 1.0
"""Between announcements of new frames, seconds."""


def open_stream(camera: Any, setup: CameraSetup) -> Plan:
    """Open the file of a stream and declare the stream."""
    yield from finished(bps.prepare(camera, setup, wait=True))
    yield from bps.declare_stream(camera, name=setup.stream, collect=True)


def spoilt_frames(camera: str, stream: str) -> SpoiltFramesError:
    """The error of frames that have no ledger and were interrupted."""
    return SpoiltFramesError(
        camera, stream, "beam and no pause", "an interruption", hint="start the run again"
    )


def take_frames(camera: Any, setup: CameraSetup, *, spoilt: Callable[[], bool] = lambda: False) -> Plan:
    """Take the frames of ``setup`` into their file, as a stream of the open run; close the file.

    Raises
    ------
    DeviceError
        They are ``spoilt``: looked at once a second, and at the end.
    """
    yield from open_stream(camera, setup)
    yield from expose(camera, setup.stream, spoilt=spoilt)
    yield from step("camera close file", camera.close_file)


def expose(camera: Any, stream: str, *, spoilt: Callable[[], bool] = lambda: False) -> Plan:
    """Take the frames the camera is armed for, and announce them; the file stays open.

    Raises
    ------
    DeviceError
        They are ``spoilt``: looked at once a second, and at the end.
    """
    yield from finished(bps.kickoff(camera, wait=True))
    group = short_uid("frames")
    taken = yield from bps.complete(camera, group=group)
    while True:
        known = yield from bps.wait(group, timeout=FLUSH_S, error_on_timeout=False)
        ended = taken is None or taken.done
        yield from bps.collect(camera, name=stream)
        if spoilt():
            raise spoilt_frames(camera.name, stream)
        if ended:
            return
        if known:  # after a pause the RunEngine knows the group no more
            yield from bps.sleep(POLL_S)
