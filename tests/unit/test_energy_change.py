"""An energy change as a transaction: the order of its steps, the way back, what it says of what it left."""

import math

import pytest
from bluesky.utils import RequestAbort
from energy_machine import EnergyMachine
from fake_instrument import ENERGY_EV, FILE, instrument

from xsn_acq.config.energy import at_energy
from xsn_acq.errors import DeviceError, EnergyChangeError, LimitError
from xsn_acq.plans import energy_change
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.energy_moves import positions
from xsn_acq.plans.steps import Interruption

UP, DOWN = 8313.0, 8290.0
AXES = {"mono_bragg", "mono_second_crystal_gap", "zone_plate_z", "undulator"}
STOPS = [
    "mono_bragg stop",
    "mono_second_crystal_gap stop",
    "zone_plate_x stop",
    "zone_plate_y stop",
    "zone_plate_z stop",
    "undulator stop",
]
COUNT = "beam monitor count"


@pytest.fixture
def devices():
    return instrument()


def changer(devices):
    return EnergyChanger(devices, Interruption(), Beam(devices))


def changed(devices, energy=UP, fail=lambda name, target: None, **options):
    """The machine after a change."""
    machine = EnergyMachine(devices, fail)
    machine.run(changer(devices).change(energy, **options))
    return machine


def error_of(device, wanted=1.0, found=0.0):
    return DeviceError(device, "move", wanted, found, "mm", "stopped short")


def once(device, when=lambda target: True):
    """Fails the first set or trigger of a device for which ``when(target)``."""
    left = [error_of(device)]
    return lambda name, target: left.pop() if name == device and left and when(target) else None


def test_order_of_a_change(devices):
    sample_x = devices.sample.x
    machine = changed(devices, also=[(sample_x, 60.0)], then_open=True)
    assert machine.error is None
    words = machine.words()
    assert words[:3] == [COUNT, "mono_feedback off", "shutter closed"]
    assert words[-3:] == ["mono_feedback on", "shutter open", COUNT]
    # first the feedback is off, alone; then everything moves at the same time; feedback and shutter last
    off, together, on = machine.groups()
    assert off == {"mono_feedback": "off"}
    assert set(together) == {"shutter", "sample_x", *AXES}
    assert on == {"mono_feedback": "on", "shutter": "open"}


def test_a_change_arrives_where_the_energy_wants_it(devices):
    machine = changed(devices)
    at, here = at_energy(FILE, UP), positions(devices)
    assert here["bragg"] == at.bragg_deg
    assert here["zone_plate_z"] == at.zone_plate_z_mm
    assert here["undulator_gap"] == at.undulator_gap_mm
    assert machine.value["found"] == here
    assert machine.value["from_ev"] == ENERGY_EV
    assert machine.value["to_ev"] == UP
    assert machine.value["decided"]["magnification"] == at.magnification
    assert machine.value["duration_s"] >= 0
    assert machine.value["light_share"] == 1.0
    assert devices.shutter.word == "closed"


def test_only_axes_from_the_wrong_side_make_a_second_leg(devices):
    """Down in energy: Bragg (backlash below 0) and zone plate, gap (above 0) come from the wrong side."""
    machine = changed(devices, DOWN)
    _, first, last, _ = machine.groups()
    at = at_energy(FILE, DOWN)
    assert set(last) == {"mono_bragg", "zone_plate_z", "undulator"}
    assert "mono_second_crystal_gap" in first
    assert last["mono_bragg"] == at.bragg_deg
    assert first["mono_bragg"] == pytest.approx(at.bragg_deg + 0.01)  # rounding of a sum only, as below
    assert first["zone_plate_z"] == pytest.approx(at.zone_plate_z_mm - 0.02)
    assert first["undulator"] == pytest.approx(at.undulator_gap_mm - 0.05)
    assert [move["axis"] for move in machine.value["moves"] if move["via"] is not None] == [
        "bragg",
        "zone_plate_z",
        "undulator_gap",
    ]


def test_the_light_is_counted_before_the_first_change_only(devices):
    made = changer(devices)
    assert math.isnan(made.light)
    for energy, counts in ((UP, 2), (UP + 4.0, 1)):
        machine = EnergyMachine(devices)
        assert machine.run(made.change(energy)).count(COUNT) == counts
    assert made.light == 1e6 / 400.0


def test_an_energy_that_is_refused_moves_nothing(devices):
    machine = changed(devices, 20_000.0)
    assert isinstance(machine.error, LimitError)
    assert machine.messages == []


@pytest.mark.parametrize("device", sorted(AXES))
def test_a_change_that_fails_is_rolled_back(devices, device):
    before = positions(devices)
    machine = changed(devices, fail=once(device), then_open=True)
    assert isinstance(machine.error, EnergyChangeError)
    assert str(machine.error) == (
        f"energy change to 8313 eV: {device}: move: wanted 1.0 mm, found 0.0 mm; stopped short; "
        "rolled back to 8300.0 eV, shutter shut, feedback on"
    )
    words = machine.words()
    begin = words.index("shutter closed", words.index("shutter closed") + 1)
    assert words[begin : begin + 7] == ["shutter closed", *STOPS]
    assert words[begin + 7] == "mono_feedback off"
    assert words[-1] == "mono_feedback on"
    assert "shutter open" not in words[begin:]
    assert positions(devices) == before
    assert devices.shutter.word == "closed"


def test_the_feedback_is_on_after_a_roll_back_that_moves_nothing(devices):
    """The only axis to be moved is the one that is dead."""
    at = at_energy(FILE, UP)
    devices.mono.bragg.user_readback.value = at.bragg_deg
    devices.mono.second_crystal_gap.user_readback.value = at.second_crystal_gap_mm
    devices.zone_plate.z.user_readback.value = at.zone_plate_z_mm
    machine = changed(devices, fail=once("undulator"))
    assert "rolled back" in str(machine.error)
    assert devices.mono.feedback.word == "on"


def test_a_failure_on_the_way_back_is_left_safe(devices):
    def fail(name, target):
        if name == "mono_bragg":
            devices.mono.bragg.user_readback.value = 13.77  # it got stuck on its way
            return error_of(name)
        return None

    machine = changed(devices, fail=fail, then_open=True)
    assert "; NOT rolled back (mono_bragg: move: wanted" in str(machine.error)
    assert str(machine.error).endswith(
        "): left with the shutter shut, feedback off and the axes standing between 8300.0 and 8313.0 eV; "
        "mend it, then change the energy again"
    )
    assert machine.words()[-8:] == ["shutter closed", "mono_feedback off", *STOPS]
    assert (devices.shutter.word, devices.mono.feedback.word) == ("closed", "off")


def test_what_is_not_even_safe_is_told(devices):
    lost = DeviceError("shutter", "set", "connected", "7C:SHT:Cmd lost", hint="is the IOC running?")
    gone = []

    def fail(name, target):
        gone.extend([True] if name == "undulator" else [])
        return lost if gone else None

    machine = changed(devices, fail=fail)
    assert "NOT left safe (shutter: set: wanted connected" in str(machine.error)
    assert "left with the shutter shut" not in str(machine.error)


def test_too_little_light_is_rolled_back(devices):
    def dim(name, target):
        if name == "mono_feedback" and target == "on":
            devices.beam_monitor.counts_per_s = 4e5
        return None

    machine = changed(devices, fail=dim, then_open=True)
    assert "beam_monitor: count: wanted 1250 or more counts per s and mA, found 1000" in str(machine.error)
    assert "rolled back to 8300.0 eV, shutter shut, feedback on" in str(machine.error)


def test_light_that_is_lost_little_by_little_is_noticed(devices):
    """Each change loses a third: the second leaves less than half of what the first count saw."""
    made = changer(devices)
    errors = []
    for step in range(3):
        machine = EnergyMachine(devices)
        if step:
            devices.beam_monitor.counts_per_s *= 0.66
        machine.run(made.change(UP + 4.0 * step))
        errors.append(str(machine.error))
    assert errors[:2] == ["None", "None"]
    assert "beam_monitor: count: wanted 1250 or more counts per s and mA, found 1089" in errors[2]


def test_light_of_a_feedback_that_is_off_judges_nothing(devices):
    devices.mono.feedback.word, devices.mono.feedback.is_locked = "off", False
    devices.beam_monitor.counts_per_s = 10.0
    made = changer(devices)
    machine = EnergyMachine(devices)
    assert machine.run(made.change(UP)).count(COUNT) == 1
    assert machine.error is None
    assert math.isnan(machine.value["light_share"])


def test_a_record_that_does_not_answer_as_all_is_verified_is_rolled_back(devices, monkeypatch):
    asked = energy_change.positions
    failing = [True]

    def silent(instrument):
        if (
            failing
            and instrument.mono.feedback.word == "on"
            and devices.mono.bragg.user_readback.value < start
        ):
            failing.clear()
            raise TimeoutError("no answer")
        return asked(instrument)

    start = devices.mono.bragg.user_readback.value
    monkeypatch.setattr(energy_change, "positions", silent)
    machine = changed(devices, then_open=True)
    assert "wanted an answer, found no answer" in str(machine.error)
    assert "rolled back to 8300.0 eV, shutter shut, feedback on" in str(machine.error)
    assert devices.shutter.word == "closed"


def test_an_axis_that_wanders_off_is_rolled_back(devices):
    def wander(name, target):
        if name == "mono_feedback" and target == "on":
            devices.zone_plate.z.user_readback.value += 0.001
        return None

    machine = changed(devices, fail=wander)
    assert "zone_plate_z: energy change: wanted 0.038513 mm, found 0.039513 mm; it moved off" in str(
        machine.error
    )


def beam_lost_for(devices, looks):
    """The ring loses its beam as the feedback is switched on, and has it again after some waiting."""
    left = [looks]

    def before(msg):
        feedback_on = msg.command == "set" and msg.obj is devices.mono.feedback and msg.args[0] == "on"
        if feedback_on and left[0] == looks:
            left[0] -= 1
            devices.ring.current.value = 0.0
        elif msg.command == "sleep" and left[0] < looks:
            left[0] -= 1
            if left[0] == 0:
                devices.ring.current.value = 400.0

    return before


def test_beam_lost_while_the_feedback_locks_is_waited_for(devices):
    no_lock = DeviceError("mono_feedback", "lock", "Yes", "No")

    def fail(name, target):
        lost = devices.ring.current.value == 0.0
        return no_lock if (name, target) == ("mono_feedback", "on") and lost else None

    machine = EnergyMachine(devices, fail, beam_lost_for(devices, 4))
    words = machine.run(changer(devices).change(UP, then_open=True))
    assert machine.error is None
    assert words.count("mono_feedback on") == 2
    assert words.count("mono_bragg 13.7582") == 1  # the axes stay where they are


def test_beam_lost_while_it_is_counted_is_waited_for(devices):
    machine = EnergyMachine(devices, before=beam_lost_for(devices, 4))
    words = machine.run(changer(devices).change(UP))
    assert machine.error is None
    assert words.count(COUNT) == 3  # before, without beam, and again


def test_a_feedback_that_does_not_lock_though_there_is_beam_fails(devices):
    no_lock = DeviceError("mono_feedback", "lock", "Yes", "No")
    machine = changed(
        devices, fail=lambda name, target: no_lock if (name, target) == ("mono_feedback", "on") else None
    )
    assert "mono_feedback: lock: wanted Yes, found No; NOT rolled back (mono_feedback: lock" in str(
        machine.error
    )


def test_an_abort_leaves_all_safe(devices):
    """The run that is aborted brings the energy back itself: `put_back`."""
    made, starts = changer(devices), positions(devices)
    machine = EnergyMachine(devices, lambda name, target: RequestAbort() if name == "undulator" else None)
    words = machine.run(made.change(UP))
    assert isinstance(machine.error, RequestAbort)
    assert words[-8:] == ["shutter closed", "mono_feedback off", *STOPS]
    machine = EnergyMachine(devices)
    words = machine.run(made.put_back())
    assert machine.error is None
    assert positions(devices) == starts
    assert words[-1] == "mono_feedback on"


def test_restoring_what_is_there_does_nothing_but_switch_the_feedback_on(devices):
    made = changer(devices)
    assert EnergyMachine(devices).run(made.put_back()) == []
    devices.mono.feedback.word = "off"
    words = EnergyMachine(devices).run(made.put_back())
    assert words == ["mono_feedback off", "shutter closed", "mono_feedback on"]


def test_after_a_change_that_failed_all_stays_as_that_left_it(devices):
    """It has been rolled back, or stands where the message says: nothing is switched on again unasked."""
    made, no_lock = changer(devices), DeviceError("mono_feedback", "lock", "Yes", "No")
    machine = EnergyMachine(
        devices, lambda name, target: no_lock if (name, target) == ("mono_feedback", "on") else None
    )
    machine.run(made.change(UP))
    assert "NOT rolled back" in str(machine.error)
    assert EnergyMachine(devices).run(made.put_back()) == []
    assert devices.mono.feedback.word == "off"


def test_restoring_does_not_wait_for_beam(devices):
    made, starts = changer(devices), positions(devices)
    EnergyMachine(devices).run(made.change(UP))
    devices.ring.current.value = 0.0
    machine = EnergyMachine(devices)
    words = machine.run(made.put_back())
    assert "mono_feedback: put back: wanted on, found off; ring: wanted 50 mA or more" in str(machine.error)
    assert positions(devices) == starts
    assert words[-8:] == ["shutter closed", "mono_feedback off", *STOPS]
