"""Energy changes that fail half-way: rolled back, or left named and safe; no frame at a wrong energy."""

import threading
from types import SimpleNamespace

import h5py
import pytest
from bluesky.utils import RunEngineInterrupted

from tests.system.running import DONE_S, SAFE, SMALL, at_rest, engine, put_back, put_right
from xsn_acq import beamline
from xsn_acq.config import load_beamline
from xsn_acq.errors import EnergyChangeError, XsnError
from xsn_acq.params import EnergyScan
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.energy_moves import energy_motors, positions
from xsn_acq.plans.energy_scan import energy_scan
from xsn_acq.plans.steps import Interruption

pytestmark = pytest.mark.system
ENERGIES = (8313.0, 8317.0, 8321.0, 8325.0)
SECOND, THIRD = ENERGIES[1:3]
STALL_S, LOCK_S = 0.7, 1.0
SLOW_DEG_S = 0.0001
"""4 eV then take the Bragg axis 3.5 s of real time: it is caught on its way, however busy the machine."""


@pytest.fixture(scope="module")
def devices(ioc):
    """The instrument; what never comes is not waited for as long as on the beamline."""
    file = load_beamline("pls2-7c-xni")
    changes = {
        "ring": file.ring.model_copy(update={"late_s": 0.4, "settle_s": 0.3}),
        "undulator": file.undulator.model_copy(update={"gap_stall_s": STALL_S}),
        "monochromator": file.monochromator.model_copy(update={"lock_s": LOCK_S}),
    }
    with beamline.connected(file.model_copy(update=changes), timeout_s=30.0) as made:
        put_back(made)
        yield made


@pytest.fixture
def run(devices, no_faults, tmp_path):
    RE, documents = engine()
    yield SimpleNamespace(
        RE=RE,
        documents=documents,
        ioc=no_faults,
        scan=lambda energies=ENERGIES: RE(energy_scan(devices, short_scan(energies), folder=tmp_path)),
        change=lambda energy: RE(EnergyChanger(devices, Interruption(), Beam(devices)).change(energy)),
    )
    RE.msg_hook = None
    no_faults.clear_faults()
    put_right(RE, devices)


@pytest.fixture
def caught(run, devices, ca):
    """Call something in a thread of its own while the Bragg axis is on its way to the third energy."""
    pv, usual = devices.file.axes.bragg.pv, devices.file.axes.bragg.velocity

    def when_moving(then):
        ca.until(f"{pv}.MOVN", 1)
        ca.put(f"{pv}.VELO", usual)
        then()

    def catch(then):
        def begin():
            ca.put(f"{pv}.VELO", SLOW_DEG_S)
            threading.Thread(target=when_moving, args=(then,), daemon=True).start()

        in_third_change(run, begin)

    yield catch
    ca.put(f"{pv}.VELO", usual)


def short_scan(energies):
    return EnergyScan(
        energies_ev=energies,
        exposure_s=0.2,
        frames_per_energy=2,
        flats=2,
        darks=2,
        roi=SMALL,
        flats_every_ev=1000.0,
    )


def in_third_change(run, then):
    """Call ``then()`` as the change to the third energy begins: the frames of the second are taken."""
    switched_off = []

    def look(msg):
        if msg.command == "set" and msg.obj.name == "mono_feedback" and msg.args[0] == "off":
            switched_off.append(msg)
            if len(switched_off) == 3:
                then()

    run.RE.msg_hook = look


def frames_in_file(record):
    path = record.streams["stills"].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path, "r", swmr=True) as file:
        return len(file["/entry/data/data"])


def assert_every_frame_at_its_energy(record, energies):
    """Each frame of the file is in one row, at an energy that was asked for and reached."""
    rows = record.rows("points")
    assert [row["first_frame"] for row in rows] == [2 * index for index in range(len(rows))]
    assert {row["frames"] for row in rows} == {2}
    assert frames_in_file(record) == sum(row["frames"] for row in rows)
    for row in rows:
        assert row["wanted_ev"] in energies
        assert abs(row["energy_ev"] - row["wanted_ev"]) < 0.2


def failure(run):
    """Scan, and what the failed run says; it must be the same in its stop document."""
    with pytest.raises(EnergyChangeError) as caught:
        run.scan()
    record = run.documents.record()
    assert record.stop["exit_status"] == "fail"
    assert record.stop["reason"] == str(caught.value)
    assert_every_frame_at_its_energy(record, ENERGIES[:2])
    return record, str(caught.value)


def assert_all_stands(devices):
    assert at_rest(devices) == SAFE
    for motor in energy_motors(devices).values():
        assert not motor.motor_is_moving.get(use_monitor=False)
    assert not devices.undulator.busy.get(use_monitor=False)


def assert_rolled_back(devices, record, message):
    assert f"; rolled back to {SECOND:.1f} eV, shutter shut, feedback on" in message
    before, here = record.rows("energy_changes")[-1], positions(devices)
    axes = devices.file.axes
    # each axis comes back to its reading of before within its tolerance: that is what a move promises
    for axis, found in (("bragg", "bragg_found_deg"), ("zone_plate_z", "zone_plate_z_found_mm")):
        assert here[axis] == pytest.approx(before[found], abs=getattr(axes, axis).tolerance)
    tolerance = devices.file.undulator.gap_tolerance_mm
    assert here["undulator_gap"] == pytest.approx(before["undulator_gap_found_mm"], abs=tolerance)
    assert devices.mono.feedback.is_locked


def assert_left_safe(devices, message):
    assert "; NOT rolled back (" in message
    assert (
        "left with the shutter shut, feedback off and the axes standing between 8317.0 and 8321.0" in message
    )
    assert devices.mono.feedback.state() == "off"


def assert_scans_again(run):
    run.RE.msg_hook = None
    run.scan(ENERGIES[:1])
    record = run.documents.record()
    assert record.stop["exit_status"] == "success"
    assert_every_frame_at_its_energy(record, ENERGIES[:1])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("motor_dead axis=gap", "undulator: set gap: wanted 7.67098 mm, found 7.6667 mm; busy, but"),
        (
            "hard_limit axis=zone_plate_z at=0.09",
            "zone_plate_z: move: wanted 0.104164 mm, found 0.09 mm; on the high limit switch",
        ),
    ],
)
def test_what_fails_half_way_is_rolled_back(run, devices, fault, told):
    in_third_change(run, lambda: run.ioc.fault(fault))
    record, message = failure(run)
    assert message.startswith(f"energy change to {THIRD:g} eV: {told}")
    assert_rolled_back(devices, record, message)
    assert_all_stands(devices)
    run.ioc.clear_faults()
    assert_scans_again(run)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            "motor_stops_short axis=bragg by=0.002",
            "mono_bragg: move: wanted 13.744731 deg, found 13.74673 deg; stopped short",
        ),
        ("feedback_no_lock", f"mono_feedback: lock: wanted Yes, found No; waited {LOCK_S:g} s"),
    ],
)
def test_what_cannot_be_rolled_back_is_left_safe(run, devices, fault, told):
    in_third_change(run, lambda: run.ioc.fault(fault))
    _, message = failure(run)
    assert message.startswith(f"energy change to {THIRD:g} eV: {told}")
    assert_left_safe(devices, message)
    assert_all_stands(devices)
    run.ioc.clear_faults()
    run.RE.msg_hook = None
    run.change(8300.0)  # as the message says: mend it, then change the energy again
    assert_scans_again(run)


def test_the_ioc_dies_in_the_middle_of_a_change(run, devices, caught):
    caught(run.ioc.kill)
    try:
        with pytest.raises(XsnError) as caught:
            run.scan()
    finally:
        run.ioc.restart()
        beamline.connect(devices, timeout_s=60.0)
    record, message = run.documents.record(), str(caught.value)
    assert record.stop["exit_status"] == "fail"
    assert record.stop["reason"].startswith(message)
    assert message.startswith(f"energy change to {THIRD:g} eV: ")
    assert "lost; is the IOC running?" in message
    assert "; NOT rolled back (" in message
    assert "NOT left safe (shutter: set: wanted connected" in message
    assert_every_frame_at_its_energy(record, ENERGIES[:2])
    assert_scans_again(run)
    assert_all_stands(devices)


def test_beam_lost_in_the_middle_of_a_change_is_waited_for(run, devices, ca, caught, beam_awaited):
    def lose():
        run.ioc.fault("beam_dump")
        ca.until(f"{devices.file.pvs.ring}Current", lambda current: current < 1.0)
        beam_awaited.wait(DONE_S)
        run.ioc.clear_faults()

    caught(lose)
    run.scan(ENERGIES[:3])
    assert beam_awaited.is_set()
    assert_whole(run, devices)


def assert_whole(run, devices):
    """Every energy has its good frames, and everything is back where it was."""
    record = run.documents.record()
    assert record.stop["exit_status"] == "success"
    assert_every_frame_at_its_energy(record, ENERGIES[:3])
    good = [row["wanted_ev"] for row in record.rows("points") if row["status"] == "ok"]
    assert sorted(good) == [8313.0, 8313.0, 8317.0, 8321.0, 8321.0]  # flats at both ends
    assert_back_at_the_start(devices)


def assert_back_at_the_start(devices):
    # 0.2 eV is ten times what the tolerance of the Bragg axis allows
    assert devices.mono.energy_ev.get() == pytest.approx(8300.0, abs=0.2)
    assert devices.mono.feedback.is_locked
    assert_all_stands(devices)


def test_a_pause_in_the_middle_of_a_change_goes_on(run, devices, ca, caught):
    caught(run.RE.request_pause)
    with pytest.raises(RunEngineInterrupted):
        run.scan(ENERGIES[:3])
    assert run.RE.state == "paused"
    ca.until(f"{devices.file.axes.bragg.pv}.DMOV", 1)
    assert devices.shutter.state() == "closed"
    assert SECOND < devices.mono.energy_ev.get() < THIRD
    run.RE.resume()
    assert_whole(run, devices)


def test_an_abort_in_the_middle_of_a_change_puts_the_energy_back(run, devices, caught):
    caught(lambda: run.RE.abort(reason="enough"))
    with pytest.raises(RunEngineInterrupted):
        run.scan()
    record = run.documents.record()
    assert record.stop["exit_status"] == "abort"
    assert_every_frame_at_its_energy(record, ENERGIES[:2])
    assert_back_at_the_start(devices)
