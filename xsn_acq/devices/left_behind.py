"""What a session that was killed leaves running in the instruments."""

from xsn_acq.devices.frame_flyer import OR_ANOTHER_SESSION, still_at_work
from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.position_compare import PositionCompare


def left_behind(camera: Kinetix, compare: PositionCompare) -> list[str]:
    """List what is still at work though nothing should be, asked now; one line each."""
    found = still_at_work(camera.name, camera.cam, camera.hdf)
    if compare.is_armed():
        found.append(f"{compare.name}: wanted disarmed, found armed")
    return [f"{line}; {OR_ANOTHER_SESSION}" for line in found]
