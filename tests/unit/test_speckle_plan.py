"""Speckle microtomography without hardware: order, to and fro, references between trains, what is refused."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from bluesky import plan_stubs as bps
from bluesky.utils import RequestAbort
from fake_instrument import UID
from speckle_machine import FILE, PARAMS, SpeckleMachine, instrument

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.errors import LedgerError, LimitError
from xsn_acq.live.expected import frames_expected
from xsn_acq.params import Roi, SpeckleTomography
from xsn_acq.params.progress import PartProgress, Progress
from xsn_acq.plans import checks, fly, speckle_flight
from xsn_acq.plans.framing import framing
from xsn_acq.plans.speckle_tomography import speckle_tomography

THREE = PARAMS.model_copy(update={"positions": 3, "step_mm": 0.2})


@pytest.fixture
def devices():
    return instrument()


def sets(messages, name):
    return [m.args[0] for m in messages if m.command == "set" and getattr(m.obj, "name", "") == name]


def starts(messages):
    return [message.kwargs for message in messages if message.command == "open_run"]


def story(messages):
    """Streams as their files are opened, and moves of sample and diffuser."""
    words = []
    for message in messages:
        name = getattr(message.obj, "name", "")
        if message.command == "prepare" and isinstance(message.args[0], CameraSetup):
            words.append(message.args[0].stream)
        elif message.command == "set" and name in ("sample_x", "diffuser_x", "diffuser_y", "shutter"):
            words.append(f"{name} {message.args[0]}")
    return words


def ratio(attenuation_cm2_g, electrons_per_u):
    """beta / delta at 10 keV from an attenuation (NIST: Si 33.9, O 5.95, C 2.37 cm2/g) and free electrons."""
    wavelength_m = 1.23984e-10
    beta = attenuation_cm2_g * 100.0 * wavelength_m / (4 * math.pi)
    delta = 2.818e-15 * wavelength_m**2 / (2 * math.pi) * 6.022e29 * electrons_per_u
    return beta / delta


def test_order(devices, tmp_path):
    """Flats without sample and diffuser, references without sample, projections with both; all put back."""
    messages = SpeckleMachine(devices).run(speckle_tomography(devices, PARAMS, folder=tmp_path))
    light = ["shutter open", "shutter closed"]
    assert story(messages) == [
        *("shutter closed", "darks"),
        *("diffuser_x 15.0", "sample_x 3000.0", "flats", *light),
        *("diffuser_x 0.0", "diffuser_y 0.0"),
        *("sample_x 3000.0", "references", *light, "sample_x 0.0"),
        *("projections", *light),
        *("sample_x 3000.0", "references_after", *light, "sample_x 0.0"),
        *("shutter closed", "sample_x 0.0", "diffuser_x 0.5", "diffuser_y -0.25"),
    ]
    setups = [m.args[0] for m in messages if m.command == "prepare" and isinstance(m.args[0], CameraSetup)]
    assert [(each.frames, each.trigger) for each in setups] == [
        *((3, "internal"), (4, "internal"), (5, "internal"), (37, "external"), (5, "internal")),
    ]
    (closing,) = [message.kwargs for message in messages if message.command == "close_run"]
    assert closing["reason"] is None


def test_both_ends_of_the_span_are_taken(devices, tmp_path):
    machine = SpeckleMachine(devices)
    machine.run(speckle_tomography(devices, PARAMS, folder=tmp_path))
    theta = [row["theta_deg"] for row in machine.rows["ledger"]]
    assert theta == pytest.approx(np.linspace(0.0, 180.0, 37))
    assert machine.rows["ledger_summary"][0]["complete"] == 1


def test_where_the_time_went(devices, tmp_path):
    machine = SpeckleMachine(devices)
    machine.run(speckle_tomography(devices, PARAMS, folder=tmp_path))
    (row,) = machine.rows["run_times"]
    period_s = framing(FILE, PARAMS).period_s
    readout_s = framing(FILE, PARAMS).readout_s
    assert row["exposures_s"] == pytest.approx(37 * period_s + 17 * (1.0 + readout_s))
    # 2 moves of 15 mm at 5 mm/s, 3 of 3 mm at 2 mm/s, their accelerations, run-ups of half a second; for the
    # flats the sample goes out while the diffuser does
    assert 2 * 3.0 + 3 * 1.5 < row["motors_s"] < 14.0


def test_what_was_not_taken_in_this_run_takes_no_time(devices, tmp_path):
    """Of 37 projections 10 are left, and one of them is taken twice."""
    done = Progress("5ca1ab1e", {0: PartProgress(frozenset(range(27)), ("11111111",))})
    machine = SpeckleMachine(devices, lose=lambda train, angles: [3] if train == 0 else [])
    machine.run(speckle_tomography(devices, PARAMS, folder=tmp_path, done=done))
    (row,) = machine.rows["run_times"]
    frame = framing(FILE, PARAMS)
    assert [train.count for train in machine.trains] == [10, 1]
    assert row["exposures_s"] == pytest.approx(11 * frame.period_s + 17 * (1.0 + frame.readout_s))


def test_references_between_trains_take_time(devices, tmp_path):
    params = PARAMS.model_copy(update={"references_every": 20})
    machine = SpeckleMachine(devices, params)
    machine.run(speckle_tomography(devices, params, folder=tmp_path))
    (row,) = machine.rows["run_times"]
    frame = framing(FILE, PARAMS)
    assert row["exposures_s"] == pytest.approx(37 * frame.period_s + 22 * (1.0 + frame.readout_s))


def test_what_a_reconstruction_must_know(devices, tmp_path):
    params = PARAMS.model_copy(update={"material": "SiO2"})
    (start,) = starts(SpeckleMachine(devices).run(speckle_tomography(devices, params, folder=tmp_path)))
    told = start["acquisition"]
    assert start["technique"] == "pwf"
    assert told["pixel_size_m"] == pytest.approx(650e-9)
    assert (told["sample_to_diffuser_m"], told["diffuser_to_scintillator_m"]) == (0.003, 0.02)
    assert told["axis_column"] == pytest.approx(1279.5 - 1216)
    assert told["step_deg"] == 5.0
    assert told["wavelength_m"] == pytest.approx(1.239842e-10, rel=1e-6)  # as many digits as given
    assert told["mode"] == "single_material"
    # the attenuation that is taken contains scattering, and all electrons count as free: 8 % are not much
    assert told["beta_over_delta"] == pytest.approx(ratio(19.0, 30 / 60.08), rel=0.08)
    assert told["diffuser_beta_over_delta"] == pytest.approx(ratio(24.4, 20 / 40.10), rel=0.08)
    assert told["expected"] == {
        "darks": 3,
        "flats": 4,
        "references": 5,
        "projections": 37,
        "references_after": 5,
    }
    assert told["references_between"] == 0
    assert start["speckle"]["position_mm"] == [0.0, 0.0]


@pytest.mark.parametrize(("direction", "start_deg"), [(1, 0.0), (-1, 180.0)])
def test_every_position_shows_the_same_angles(devices, tmp_path, direction, start_deg):
    """Every second one backwards: the same middles of exposures, though the stage turns meanwhile."""
    params = THREE.model_copy(update={"direction": direction, "start_deg": start_deg})
    machine = SpeckleMachine(devices, params)
    machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert [train.direction for train in machine.trains] == [direction, -direction, direction]
    middles = np.array([row["theta_mid_deg"] for row in machine.rows["ledger"]]).reshape(3, 37)
    for own in (middles[1][::-1], middles[2]):
        assert own == pytest.approx(middles[0], abs=1e-9)  # rounding of angles alone


def test_each_run_says_of_which_series_it_is(devices, tmp_path):
    messages = SpeckleMachine(devices, THREE).run(speckle_tomography(devices, THREE, folder=tmp_path))
    told = [start["speckle"] for start in starts(messages)]
    assert [(each["number"], each["count"]) for each in told] == [(0, 3), (1, 3), (2, 3)]
    assert len({each["series"] for each in told}) == 1
    assert [each["position_mm"] for each in told] == [[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1]]
    assert [start["acquisition"]["step_deg"] for start in starts(messages)] == [5.0, -5.0, 5.0]
    assert {start["params"] == THREE.model_dump(mode="json") for start in starts(messages)} == {True}
    x = sets(messages, "diffuser_x")
    assert x == [15.0, -0.1, 0.5, 15.0, 0.1, 0.5, 15.0, 0.1, 0.5]


def test_references_between_trains(devices, tmp_path):
    params = PARAMS.model_copy(update={"references_every": 15})
    machine = SpeckleMachine(devices, params)
    messages = machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert [(train.start, train.count) for train in machine.trains] == [(0.0, 15), (75.0, 15), (150.0, 7)]
    spans = machine.rows["reference_spans"]
    assert [(row["first_frame"], row["frames"]) for row in spans] == [(15, 5), (35, 5)]
    frames = [row["frame_index"] for row in machine.rows["ledger"]]
    assert frames == [*range(15), *range(20, 35), *range(40, 47)]
    (start,) = starts(messages)
    assert (start["acquisition"]["references_between"], frames_expected(start)["projections"]) == (10, 47)
    (summary,) = machine.rows["ledger_summary"]
    assert (summary["counted"], summary["written"], summary["complete"]) == (37, 37, 1)
    assert summary["message"] == "all 37 projections accounted for"
    times = np.array([row["frame_time"] for row in machine.rows["ledger"]])
    for row, before, after in zip(spans, (14, 29), (15, 30), strict=True):
        assert times[before] < row["time_s"] < times[after]
    assert sets(messages, "sample_x") == [3000.0, 3000.0, 0.0, 3000.0, 0.0, 3000.0, 0.0, 3000.0, 0.0, 0.0]
    assert params.spans == 2


def test_frames_lost_are_retaken_with_references_that_are_new_enough(devices, tmp_path):
    params = PARAMS.model_copy(update={"references_every": 20})
    machine = SpeckleMachine(devices, params, lose=lambda train, angles: [3] if train < 2 else [])
    machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert [(train.start, train.count) for train in machine.trains] == [
        *((0.0, 20), (100.0, 17)),
        *((15.0, 1), (115.0, 1)),
    ]
    assert [row["first_frame"] for row in machine.rows["reference_spans"]] == [19]
    assert machine.rows["ledger_summary"][0]["complete"] == 1


def test_references_that_a_pause_spoilt_are_taken_again(devices, tmp_path):
    params = PARAMS.model_copy(update={"references_every": 20})
    machine = SpeckleMachine(devices, params)
    watched, kicked = [], itertools.count()

    def watch(msg):
        watched.append(msg.obj)

    def kickoff(msg):
        between = msg.obj is devices.camera and machine._internal
        machine._kickoff(msg)
        if between and next(kicked) == 0:
            next(each for each in watched if hasattr(each, "pause")).pause()

    devices.shutter.set = lambda word: SimpleNamespace(add_callback=lambda told: None)
    machine.simulator.add_handler("null", watch)
    machine.simulator.add_handler("kickoff", kickoff)
    machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert [row["first_frame"] for row in machine.rows["reference_spans"]] == [25]
    (summary,) = machine.rows["ledger_summary"]
    assert (summary["written"], summary["complete"]) == (37, 1)


def test_references_after_that_a_pause_spoilt_leave_the_rest_of_the_series(devices, tmp_path, caplog):
    """The first position is whole without them, and the second one is taken."""
    params = PARAMS.model_copy(update={"positions": 2, "step_mm": 0.1})
    machine = SpeckleMachine(devices, params)
    watched, streams = [], []

    def prepare(msg):
        streams.append(getattr(msg.args[0], "stream", ""))
        machine._prepare(msg)

    def kickoff(msg):
        machine._kickoff(msg)
        if (
            msg.obj is devices.camera
            and streams[-1:] == ["references_after"]
            and streams.count("references") == 1
        ):
            next(each for each in watched if hasattr(each, "pause")).pause()

    devices.shutter.set = lambda word: SimpleNamespace(add_callback=lambda told: None)
    machine.simulator.add_handler("null", lambda msg: watched.append(msg.obj))
    machine.simulator.add_handler("kickoff", kickoff)
    machine.simulator.add_handler("prepare", prepare)
    messages = machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert [row["stream"] for row in machine.rows["spoilt"]] == ["references_after"]
    assert "references_after: a pause or a loss of beam spoilt them; they are left out" in caplog.text
    assert [row["complete"] for row in machine.rows["ledger_summary"]] == [1, 1]
    closed = [msg.kwargs for msg in messages if msg.command == "close_run"]
    assert [each.get("exit_status") for each in closed] == [None, None]


def test_no_more_projections_than_said_lie_between_references(devices, tmp_path):
    """Trains of 9, 9 and 9 are left of a resumed run: never 18 in a row where 10 are asked."""
    params = PARAMS.model_copy(update={"references_every": 10})
    good = frozenset({9, 19, 20, 21, 22, 23, 24, 25, 26, 27})
    done = Progress("5ca1ab1e", {0: PartProgress(good, ("11111111",))})
    machine = SpeckleMachine(devices, params)
    machine.run(speckle_tomography(devices, params, folder=tmp_path, done=done))
    assert [train.count for train in machine.trains] == [9, 9, 9]
    assert [row["first_frame"] for row in machine.rows["reference_spans"]] == [9, 23]


def test_references_without_times_are_left_out(devices, tmp_path, monkeypatch, caplog):
    params = PARAMS.model_copy(update={"references_every": 20})
    machine = SpeckleMachine(devices, params)
    monkeypatch.setattr(speckle_flight.SpeckleFlight, "_middle_s", no_time)
    machine.run(speckle_tomography(devices, params, folder=tmp_path))
    assert machine.rows["reference_spans"] == []
    assert "references from frame 20 on are left out" in caplog.text
    assert machine.rows["ledger_summary"][0]["complete"] == 1


def no_time(flight, first):
    """Times of frames that cannot be read."""
    yield from bps.null()
    return math.nan


def test_a_series_goes_on_with_what_is_missing(devices, tmp_path):
    earlier = {
        0: PartProgress(frozenset(range(37)), ("11111111",)),
        1: PartProgress(frozenset(range(30)), ("22222222",)),
    }
    machine = SpeckleMachine(devices, THREE)
    plan = speckle_tomography(devices, THREE, folder=tmp_path, done=Progress("5ca1ab1e", earlier))
    told = [start["speckle"] for start in starts(machine.run(plan))]
    assert [(each["series"], each["number"]) for each in told] == [("5ca1ab1e", 1), ("5ca1ab1e", 2)]
    assert (told[0]["resumes"], told[0]["taken"]) == (["22222222"], [[0, 29]])
    assert [train.count for train in machine.trains] == [7, 37]


def test_the_beam_is_waited_for_between_positions(devices, tmp_path):
    machine = SpeckleMachine(devices, THREE)
    looks = []

    def close(msg):
        devices.ring.current.value = 0.0

    def sleep(msg):
        looks.append(devices.ring.current.value)
        devices.ring.current.value = 400.0

    machine.simulator.add_handler("close_run", close)
    machine.simulator.add_handler("sleep", sleep)
    assert len(starts(machine.run(speckle_tomography(devices, THREE, folder=tmp_path)))) == 3
    assert looks.count(0.0) == 2


def test_a_series_that_fits_is_not_refused_half_way(devices, tmp_path, monkeypatch):
    """Free space falls by each position taken; at first it is 1.15 times that of all, 1.1 times is wanted."""
    one = THREE.frames * framing(FILE, THREE).bytes_per_frame
    free = [1.15 * 3 * one]
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    machine = SpeckleMachine(devices, THREE)
    machine.simulator.add_handler("close_run", lambda msg: free.append(free.pop() - one))
    assert len(starts(machine.run(speckle_tomography(devices, THREE, folder=tmp_path)))) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda each: setattr(each.sample.x.user_readback, "value", 7.0), "sample_x: wanted 0 um"),
        (lambda each: setattr(each.sample.y.user_readback, "value", 7.0), "sample_y: wanted 0 um"),
        (
            lambda each: setattr(each.mono.energy_ev, "value", 12000.0),
            r"energy: wanted 10000\.0 \+- 10\.0 eV",
        ),
    ],
)
def test_what_changes_between_positions_is_refused(devices, tmp_path, change, words):
    machine = SpeckleMachine(devices, THREE)
    machine.simulator.add_handler("close_run", lambda msg: change(devices))
    with pytest.raises(LimitError, match=f"{words}.*, as the series began"):
        machine.run(speckle_tomography(devices, THREE, folder=tmp_path))
    assert len(machine.trains) == 1


def test_another_energy_than_the_series_is_refused(devices, tmp_path):
    done = Progress("series", places={"mono_energy_ev": 12000.0})
    with pytest.raises(LimitError, match=r"energy: wanted 12000\.0 \+- 12\.0 eV, as the series began"):
        next(speckle_tomography(devices, PARAMS, folder=tmp_path, done=done))


def test_the_stage_of_the_sample_counts_in_the_distances(devices, tmp_path):
    devices.sample.z.user_readback.value = 1500.0
    (start,) = starts(SpeckleMachine(devices).run(speckle_tomography(devices, PARAMS, folder=tmp_path)))
    told = start["acquisition"]
    assert told["sample_to_diffuser_m"] == pytest.approx(0.0015)
    assert told["sample_to_scintillator_m"] == pytest.approx(0.0215)
    devices.sample.z.user_readback.value = 3000.0
    with pytest.raises(LimitError, match="sample_z: wanted less than 3000 um"):
        next(speckle_tomography(devices, PARAMS, folder=tmp_path))


def test_what_forbids_the_next_position_stands_in_the_journal(devices, tmp_path):
    machine, messages = SpeckleMachine(devices, THREE), []

    def note(msg):
        messages.append(msg)
        if msg.command == "close_run":
            devices.sample.x.user_readback.value = 2900.0
        return UID

    for command in ("open_run", "close_run"):
        machine.simulator.add_handler(command, note)
    with pytest.raises(LimitError, match="wanted the sample in the beam") as refused:
        machine.run(speckle_tomography(devices, THREE, folder=tmp_path))
    assert [message.command for message in messages] == ["open_run", "close_run"] * 2
    empty, closing = messages[2].kwargs, messages[3].kwargs
    assert (empty["speckle"]["number"], "technique" in empty) == (1, False)
    assert closing == {"exit_status": "fail", "reason": str(refused.value)}


def test_a_series_that_fails_as_a_whole_ends(devices, tmp_path, monkeypatch):
    monkeypatch.setattr(fly, "PATIENCE_S", 0.0)
    monkeypatch.setattr(fly, "PATIENCE_PERIODS", 0)
    blind = SpeckleMachine(devices, THREE, lose=lambda train, angles: range(len(angles)))
    with pytest.raises(LedgerError, match="diffuser position 1: most projections failed twice"):
        blind.run(speckle_tomography(devices, THREE, folder=tmp_path))
    assert len(blind.trains) == 2


def test_all_is_put_back_after_an_abort(devices, tmp_path):
    aborted = RequestAbort()
    after, raised = broken(speckle_tomography(devices, PARAMS, folder=tmp_path), devices, aborted)
    assert raised is aborted
    assert story(after) == ["shutter closed", "sample_x 0.0", "diffuser_x 0.5", "diffuser_y -0.25"]
    (closing,) = [message.kwargs for message in after if message.command == "close_run"]
    assert closing == {"exit_status": "abort", "reason": "broken off: 0 of 37 projections good"}


def flown(machine, message):
    """The flight begins."""
    return message.command == "kickoff" and message.obj is machine.devices.position_compare


def between(machine, message):
    """References between trains begin, the sample is out."""
    return message.command == "kickoff" and message.obj is machine.devices.camera and machine._internal


def flat(machine, message):
    """Flats begin, sample and diffuser are out."""
    out = machine.devices.diffuser.x.user_readback.value == 15.0
    return message.command == "kickoff" and message.obj is machine.devices.camera and out


@pytest.mark.parametrize(
    ("when", "every", "good"), [(between, 20, 20), (flat, None, 0)], ids=["references between", "flats"]
)
def test_all_is_put_back_where_sample_or_diffuser_are_out(devices, tmp_path, when, every, good):
    params, aborted = PARAMS.model_copy(update={"references_every": every}), RequestAbort()
    plan = speckle_tomography(devices, params, folder=tmp_path)
    after, raised = broken(plan, devices, aborted, when)
    assert raised is aborted
    assert story(after) == ["shutter closed", "sample_x 0.0", "diffuser_x 0.5", "diffuser_y -0.25"]
    steps = [getattr(message.obj, "name", "") for message in after if message.command == "trigger"]
    assert [name for name in steps if name.startswith("camera")] == ["camera stop", "camera close file"]
    (closing,) = [message.kwargs for message in after if message.command == "close_run"]
    assert closing["reason"] == f"broken off: {good} of 37 projections good"
    places = [motor.user_readback.value for motor in (devices.sample.x, devices.diffuser.x)]
    assert (devices.shutter.word, places) == ("closed", [0.0, 0.5])


def broken(plan, devices, error, when=flown):
    """Play a plan, throw the error at a message; the messages that follow, and what it ends with."""
    machine, after, thrown = SpeckleMachine(devices), [], False
    message = plan.send(None)
    while True:
        after += [message] * thrown
        try:
            if not thrown and when(machine, message):
                thrown, message = True, plan.throw(error)
                continue
            if message.command in ("set", "prepare", "kickoff", "collect"):
                getattr(machine, f"_{message.command}")(message)
            message = plan.send(UID if message.command == "open_run" else None)
        except StopIteration:
            raise AssertionError("the error was swallowed") from None
        except RequestAbort as raised:
            return after, raised


def test_every_reason_at_once(devices, tmp_path):
    devices.ring.current.value = 0.0
    devices.mono.second.user_readback.value += 0.1
    devices.sample.y.user_readback.value = 5.0
    params = THREE.model_copy(
        update={"positions_mm": ((0.0, 0.0), (0.01, 0.0), (9.99, 0.0), (0.0, 11.0)), "material": "Glass"}
    )
    done = Progress("series", places={"sample_y": 0.0})
    with pytest.raises(LimitError) as refused:
        next(speckle_tomography(devices, params, folder=tmp_path, done=done))
    for words in (
        "ring: wanted 50 mA or more",
        "mono_second: wanted 1.42",
        "diffuser_x: wanted -9.9584 to 9.9584 mm",
        "diffuser_y: wanted -9.9688 to 9.9688 mm",
        "diffuser positions: wanted 0.018 mm or more between them",
        "material: wanted a chemical formula, as SiO2 or, of window glass, Si0.72Na0.28",
        "sample_y: wanted 0 um, as the series began, found 5 um",
    ):
        assert any(words in fault for fault in refused.value.faults), words


@pytest.mark.parametrize("out_um", [0.0, 50.0, -83.0])
def test_a_sample_that_stays_in_the_field_is_refused(devices, tmp_path, out_um):
    """128 columns are 83.2 um."""
    params = PARAMS.model_copy(update={"sample_out_um": out_um})
    with pytest.raises(LimitError, match=r"sample_out_um: wanted 83\.2 um or more from 0 um"):
        next(speckle_tomography(devices, params, folder=tmp_path))


def test_a_diffuser_that_is_never_out_is_refused(devices, tmp_path):
    sheet = FILE.diffuser.model_copy(update={"x_out_mm": 10.0})
    devices.file = FILE.model_copy(update={"diffuser": sheet})
    with pytest.raises(LimitError, match=r"wanted 10\.0416 mm or more from the middle"):
        next(speckle_tomography(devices, PARAMS, folder=tmp_path))


def test_backwards_beyond_the_stage_is_refused(devices, tmp_path):
    params = SpeckleTomography(positions=2, start_deg=219.0)
    with pytest.raises(LimitError, match="with the run-up"):
        next(speckle_tomography(devices, params, folder=tmp_path))


@pytest.mark.parametrize(
    ("roi", "words"),
    [
        ((1218, 1032, 128, 96), "roi: wanted columns in steps of 4 px, found 128 from 1218 on"),
        ((1216, 1000, 128, 96), "roi.min_y: wanted 1032 px, with the middle row in the middle"),
        ((1264, 1032, 32, 96), "roi: wanted 64 binned columns or more, found 32"),
        ((1216, 1076, 128, 8), "roi: wanted 16 binned rows or more, found 8"),
    ],
)
def test_regions_that_the_camera_does_not_have_are_refused(devices, tmp_path, roi, words):
    region = Roi(**dict(zip(("min_x", "min_y", "size_x", "size_y"), roi, strict=True)))
    with pytest.raises(LimitError, match=words):
        next(speckle_tomography(devices, PARAMS.model_copy(update={"roi": region}), folder=tmp_path))


def test_exposures_that_the_camera_does_not_make_are_refused(devices, tmp_path):
    params = PARAMS.model_copy(update={"exposure_s": 2.5})
    with pytest.raises(LimitError, match=r"exposure_s: wanted 2 s or less, found 2\.5 s"):
        next(speckle_tomography(devices, params, folder=tmp_path))


def test_rows_that_cannot_lie_about_the_middle_are_refused(devices, tmp_path):
    """Of 1080 binned rows 47 leave 1033, which is odd."""
    region = Roi(min_x=1216, min_y=1033, size_x=256, size_y=94)
    params = PARAMS.model_copy(update={"roi": region, "binning": 2})
    words = "roi.size_y: wanted an even number of binned rows, .*found 47; give size_y 92 or 96 px"
    with pytest.raises(LimitError, match=words):
        next(speckle_tomography(devices, params, folder=tmp_path))


def test_exposures_shorter_than_the_camera_s_are_refused(devices, tmp_path):
    params = PARAMS.model_copy(update={"exposure_s": 4e-4})
    with pytest.raises(LimitError, match=r"exposure_s: wanted 0\.0005 s or more, found 0\.0004 s"):
        next(speckle_tomography(devices, params, folder=tmp_path))


def test_frame_of_the_whole_sensor():
    frame = framing(FILE, SpeckleTomography())
    assert (frame.shape, frame.bytes_per_frame) == ((2160, 2560), 2 * 2160 * 2560)
    assert frame.readout_s == 0.01
