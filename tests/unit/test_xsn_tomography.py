"""Order of the tomogram's messages, and retakes, without hardware."""

import pytest
from bluesky.utils import RequestAbort
from fake_instrument import UID, Machine, instrument

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.errors import DeviceError, LimitError
from xsn_acq.params import Roi, XsnTomography
from xsn_acq.plans import fly
from xsn_acq.plans.framing import framing
from xsn_acq.plans.xsn_tomography import xsn_tomography

PARAMS = XsnTomography(
    projections=36, exposure_s=1.0, darks=3, flats=4, roi=Roi(min_x=1540, min_y=1552, size_x=128, size_y=96)
)


@pytest.fixture
def devices():
    return instrument()


def machine(devices, params=PARAMS, **options):
    frame = framing(devices.file, params)
    return Machine(devices, period_s=frame.period_s, latency_s=frame.exposure_s + frame.readout_s, **options)


def told(messages):
    """What the messages ask for, in words."""
    words = []
    for message in messages:
        name = getattr(message.obj, "name", "")
        if message.command == "set":
            words.append(f"{name} {message.args[0]}")
        elif message.command == "prepare":
            value = message.args[0]
            words.append(f"prepare {name} {getattr(value, 'stream', '')}".strip())
        elif message.command in ("open_run", "close_run", "declare_stream"):
            words.append(" ".join([message.command, message.kwargs.get("name", "")]).strip())
        elif message.command in ("kickoff", "complete", "trigger"):
            words.append(f"{message.command} {name}")
    return words


def test_order_of_messages(devices, tmp_path):
    messages = machine(devices).run(xsn_tomography(devices, PARAMS, folder=tmp_path))
    words = told(messages)
    velocity = framing(devices.file, PARAMS).rhythm(PARAMS).velocity_deg_s
    run_up = velocity * 0.5  # half of 0.5 s of acceleration, and 0.25 s
    assert words == [
        "open_run",
        "shutter closed",
        "prepare camera darks",
        "declare_stream darks",
        "kickoff camera",
        "complete camera",
        "trigger camera close file",
        "sample_x 60.0",
        "prepare camera flats",
        "declare_stream flats",
        "shutter open",
        "kickoff camera",
        "complete camera",
        "trigger camera close file",
        "shutter closed",
        "sample_x 0.0",
        "prepare camera projections",
        "declare_stream projections",
        "declare_stream ledger",
        "sample_theta_velocity 10.0",
        f"sample_theta {-run_up}",
        f"sample_theta_velocity {velocity}",
        "prepare position_compare",
        "kickoff position_compare",
        "kickoff camera",
        "shutter open",
        f"sample_theta {360 + run_up}",
        "complete position_compare",
        "trigger position compare disarm",
        "trigger camera stop",
        "complete camera",
        "shutter closed",
        "trigger camera close file",
        "declare_stream ledger_summary",
        "shutter closed",
        "trigger sample_theta stop",
        "trigger position compare disarm",
        "trigger camera stop",
        "trigger camera close file",
        "sample_theta_velocity 10.0",
        "sample_x 0.0",
        "close_run",
    ]


def test_nothing_is_rewound(devices, tmp_path):
    messages = machine(devices).run(xsn_tomography(devices, PARAMS, folder=tmp_path))
    commands = [message.command for message in messages]
    assert "checkpoint" not in commands
    assert commands.index("rewindable") < commands.index("open_run")


def test_files_and_setups(devices, tmp_path):
    params = PARAMS.model_copy(update={"flats_when": "both", "readout_port": "3"})
    messages = machine(devices, params).run(xsn_tomography(devices, params, folder=tmp_path))
    setups = [m.args[0] for m in messages if m.command == "prepare" and isinstance(m.args[0], CameraSetup)]
    assert [(s.stream, s.frames, s.trigger) for s in setups] == [
        ("darks", 3, "internal"),
        ("flats", 4, "internal"),
        ("projections", 36, "external"),
        ("flats_after", 4, "internal"),
    ]
    assert {s.folder for s in setups} == {tmp_path / UID[:8]}
    assert [s.filename for s in setups] == [s.stream for s in setups]
    assert {(s.roi, s.binning, s.readout_port) for s in setups} == {((1540, 1552, 128, 96), 2, "3")}


def test_lost_frames_are_flown_again_in_trains_of_neighbours(devices, tmp_path):
    lost = machine(devices, lose=lambda train, angles: [3, 4, 20] if train == 0 else [])
    messages = lost.run(xsn_tomography(devices, PARAMS, folder=tmp_path))
    assert [(t.start, t.count) for t in lost.trains] == [(0.0, 36), (30.0, 2), (200.0, 1)]
    assert {t.step for t in lost.trains} == {10.0}
    rearms = [m.args[0].frames for m in messages if m.command == "prepare" and isinstance(m.args[0], Rearm)]
    assert rearms == [2, 1]
    good = [row for row in lost.rows["ledger"] if row["status"] == "ok"]
    assert sorted(row["target"] for row in good) == list(range(36))
    assert [row["frame_index"] for row in good if row["train"] > 0] == [33, 34, 35]
    (summary,) = lost.rows["ledger_summary"]
    assert (summary["lost"], summary["retaken"], summary["complete"]) == (3, 3, 1)


def test_retakes_end(devices, tmp_path, monkeypatch):
    """The same angle is lost again and again: three rounds, then the run ends and says so."""
    monkeypatch.setattr(fly, "PATIENCE_S", 0.0)
    monkeypatch.setattr(fly, "PATIENCE_PERIODS", 0)
    stubborn = machine(devices, lose=lambda train, angles: [i for i, a in enumerate(angles) if a == 350.0])
    messages = stubborn.run(xsn_tomography(devices, PARAMS, folder=tmp_path))
    assert len(stubborn.trains) == 1 + PARAMS.retakes
    (summary,) = stubborn.rows["ledger_summary"]
    assert summary["complete"] == 0
    assert messages[-2].command == "close_run"
    assert messages[-2].kwargs["reason"].endswith("1 of 36 projections missing: 35")


def test_backwards(devices, tmp_path):
    params = PARAMS.model_copy(update={"direction": -1, "start_deg": 360.0})
    backwards = machine(devices, params)
    backwards.run(xsn_tomography(devices, params, folder=tmp_path))
    (train,) = backwards.trains
    assert (train.start, train.direction) == (360.0, -1)
    rows = backwards.rows["ledger"]
    assert rows[35]["theta_deg"] == pytest.approx(10.0)
    assert rows[0]["theta_mid_deg"] < 360.0


def test_free_running_camera(devices, tmp_path):
    params = PARAMS.model_copy(update={"trigger": "free_running"})
    free = machine(devices, params)
    messages = free.run(xsn_tomography(devices, params, folder=tmp_path))
    (train,) = free.trains
    assert train.source == "camera"
    setup = next(m.args[0] for m in messages if m.command == "prepare" and m.args[0].stream == "projections")
    assert setup.trigger == "internal"
    assert setup.frames > 36
    assert free.rows["ledger_summary"][0]["complete"] == 1


def test_refused_before_anything(devices, tmp_path):
    devices.ring.current.value = 1.0
    with pytest.raises(LimitError):
        machine(devices).run(xsn_tomography(devices, PARAMS, folder=tmp_path))


def broken(plan, *failures):
    """Play a plan and throw each (condition, error) at the first message it is true of; what came after."""
    after, waiting = [], list(failures)
    message = plan.send(None)
    while True:
        if len(waiting) < len(failures):
            after.append(message)
        try:
            if waiting and waiting[0][0](message):
                message = plan.throw(waiting.pop(0)[1])
            else:
                message = plan.send(UID if message.command == "open_run" else None)
        except StopIteration:
            raise AssertionError("the error was swallowed") from None
        except (RequestAbort, DeviceError) as raised:
            return after, raised


@pytest.mark.parametrize(
    "when",
    [
        lambda m: m.command == "declare_stream" and m.kwargs["name"] == "darks",
        lambda m: m.command == "set" and m.args == (60.0,),
        lambda m: m.command == "kickoff" and m.obj.name == "position_compare",
    ],
    ids=["in the darks", "in the flats", "armed"],
)
@pytest.mark.parametrize("error", [RequestAbort(), DeviceError("camera", "kickoff", "acquiring", "idle")])
def test_everything_is_put_back(devices, tmp_path, when, error):
    after, raised = broken(xsn_tomography(devices, PARAMS, folder=tmp_path), (when, error))
    words = told(after)
    for wanted in (
        "shutter closed",
        "trigger sample_theta stop",
        "trigger position compare disarm",
        "trigger camera stop",
        "trigger camera close file",
        "sample_theta_velocity 10.0",
        "sample_x 0.0",
    ):
        assert wanted in words
    assert words[-1] == "close_run"
    closing = next(m for m in after if m.command == "close_run")
    assert closing.kwargs["exit_status"] == ("abort" if isinstance(error, RequestAbort) else "fail")
    assert closing.kwargs["reason"]
    assert raised is error


def test_an_abort_while_the_last_frames_are_read_ends_the_run(devices, tmp_path, monkeypatch):
    """No further train is begun, and what was read is in the ledger."""
    monkeypatch.setattr(fly, "PATIENCE_S", 0.0)
    monkeypatch.setattr(fly, "PATIENCE_PERIODS", 0)
    closings = []

    def tallying(message):
        closings.extend([message] if message.command == "set" and message.args == ("closed",) else [])
        return len(closings) == 3 and message.command == "collect"  # after darks, flats, and a train

    error = RequestAbort()
    after, raised = broken(xsn_tomography(devices, PARAMS, folder=tmp_path), (tallying, error))
    assert raised is error
    assert told(after)[-1] == "close_run"
    assert not {"shutter open", "kickoff camera"} & set(told(after))


def test_dark_flats_are_not_accepted_when_the_ring_tells_late(devices, tmp_path):
    """The flats have ended, and their shutter is shut, when the loss is told."""

    def told_late(message):
        if message.command == "sleep" and message.args[0] <= devices.file.ring.late_s:
            devices.ring.current.value = 0.0
        return False

    _, raised = broken(xsn_tomography(devices, PARAMS, folder=tmp_path), (told_late, RequestAbort()))
    assert "flats: wanted beam and no pause" in str(raised)


def test_frames_are_not_beyond_doubt_when_nothing_tells_of_the_beam(devices, tmp_path):
    """The front end's record has died: the run fails before it trusts another frame."""
    flying = machine(devices)

    def silent():
        raise TimeoutError("no answer")

    def fly_and_forget(message):
        flying._set(message)
        if flying.trains:
            devices.front_end_shutter.state = silent

    flying.simulator.add_handler("set", fly_and_forget)
    with pytest.raises(DeviceError, match="wanted an answer"):
        flying.run(xsn_tomography(devices, PARAMS, folder=tmp_path))
    assert not [row for row in flying.rows["ledger"] if row["status"] == "ok"]


def test_a_part_that_fails_while_putting_back_stops_no_other(devices, tmp_path):
    first = DeviceError("camera", "kickoff", "acquiring", "idle")
    second = DeviceError("shutter", "set", "closed", "open")
    after, raised = broken(
        xsn_tomography(devices, PARAMS, folder=tmp_path),
        (lambda m: m.command == "kickoff", first),
        (lambda m: m.command == "set", second),
    )
    assert raised is first
    assert told(after)[-3:] == ["sample_theta_velocity 10.0", "sample_x 0.0", "close_run"]
