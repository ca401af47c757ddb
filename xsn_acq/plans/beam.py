"""No beam, no measurement: the RunEngine suspends until it is back."""

from bluesky import preprocessors as bpp
from bluesky.suspenders import SuspendFloor, SuspendWhenChanged

from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.steps import Plan


def while_beam(devices: Instrument, plan: Plan) -> Plan:
    """Run the plan; suspend it while the ring current is too low or the front end is not open.

    A suspension stops the motors, like a pause.
    """
    least = devices.file.ring.min_current_ma
    front_end = devices.front_end_shutter
    suspenders = [
        SuspendFloor(devices.ring.current, least, tripped_message="waiting for beam"),
        SuspendWhenChanged(
            front_end.status,
            expected_value=front_end.words["open"][1],
            allow_resume=True,
            tripped_message="waiting for the front end",
        ),
    ]
    return (yield from bpp.suspend_wrapper(plan, suspenders))
