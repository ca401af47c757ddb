"""Calibration plans without hardware: their order, what is taken again, what is put back, what is refused."""

import numpy as np
import pytest
from bluesky.simulators import RunEngineSimulator
from bluesky.utils import RequestAbort
from fake_instrument import FILE, UID, instrument, settle_looks

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.errors import DeviceError, LimitError
from xsn_acq.params import FindRotationAxis, FocusScan, FoucaultTest, KnifeEdgeScan, PixelSize, Roi
from xsn_acq.plans import calibrations
from xsn_acq.plans.stills_checks import estimate_stills, infeasible_stills, places_now
from xsn_acq.session import PLANS, plan_parameters

CAMERA = {"darks": 3, "frames_per_point": 2, "roi": Roi(min_x=1540, min_y=1552, size_x=128, size_y=96)}
KNIFE_EDGE = KnifeEdgeScan(points=15, half_range_um=35.0, **CAMERA)
PIXEL_SIZE = PixelSize(points=4, half_range_um=4.0, flats=4, **CAMERA)
ALL = {
    "knife_edge": KNIFE_EDGE,
    "foucault_test": FoucaultTest(planes=3, edges=5, half_range_mm=2.0, half_range_um=10.0, **CAMERA),
    "focus_scan": FocusScan(points=5, half_range_mm=0.02, flats=4, **CAMERA),
    "find_rotation_axis": FindRotationAxis(pairs=2, flats=4, **CAMERA),
    "pixel_size": PIXEL_SIZE,
}


class Machine:
    """Motors go where they are sent, the shutter too, and the camera writes the frames it is armed for.

    Parameters
    ----------
    devices
        From `instrument`.
    after : callable
        (number of exposures of stills so far): called after each.
    """

    def __init__(self, devices, after=lambda taken: None):
        self.devices, self.after = devices, after
        self.rows, self.stream, self.taken, self.armed = [], "", 0, 0
        self.simulator = RunEngineSimulator()
        self.simulator.add_handler("open_run", lambda msg: UID)
        for command in ("prepare", "set", "complete", "collect"):
            self.simulator.add_handler(command, getattr(self, command))

    def run(self, plan):
        return self.simulator.simulate_plan(plan)

    def prepare(self, msg):
        value = msg.args[0]
        self.armed = value.frames
        if isinstance(value, CameraSetup):
            self.stream = value.stream
            self.devices.camera.times = np.empty(0)

    def set(self, msg):
        if hasattr(msg.obj, "word"):
            msg.obj.word = msg.args[0]
        else:
            msg.obj.user_readback.value = msg.args[0]

    def complete(self, msg):
        self.devices.camera.times = np.append(self.devices.camera.times, np.zeros(self.armed))
        if self.stream == "stills":
            self.taken += 1
            self.after(self.taken)

    def collect(self, msg):
        if hasattr(msg.obj, "collect_pages"):
            for page in msg.obj.collect_pages():
                columns = page["data"]
                self.rows += [
                    dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
                ]


@pytest.fixture
def devices():
    return instrument()


def told(messages):
    words = []
    for message in messages:
        name = getattr(message.obj, "name", "")
        if message.command == "set":
            value = message.args[0]
            words.append(f"{name} {value if isinstance(value, str) else round(value, 6)}")
        elif message.command == "prepare":
            value = message.args[0]
            words.append(f"rearm {value.frames}" if isinstance(value, Rearm) else f"open {value.stream}")
        elif message.command in ("open_run", "close_run", "kickoff"):
            words.append(f"{message.command} {name}".strip())
        elif message.command == "trigger":
            words.append(name)
    return words


def test_order_of_a_knife_edge(devices, tmp_path):
    machine = Machine(devices)
    words = told(machine.run(calibrations.knife_edge(devices, KNIFE_EDGE, folder=tmp_path)))
    assert words[:7] == [
        "open_run",
        "shutter closed",
        "open darks",
        "kickoff camera",
        "camera close file",
        "cutoff_x -35.0",
        "sample_x 60.0",
    ]
    assert words[7:11] == ["shutter open", "open stills", "kickoff camera", "camera stop"]
    assert words[11:15] == ["cutoff_x -30.0", "rearm 2", "kickoff camera", "camera stop"]
    assert [word for word in words if word.startswith("cutoff_x ")] == [
        *(f"cutoff_x {x:.1f}" for x in (*range(-35, 36, 5), *range(30, -36, -5))),
        "cutoff_x stop",
        "cutoff_x 0.0",
    ]
    assert words[-10:] == [
        "shutter closed",
        "camera close file",
        "shutter closed",
        "cutoff_x stop",
        "sample_x stop",
        "camera stop",
        "camera close file",
        "cutoff_x 0.0",
        "sample_x 0.0",
        "close_run",
    ]
    assert [row["point"] for row in machine.rows] == list(range(30))
    assert [row["first_frame"] for row in machine.rows] == list(range(0, 60, 2))
    assert {row["frames"] for row in machine.rows} == {2}
    edges = list(range(-35, 36, 5))
    assert [row["cutoff_x_um"] for row in machine.rows] == [*edges, *reversed(edges)]
    assert {row["sample_x_um"] for row in machine.rows} == {60.0}
    assert {row["ring_current_ma"] for row in machine.rows} == {400.0}


@pytest.mark.parametrize("name", ALL)
def test_each_visits_its_places_and_puts_all_back(devices, tmp_path, name):
    machine, params = Machine(devices), ALL[name]
    before = places_before(devices)
    plan = getattr(calibrations, name)(devices, params, folder=tmp_path)
    messages = machine.run(plan)
    start = next(message for message in messages if message.command == "open_run").kwargs
    assert start["plan_name"] == name
    assert start["technique"] == "calibration"
    stills = params.places * 2
    assert start["acquisition"]["expected"]["stills"] == stills
    assert start["acquisition"]["expected"].get("flats", 0) == params.flats_taken
    assert [row["status"] for row in machine.rows] == ["ok"] * params.places
    assert machine.rows[-1]["first_frame"] + 2 == stills
    assert places_before(devices) == before
    assert devices.shutter.word == "closed"
    assert params.frames == 3 + params.flats_taken + stills


def places_before(devices):
    motors = (
        devices.cutoff.x,
        devices.cutoff.z,
        devices.zone_plate.z,
        devices.sample.x,
        devices.sample.theta,
    )
    return [motor.user_readback.value for motor in motors]


def test_foucault_goes_plane_by_plane_in_turns():
    where = places_now(FILE, ALL["foucault_test"])
    assert where.axes == ("cutoff_z", "cutoff_x")
    assert where.targets[:2] == ((-2.0, -10.0), (-2.0, -5.0))
    assert where.targets[4:7] == ((-2.0, 10.0), (0.0, 10.0), (0.0, 5.0))


def test_a_point_that_lost_its_beam_is_taken_again(devices, tmp_path):
    def dump(taken):
        if taken == 4:
            devices.ring.current.value = 10.0
            devices.ring.current.look(value=10.0)
            devices.ring.current.value = 400.0

    machine = Machine(devices, dump)
    machine.run(calibrations.knife_edge(devices, KNIFE_EDGE, folder=tmp_path))
    flagged = [row["point"] for row in machine.rows if row["status"] == "flagged"]
    good = [row for row in machine.rows if row["status"] == "ok"]
    assert flagged[-1] == 3  # and those before it that were not yet beyond doubt
    assert [row["point"] for row in good] == list(range(30))
    assert len({row["first_frame"] for row in machine.rows}) == len(machine.rows) == 30 + len(flagged)
    # those in doubt are from before the loss, the good ones of the same points from after
    assert (
        min(row["first_frame"] for row in good if row["point"] >= 3)
        > machine.rows[[row["point"] for row in machine.rows].index(3)]["first_frame"]
    )


def test_a_loss_of_beam_is_waited_for_with_the_shutter_shut(devices, tmp_path):
    """After the last point it may be told yet, 20 ms late here."""
    ring = devices.file.ring.model_copy(update={"late_s": 0.02})
    devices.file = devices.file.model_copy(update={"ring": ring})
    machine, words = Machine(devices), []
    machine.simulator.add_handler("sleep", lambda msg: words.append(devices.shutter.word))
    machine.run(calibrations.knife_edge(devices, KNIFE_EDGE, folder=tmp_path))
    assert set(words) == {"closed"}


def test_optics_settle_with_the_shutter_shut(devices, tmp_path, monkeypatch):
    """The beam is lost at the fourth point and back before anybody looks."""
    words, look = settle_looks(devices, monkeypatch)
    machine = Machine(devices, lambda taken: devices.ring.current.look(value=10.0) if taken == 4 else None)
    machine.simulator.add_handler("sleep", look)
    machine.run(calibrations.knife_edge(devices, KNIFE_EDGE, folder=tmp_path))
    assert words == ["closed"] * len(words) != []


def test_frames_behind_a_shut_shutter_are_taken_again(devices, tmp_path):
    def shut(taken):
        if taken == 2:
            devices.shutter.word = "closed"

    machine = Machine(devices, shut)
    messages = machine.run(calibrations.pixel_size(devices, PIXEL_SIZE, folder=tmp_path))
    assert [row["point"] for row in machine.rows if row["status"] == "ok"] == [0, 1, 2, 3]
    assert 1 in [row["point"] for row in machine.rows if row["status"] == "flagged"]
    assert told(messages).count("shutter open") == 3  # flats, stills, stills again


def broken(plan, machine, condition, error):
    """Play a plan and throw an error at the first message of which ``condition`` is true; what came after."""
    after, thrown = [], False
    reply = None
    while True:
        try:
            if not thrown and reply is not None and condition(reply):
                thrown, message = True, plan.throw(error)
            else:
                message = plan.send(UID if reply is not None and reply.command == "open_run" else None)
        except (RequestAbort, DeviceError) as raised:
            return after, raised
        handler = getattr(machine, message.command, None)
        if handler is not None:
            handler(message)
        if thrown:
            after.append(message)
        reply = message


@pytest.mark.parametrize("error", [RequestAbort(), DeviceError("camera", "kickoff", "acquiring", "idle")])
@pytest.mark.parametrize(("name", "exposures"), [(name, count) for name in ALL for count in (0, 2)])
def test_broken_off_all_is_put_back(devices, tmp_path, name, exposures, error):
    machine = Machine(devices)
    before = places_before(devices)

    def at(message):
        return machine.taken == exposures and message.command == "kickoff" and machine.stream == "stills"

    plan = getattr(calibrations, name)(devices, ALL[name], folder=tmp_path)
    after, raised = broken(plan, machine, at, error)
    assert raised is error
    assert places_before(devices) == before
    assert devices.shutter.word == "closed"
    words = told(after)
    assert {"camera stop", "camera close file", "sample_x stop"} <= set(words)
    assert words[-1] == "close_run"
    closing = next(message for message in after if message.command == "close_run").kwargs
    aborted = isinstance(error, RequestAbort)
    assert closing["exit_status"] == ("abort" if aborted else "fail")
    if aborted:
        assert closing["reason"].endswith(f" of {ALL[name].places} points good")


REFUSED = [
    ("knife_edge", {"half_range_um": 400.0}, "cutoff_x: wanted -300 to 300 um, found -400 to 400 um"),
    ("foucault_test", {"half_range_mm": 20.0}, "cutoff_z: wanted -10 to 10 mm, found -20 to 20 mm"),
    ("focus_scan", {"half_range_mm": 10.0}, "zone_plate_z: wanted -10 to 10 mm"),
    ("find_rotation_axis", {"start_deg": 300.0}, "sample_theta: wanted -400 to 400 deg"),
    (
        "pixel_size",
        {"sample_out_um": 5000.0},
        "sample_x: wanted -2000 to 2000 um, found 5000 um for the flats",
    ),
    ("pixel_size", {"roi": Roi(min_x=3100, min_y=0, size_x=128, size_y=96)}, "roi.x: wanted at most 3200 px"),
]


@pytest.mark.parametrize(("name", "changes", "fault"), REFUSED)
def test_refused_with_all_reasons_before_anything_moves(devices, tmp_path, name, changes, fault):
    params = ALL[name].model_copy(update=changes)
    devices.ring.current.value = 1.0
    machine = Machine(devices)
    with pytest.raises(LimitError) as caught:
        machine.run(getattr(calibrations, name)(devices, params, folder=tmp_path))
    assert any(fault in line for line in caught.value.faults)
    assert any("ring: wanted 50 mA" in line for line in caught.value.faults)
    assert any(fault in line for line in infeasible_stills(FILE, params))


def test_what_a_plan_is_about_to_find_is_not_asked_of_it(devices, tmp_path):
    """A focus scan may begin out of focus, a Foucault test off the plane of the pupil; no other may."""
    devices.zone_plate.z.user_readback.value += 0.02
    devices.cutoff.z.user_readback.value = 3.0
    wanted = {"focus_scan": ("cutoff_z",), "foucault_test": ("zone_plate_z",)}
    for name, params in ALL.items():
        with pytest.raises(LimitError) as caught:
            Machine(devices).run(getattr(calibrations, name)(devices, params, folder=tmp_path))
        found = tuple(line.partition(":")[0] for line in caught.value.faults)
        assert found == wanted.get(name, ("zone_plate_z", "cutoff_z"))


def test_an_energy_beyond_the_monochromator_is_one_of_the_reasons(devices, tmp_path):
    devices.mono.energy_ev.value = 1e6
    with pytest.raises(LimitError, match=r"energy: wanted 7500.0 to 9500.0 eV"):
        Machine(devices).run(calibrations.focus_scan(devices, ALL["focus_scan"], folder=tmp_path))


def test_estimates():
    cost = estimate_stills(FILE, KnifeEdgeScan())
    assert cost.frames == 20 + 2 * 122
    assert cost.disk_bytes == cost.frames * 400 * 400 * 2
    assert cost.open_shutter_s == 0.0  # the sample is out
    assert 60 < cost.duration_s < 240
    assert "244 frames" not in cost.summary()
    assert "264 frames of 400 x 400 (122 points, exposure 0.1 s)" in cost.summary()
    axis = estimate_stills(FILE, FindRotationAxis(pairs=2))
    # three quarters of a turn at 10 deg/s, and two frames of 0.5 s at each of four angles
    assert axis.open_shutter_s > 27 + 4
    assert "at 20 times real time" in axis.summary(speed=20.0)


def test_all_are_plans_of_a_session(tmp_path):
    (tmp_path / "defaults.yaml").write_text("")
    for name, params in ALL.items():
        assert not PLANS[name].reconstructs
        assert plan_parameters(name, tmp_path / "defaults.yaml") == type(params)()
