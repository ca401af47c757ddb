"""What a session that was killed leaves running in the instruments."""

from collections.abc import Iterable

from xsn_acq.devices.frame_flyer import OR_ANOTHER_SESSION, FrameFlyer
from xsn_acq.devices.position_compare import PositionCompare


def left_behind(detectors: Iterable[FrameFlyer], compare: PositionCompare) -> list[str]:
    """List what is still at work though nothing should be, asked now; one line each."""
    found = [line for each in detectors for line in each.left_behind()]
    if compare.is_armed():
        found.append(f"{compare.name}: wanted disarmed, found armed; {OR_ANOTHER_SESSION}")
    return found
