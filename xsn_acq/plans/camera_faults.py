"""What a camera that reads out from its middle row outwards cannot do of what it is asked for."""

from collections.abc import Iterator

from xsn_acq.config.parts import Sensor
from xsn_acq.devices.camera_limits import CameraLimits
from xsn_acq.plans.framing import Framing


def camera_faults(limits: CameraLimits, sensor: Sensor, frame: Framing) -> Iterator[str]:
    """The camera does not make such exposures, or has no such region."""
    low, high, found = limits.shortest_s, limits.longest_s, frame.exposure_s
    if found > high:
        yield f"exposure_s: wanted {high:g} s or less, found {found:g} s; take more frames instead"
    if found < low:
        yield f"exposure_s: wanted {low:g} s or more, found {found:g} s; expose longer, with less light"
    min_x, _, size_x, _ = frame.roi
    step = limits.column_step * frame.binning
    if min_x % step or size_x % step:
        yield f"roi: wanted columns in steps of {step} px, found {size_x} from {min_x} on; move its sides"
    yield from _row_faults(sensor, frame)
    for name, pixels, least in (
        ("columns", frame.shape[1], limits.least_columns),
        ("rows", frame.shape[0], limits.least_rows),
    ):
        if pixels < least:
            yield f"roi: wanted {least} binned {name} or more, found {pixels}; make it larger"


def _row_faults(sensor: Sensor, frame: Framing) -> Iterator[str]:
    """As many binned rows above the region as below it: with an odd number left there are none such."""
    _, min_y, _, size_y = frame.roi
    binning, rows = frame.binning, sensor.sensor_rows // frame.binning
    above, odd = divmod(rows - frame.shape[0], 2)
    if odd:
        yield (
            f"roi.size_y: wanted an {'odd' if rows % 2 else 'even'} number of binned rows, to lie about the "
            f"middle of the sensor's {rows}, found {frame.shape[0]}; give size_y {size_y - binning} or "
            f"{size_y + binning} px"
        )
    elif min_y != above * binning:
        yield (
            f"roi.min_y: wanted {above * binning} px, with the middle row in the middle, found {min_y} px; "
            "move it"
        )
