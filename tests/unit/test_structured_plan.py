"""Structured illumination without hardware: order, streams, rows, what is missing, what is put back."""

from itertools import pairwise

import numpy as np
import pytest
from small_sweep import MODES, ORDER, closing, play, prompt_machine, small

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.errors import DeviceError, UnansweredError
from xsn_acq.params.structured import CondenserSetting
from xsn_acq.plans.sweep import place_of


@pytest.fixture
def machine(monkeypatch):
    return prompt_machine(monkeypatch)


@pytest.fixture
def run(machine, tmp_path):
    return lambda params=None, **options: play(machine, tmp_path, params or small(), **options)


@MODES
def test_rows_follow_the_sweep(run, mode):
    rows = run(small(mode=mode))
    assert [(row.kind, row.pattern) for row in rows] == ORDER
    assert [row.block for row in rows] == [0] * 7 + [1] * 6
    assert [row.frame for row in rows] == list(range(13))
    spectra = iter(range(7))
    assert [row.spectrum for row in rows] == [
        -1 if kind == "out" else next(spectra) for kind, _ in ORDER
    ]  # no dose, no spectrum
    assert [row.sample_x_um for row in rows] == [100.0 if kind == "out" else 0.0 for kind, _ in ORDER]
    assert {row.status for row in rows} == {"ok"}
    assert {(row.beam_counts_s, row.ring_current_ma, row.setting) for row in rows} == {(1e6, 400.0, 0)}


def test_everything_stands_where_the_pattern_wants_it(run):
    settings = (CondenserSetting(x_um=5.0), CondenserSetting(y_um=7.0, pitch_urad=11.0, yaw_urad=-13.0))
    params = small(settings=settings)
    for row in run(params):
        place = place_of(params, row.pattern)
        found = (row.coarse_x_mm, row.coarse_y_mm, row.fine_x_mm, row.fine_y_mm)
        wanted = (place.coarse_x_mm, place.coarse_y_mm, place.fine_x_mm, place.fine_y_mm)
        assert found == pytest.approx(wanted)
        assert row.setting == row.pattern // 6


def test_the_condenser_goes_from_setting_to_setting_and_back(machine, run):
    settings = (CondenserSetting(x_um=5.0), CondenserSetting(y_um=7.0, pitch_urad=11.0, yaw_urad=-13.0))
    run(small(settings=settings))
    sets = [(message.obj.name, message.args[0]) for message in machine.told("set")]
    assert [each for each in sets if each[0].startswith("condenser_")] == [
        ("condenser_x", 5.0),
        ("condenser_x", 0.0),
        ("condenser_y", 7.0),
        ("condenser_pitch", 11.0),
        ("condenser_yaw", -13.0),
        ("condenser_y", 0.0),
        ("condenser_pitch", 0.0),
        ("condenser_yaw", 0.0),
    ]


def test_what_stands_already_is_left_alone(machine, run):
    run()
    sets = [(message.obj.name, message.args[0]) for message in machine.told("set")]
    assert [place for name, place in sets if name == "sample_x"] == [100.0, 0.0]
    lines = [place for name, place in sets if name == "sandpaper_fine_y"]
    assert lines == [-5.0, -4.5, 0.0]


@MODES
def test_streams_and_what_is_expected_of_them(machine, run, mode):
    run(small(mode=mode))
    declared = [message.kwargs["name"] for message in machine.told("declare_stream")]
    assert declared == ["darks", "points", "patterns", "spectra"]
    (start,) = [message.kwargs for message in machine.told("open_run")]
    assert (start["plan_name"], start["technique"]) == ("structured_illumination", "nxsci")
    acquisition = start["acquisition"]
    assert acquisition["expected"] == {"darks": 2, "patterns": 13, "spectra": 7}
    assert acquisition["patterns"] == 6  # each of them once, without the reference
    assert acquisition["frame_shape"] == [32, 32]
    # 25 nm a pixel at 9000 eV, binned by 2
    assert acquisition["pixel_size_m"] == pytest.approx(50e-9, rel=0.01)
    assert acquisition["elements"] == ["Mn", "Co", "Ni"]
    assert start["params"] == small(mode=mode).model_dump(mode="json")
    assert len(machine.devices.camera.times) == 13
    assert len(machine.devices.vortex.times) == 7
    assert closing(machine) == {"exit_status": None, "reason": None}


@MODES
def test_the_shutter_is_open_for_patterns_alone(machine, run, mode):
    seen = []

    def look(message):
        if message.command == "kickoff" and message.obj is machine.devices.camera:
            sample_in = machine.devices.sample.x.user_readback.value == 0.0
            seen.append((machine.devices.camera.setup.stream, machine.devices.shutter.word, sample_in))

    machine.before = look
    run(small(mode=mode))
    assert seen[0] == ("darks", "closed", True)
    wanted = ORDER if mode == "step" else [ORDER[n] for n in (0, 1, 4, 7, 10)]
    assert seen[1:] == [("patterns", "open", kind != "out") for kind, _ in wanted]


@MODES
def test_the_shutter_is_shut_while_the_sample_moves(machine, run, mode):
    words = []

    def look(message):
        if message.command == "set" and message.obj is machine.devices.sample.x:
            words.append(machine.devices.shutter.word)

    machine.before = look
    run(small(mode=mode))
    assert words == ["closed", "closed"]


@MODES
def test_a_frame_that_does_not_come_is_soon_missed(machine, run, mode):
    """The sample is in the beam: 2 s and three periods, not the 10 s that a dark may take."""
    run(small(mode=mode))
    setups = {
        setup.stream: setup
        for setup in (message.args[0] for message in machine.told("prepare"))
        if isinstance(setup, CameraSetup | SpectraSetup)
    }
    assert setups["darks"].frame_timeout_s > 10.0
    assert setups["patterns"].frame_timeout_s == setups["spectra"].frame_timeout_s
    assert 2.0 < setups["patterns"].frame_timeout_s < 2.5


@MODES
def test_all_motors_end_where_they_were(machine, run, mode):
    devices = machine.devices
    for number, part in enumerate((devices.condenser, devices.sandpaper_coarse, devices.sandpaper_fine)):
        for motor in vars(part).values():
            motor.user_readback.value = 1.5 + number
    devices.sample.x.user_readback.value, devices.sample.theta.user_readback.value = -7.5, 30.0
    before = machine.motors()
    rows = run(small(mode=mode))
    assert machine.motors() == before
    assert {row.sample_x_um for row in rows if row.kind != "out"} == {-7.5}
    assert {row.theta_deg for row in rows} == {30.0}


def test_a_library_has_no_dose(machine, run):
    rows = run(small(passes="out"))
    assert [(row.kind, row.pattern) for row in rows] == [("out", n) for n in range(6)]
    declared = [message.kwargs["name"] for message in machine.told("declare_stream")]
    assert declared == ["darks", "points", "patterns"]
    assert machine.devices.vortex.setup is None


def test_in_step_mode_both_detectors_time_themselves(machine, run):
    run()
    setups = [message.args[0] for message in machine.told("prepare")]
    (frames,) = [each for each in setups if isinstance(each, CameraSetup) and each.stream == "patterns"]
    (spectra,) = [each for each in setups if isinstance(each, SpectraSetup)]
    assert (frames.trigger, frames.exposure_s, frames.frames) == ("internal", 0.1, 1)
    assert (spectra.trigger, spectra.exposure_s, spectra.frames) == ("internal", 0.1, 1)
    assert frames.folder == spectra.folder
    assert not machine.trains


@MODES
@pytest.mark.parametrize("name", ["camera", "vortex"])
def test_what_does_not_come_is_missing_and_the_run_goes_on(machine, run, caplog, name, mode):
    detector = getattr(machine.devices, name)
    detector.lose = lambda number: detector.setup.filename != "darks" and number == 2
    rows = run(small(mode=mode))
    assert [(row.kind, row.pattern) for row in rows] == ORDER
    # the third exposure of both is pattern 1, sample in
    assert [row.status for row in rows] == ["missing" if row is rows[2] else "ok" for row in rows]
    lost = "frame" if name == "camera" else "spectrum"
    found = [getattr(row, lost) for row in rows if name == "camera" or row.kind != "out"]
    assert found == [0, 1, -1, *range(2, len(found) - 1)]
    other = "spectrum" if name == "camera" else "frame"
    assert getattr(rows[2], other) == 2
    assert closing(machine)["exit_status"] is None
    assert closing(machine)["reason"] == "incomplete: 1 of 6 patterns lack frame or spectrum"
    told = [record.getMessage() for record in caplog.records]
    assert told.count("patterns without frame or spectrum (in): 1") == 1
    assert told[-1] == f"sweep {closing(machine)['reason']}"


@pytest.mark.parametrize("name", ["camera", "vortex"])
@pytest.mark.parametrize("lost", [5, 6])
def test_a_sixth_missing_in_a_row_is_a_failure_by_name(machine, run, name, lost):
    detector = getattr(machine.devices, name)
    detector.lose = lambda number: detector.setup.filename != "darks" and 1 <= number <= lost
    before = machine.motors()
    params = small(per_line=8, passes="pairs")
    if lost == 5:
        assert [row.status for row in run(params)].count("missing") == 5
        return
    with pytest.raises(DeviceError, match=f"{name}: expose: .* found none for 6 patterns"):
        run(params)
    assert closing(machine)["exit_status"] == "fail"
    assert machine.motors() == before
    assert [row.pattern for row in machine.rows["points"] if row.kind == "in"] == [0, 1, 2, 3, 4]


FAILURES = [
    UnansweredError("camera", "complete", "connected", "6-2C:KTX:cam1:Acquire lost"),
    DeviceError("camera_hdf", "write", 0, 1, "dropped arrays"),
]


@pytest.mark.parametrize("error", FAILURES, ids=["unanswered", "dropped"])
def test_what_is_no_lack_of_frames_fails_the_run(machine, run, error):
    camera = machine.devices.camera
    camera.lose = lambda number: error if camera.setup.filename != "darks" and number == 2 else False
    with pytest.raises(DeviceError) as caught:
        run()
    assert caught.value is error
    assert closing(machine)["exit_status"] == "fail"


@pytest.mark.parametrize("name", ["camera", "vortex"])
def test_a_frame_that_waits_to_be_written_fails_the_run(machine, run, name):
    """The writer has stalled: it would write the frame as that of the next pattern."""
    detector = getattr(machine.devices, name)

    def stall(number):
        stalled = detector.setup.filename != "darks" and number == 2
        detector.kept_back += stalled
        return stalled

    detector.lose = stall
    with pytest.raises(DeviceError, match=f"{name}: complete: wanted 3 frames, found 2"):
        run()
    assert [row.pattern for row in machine.rows["points"] if row.status == "ok"] == [0, 0]


@pytest.mark.parametrize("name", ["camera", "vortex"])
def test_of_two_frames_neither_is_surely_the_pattern_s(machine, run, name, caplog):
    """One of an earlier pattern has come late, just before its own."""
    detector = getattr(machine.devices, name)

    def look(message):
        late = message.command == "kickoff" and message.obj is detector and len(detector.times) == 3
        if late and detector.setup.filename != "darks":
            detector.expose(np.zeros(1))

    machine.before = look
    rows = run()
    assert [row.status for row in rows] == ["missing" if row is rows[3] else "ok" for row in rows]
    lost, stream = ("frame", "patterns") if name == "camera" else ("spectrum", "spectra")
    found = [getattr(row, lost) for row in rows if name == "camera" or row.kind != "out"]
    assert found == [0, 1, 2, -1, *range(5, len(found) + 1)]
    assert f"{stream}: wanted 1, found 2: an earlier one came late; left out" in caplog.text


def test_the_detectors_are_stopped_before_they_are_armed_anew(machine, run):
    """A detector that still waits for a frame that did not come would take the next one's light for it."""
    run()
    told = machine.told("kickoff", "trigger", "prepare")
    order = [(message.command, getattr(message.obj, "name", "")) for message in told]
    patterns = [each for each in order if each[1] in ("camera", "patterns stop")][2:]
    assert {(one[0], two[0]) for one, two in pairwise(patterns)} == {
        ("prepare", "kickoff"),
        ("kickoff", "trigger"),
        ("trigger", "prepare"),
    }


def test_spectra_that_will_be_left_out_are_told_once(machine, run, caplog):
    machine.devices.vortex.flag = 1
    assert {row.status for row in run()} == {"ok"}
    told = [record.getMessage() for record in caplog.records if "saturated" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("vortex: spectrum 0 is saturated or tells no dead time")


def looked_for_flags(machine, run, **changes):
    """How often, while a sweep is taken."""
    vortex, looks = machine.devices.vortex, []
    flags = vortex.frame_flags
    vortex.frame_flags = lambda: looks.append(1) or flags()
    run(small(**changes))
    return len(looks)


def test_flags_are_looked_for_until_they_are_told(machine, run):
    assert looked_for_flags(machine, run) == 7  # exposures with the sample in
    machine.devices.vortex.flag = 1
    del machine.devices.vortex.frame_flags
    assert looked_for_flags(machine, run) == 1


def test_without_spectra_none_are_flagged(machine, run, caplog):
    """The detector may still know those of an earlier run."""
    machine.devices.vortex.flag, machine.devices.vortex.times = 1, np.zeros(4)
    assert looked_for_flags(machine, run, passes="out") == 0
    assert "saturated" not in caplog.text
