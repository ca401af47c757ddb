"""What a session that was killed leaves running in the instruments."""

from xsn_acq.devices.kinetix import Kinetix
from xsn_acq.devices.position_compare import PositionCompare


def left_behind(camera: Kinetix, compare: PositionCompare) -> list[str]:
    """List what is still at work though nothing should be, asked now; one line each.

    The hint fits both ways it comes about: a session was killed, or another one is measuring.
    """
    found = []
    if camera.cam.is_acquiring():
        found.append(f"{camera.name}: wanted idle, found acquiring")
    if camera.hdf.is_capturing():
        path = camera.hdf.full_file_name.get() or "no frame yet"
        found.append(f"{camera.name}: wanted no open file, found one ({path})")
    if compare.is_armed():
        found.append(f"{compare.name}: wanted disarmed, found armed")
    return [f"{line}; unless another session is at work, run xsn-acq safe" for line in found]
