"""An energy scan without hardware: its order, its rows, what is put back, what is refused, what it costs."""

import pytest
from bluesky.utils import RequestAbort
from energy_machine import EnergyMachine
from fake_instrument import ENERGY_EV, FILE, instrument

from xsn_acq.config.energy import at_energy
from xsn_acq.errors import DeviceError, EnergyChangeError, LimitError
from xsn_acq.params import EnergyScan, Roi
from xsn_acq.plans.energy_checks import estimate_energy_scan, infeasible_energy_scan
from xsn_acq.plans.energy_moves import positions
from xsn_acq.plans.energy_places import change_s
from xsn_acq.plans.energy_scan import energy_scan

ENERGIES = (8304.0, 8308.0, 8312.0)
CAMERA = {
    "darks": 3,
    "flats": 4,
    "frames_per_energy": 2,
    "roi": Roi(min_x=1540, min_y=1552, size_x=128, size_y=96),
}
SCAN = EnergyScan(energies_ev=ENERGIES, exposure_s=0.5, **CAMERA)


@pytest.fixture
def devices():
    return instrument()


def scanned(devices, tmp_path, params=SCAN, **hooks):
    machine = EnergyMachine(devices, **hooks)
    machine.run(energy_scan(devices, params, folder=tmp_path))
    return machine


def test_order_of_a_scan(devices, tmp_path):
    machine = scanned(devices, tmp_path)
    words = machine.words()
    assert machine.error is None
    axes = ("mono_", "zone_plate", "undulator", "beam monitor")
    camera = [word for word in words if not word.startswith(axes) and word != "camera stop"]
    assert camera[:5] == ["open_run", "shutter closed", "open darks", "kickoff camera", "camera close file"]
    assert camera[5:] == [
        *("shutter closed", "cutoff_x -45.0000", "sample_x 60.0000", "shutter open", "open stills"),
        *("kickoff camera", "sample_x 0.0000", "rearm 2", "kickoff camera"),  # images at the first energy
        *("shutter closed", "shutter open", "rearm 2", "kickoff camera"),  # and at the second
        *("sample_x 60.0000", "rearm 4", "kickoff camera"),  # its flats
        *("shutter closed", "shutter open", "rearm 4", "kickoff camera"),
        *("sample_x 0.0000", "rearm 2", "kickoff camera"),
        *("shutter closed", "camera close file", "shutter closed", "cutoff_x stop", "sample_x stop"),
        *("camera close file", "cutoff_x 0.0000", "shutter closed", "close_run"),
    ]


def test_rows_of_a_scan(devices, tmp_path):
    machine = scanned(devices, tmp_path)
    points = machine.rows["points"]
    assert [(row["wanted_ev"], row["kind"]) for row in points] == [
        (8304.0, "flat"),
        (8304.0, "projection"),
        (8308.0, "projection"),
        (8308.0, "flat"),
        (8312.0, "flat"),
        (8312.0, "projection"),
    ]
    assert [row["first_frame"] for row in points] == [0, 4, 6, 8, 12, 16]
    assert [row["frames"] for row in points] == [4, 2, 2, 4, 4, 2]
    for row in points:
        at = at_energy(FILE, row["wanted_ev"])
        assert row["energy_ev"] == pytest.approx(row["wanted_ev"], rel=1e-12)  # there and back
        assert row["zone_plate_z_mm"] == at.zone_plate_z_mm
        assert row["undulator_gap_mm"] == at.undulator_gap_mm
        assert row["sample_x_um"] == (60.0 if row["kind"] == "flat" else 0.0)
        assert row["cutoff_x_um"] == -45.0
        assert row["light"] == 1e6 / 400.0
    changes = machine.rows["energy_changes"]
    assert [row["to_ev"] for row in changes] == list(ENERGIES)
    assert [row["from_ev"] for row in changes] == pytest.approx([ENERGY_EV, *ENERGIES[:2]])
    assert {row["overshot"] for row in changes} == {""}


def test_what_each_energy_asks_for_is_in_the_start_document(devices, tmp_path):
    machine = scanned(devices, tmp_path)
    start = next(msg for msg in machine.messages if msg.command == "open_run").kwargs
    told = start["acquisition"]
    assert (start["plan_name"], start["technique"]) == ("energy_scan", "xanes")
    assert told["energies_ev"] == list(ENERGIES)
    assert told["zone_plate_z_mm"] == [at_energy(FILE, energy).zone_plate_z_mm for energy in ENERGIES]
    assert told["pixel_sizes_m"] == [FILE.pixel_size_m(energy, 2) for energy in ENERGIES]
    assert told["expected"] == {"darks": 3, "stills": 18}


def test_all_is_put_back(devices, tmp_path):
    before = positions(devices)
    machine = scanned(devices, tmp_path)
    assert positions(devices) == before
    assert devices.cutoff.x.user_readback.value == 0.0
    assert (devices.shutter.word, devices.mono.feedback.word) == ("closed", "on")
    assert closing(machine) == {"exit_status": None, "reason": None}


def closing(machine):
    return next(msg for msg in machine.messages if msg.command == "close_run").kwargs


def dead_gap_at(energy):
    """The undulator refuses to go where this energy has its gap."""
    dead = DeviceError("undulator", "set gap", 1.0, 2.0, "mm")
    gap = at_energy(FILE, energy).undulator_gap_mm
    return lambda name, target: dead if name == "undulator" and abs(target - gap) < 1e-9 else None


def test_a_change_that_fails_ends_the_scan_and_is_left_where_it_was_rolled_back_to(devices, tmp_path):
    machine = scanned(devices, tmp_path, fail=dead_gap_at(8312.0))
    assert isinstance(machine.error, EnergyChangeError)
    assert closing(machine) == {"exit_status": "fail", "reason": str(machine.error)}
    assert {row["wanted_ev"] for row in machine.rows["points"]} == set(ENERGIES[:2])
    assert len(devices.camera.times) == sum(row["frames"] for row in machine.rows["points"])
    # not back at 8300 eV: after a failure nothing more is moved than has to be
    assert devices.mono.energy_ev.value == pytest.approx(8308.0)
    assert devices.sample.x.user_readback.value == 0.0
    assert devices.mono.feedback.word == "on"


def test_an_abort_in_a_change_puts_the_energy_back(devices, tmp_path):
    before, thrown = positions(devices), []
    gap = at_energy(FILE, 8308.0).undulator_gap_mm

    def abort(name, target):
        if name == "undulator" and abs(target - gap) < 1e-9 and not thrown:
            thrown.append(True)
            return RequestAbort()
        return None

    machine = scanned(devices, tmp_path, fail=abort)
    assert isinstance(machine.error, RequestAbort)
    assert closing(machine)["exit_status"] == "abort"
    assert positions(devices) == before
    assert (devices.shutter.word, devices.mono.feedback.word) == ("closed", "on")


AXES = {
    "bragg": (lambda devices: devices.mono.bragg.user_readback, 0.01),
    "zone plate": (lambda devices: devices.zone_plate.z.user_readback, 0.3),
    "gap": (lambda devices: devices.undulator.gap, 0.5),
}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("moment", ["before frames", "during frames"])
def test_an_axis_that_is_moved_from_elsewhere_is_brought_back_and_its_frames_come_again(
    devices, tmp_path, axis, moment
):
    """Somebody's hand, as the sample comes in for its first images or while they are taken."""
    signal_of, by = AXES[axis]
    hands = [lambda: setattr(signal_of(devices), "value", signal_of(devices).value + by)]

    def before(msg):
        coming_in = msg.command == "set" and msg.obj is devices.sample.x and msg.args[0] == 0.0
        exposing = msg.command == "complete" and devices.sample.x.user_readback.value == 0.0
        taken = sum(len(rows) for name, rows in machine.rows.items() if name == "points")
        if (coming_in if moment == "before frames" else exposing and taken) and hands:
            hands.pop()()

    machine = EnergyMachine(devices, before=before)
    machine.run(energy_scan(devices, SCAN, folder=tmp_path))
    assert machine.error is None
    points = machine.rows["points"]
    good = [(row["wanted_ev"], row["kind"]) for row in points if row["status"] == "ok"]
    assert sorted(good) == sorted((energy, kind) for energy in ENERGIES for kind in ("flat", "projection"))
    assert any(row["status"] == "flagged" for row in points)
    for row in points:
        if row["status"] == "ok":
            wanted = at_energy(FILE, row["wanted_ev"])
            assert row["zone_plate_z_mm"] == pytest.approx(wanted.zone_plate_z_mm, abs=1e-9)
            assert row["undulator_gap_mm"] == pytest.approx(wanted.undulator_gap_mm, abs=1e-9)


def test_a_hand_that_does_not_rest_ends_the_scan(devices, tmp_path):
    def before(msg):
        if msg.command == "complete" and devices.shutter.word == "open":
            devices.zone_plate.z.user_readback.value += 0.3

    machine = scanned(devices, tmp_path, before=before)
    assert "zone_plate_z: energy scan: wanted" in str(machine.error)
    assert "mm; it was moved from elsewhere" in str(machine.error)
    assert not [row for row in machine.rows.get("points", []) if row["status"] == "ok"]


REFUSED = [
    ({"energies_ev": (8300.0, 9600.0)}, "energy: wanted 7500 to 9500 eV, found 9600 eV"),
    ({"opened_um": 400.0}, "cutoff_x: wanted -300 to 300 um, found -400 to -400 um"),
    ({"roi": Roi(min_x=3100, min_y=0, size_x=128, size_y=96)}, "roi"),
    ({"sample_out_um": 5000.0}, "sample_out_um"),
]


@pytest.mark.parametrize(("changes", "fault"), REFUSED)
def test_what_the_beamline_cannot_do_is_told_without_it(devices, tmp_path, changes, fault):
    params = SCAN.model_copy(update=changes)
    faults = infeasible_energy_scan(FILE, params)
    assert any(fault in line for line in faults), faults
    machine = scanned(devices, tmp_path, params)
    assert isinstance(machine.error, LimitError)
    assert machine.messages == []


def test_a_limit_on_the_way_back_is_told_before_anything_moves(devices, tmp_path):
    """All energies lie above 8300 eV; the Bragg axis turns 0.01 deg above its start."""
    start = devices.mono.bragg.user_readback.value
    devices.mono.bragg.axis = FILE.axes.bragg.model_copy(update={"high": start + 0.005})
    machine = scanned(devices, tmp_path)
    assert "mono_bragg: 13.79" in str(machine.error)
    assert machine.messages == []


def test_a_harmonic_of_somebody_elses_is_told_before_anything_moves(devices, tmp_path):
    devices.undulator.harmonic.value = 5
    machine = scanned(devices, tmp_path)
    assert "undulator: wanted harmonic 3, found 5" in str(machine.error)
    assert machine.messages == []


def test_the_estimate_adds_frames_and_changes():
    found = estimate_energy_scan(FILE, SCAN)
    assert (found.frames, found.at, found.shape) == (21, "3 energies", (48, 64))
    assert found.disk_bytes == 21 * 48 * 64 * 2
    frame_s = 0.5 + 0.0114 * 96 / 3200
    assert found.open_shutter_s == pytest.approx(6 * frame_s)
    changes = change_s(FILE, 8304.0, 8308.0) + change_s(FILE, 8308.0, 8312.0)
    sample_x = 3 * (60.0 / 100.0 + 0.2)
    # beyond that: the six points' and two series' own overhead, some seconds
    assert changes + sample_x + 21 * frame_s < found.duration_s < changes + sample_x + 21 * frame_s + 12.0
    assert "21 frames of 64 x 48 (3 energies, exposure 0.5 s)" in found.summary()
