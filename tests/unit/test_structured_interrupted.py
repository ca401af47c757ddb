"""Structured illumination that is interrupted, broken off or ended early, without hardware."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from bluesky.utils import RequestAbort
from fake_instrument import settle_looks
from small_sweep import MODES, ORDER, closing, play, prompt_machine, small
from structured_machine import StructuredMachine

from xsn_acq.errors import DeviceError
from xsn_acq.params.structured import Adaptive, CondenserSetting


@pytest.fixture
def machine(monkeypatch):
    return prompt_machine(monkeypatch)


def at_exposure(machine, number, action):
    """Do something once while an exposure is under way: each patterns' kickoff of the camera is one."""
    taken = [0]

    def look(message):
        camera = machine.devices.camera
        exposes = message.command == "kickoff" and message.obj is camera
        if exposes and camera.setup.stream == "patterns":
            taken[0] += 1
            if taken[0] == number:
                return action()
        return None

    machine.before = look


def shut(machine):
    machine.devices.shutter.word = "closed"


INTERRUPTIONS = {
    "pause": StructuredMachine.pause,
    "beam lost": StructuredMachine.lose_beam,
    "shutter shut": shut,
}


@MODES
@pytest.mark.parametrize("what", INTERRUPTIONS)
def test_what_was_interrupted_is_taken_again(machine, tmp_path, what, mode):
    """The third exposure: pattern 1 in step mode, the first line of the block without sample on the fly."""
    at_exposure(machine, 3, lambda: INTERRUPTIONS[what](machine))
    before = machine.motors()
    rows = play(machine, tmp_path, small(mode=mode))
    third = [("in", 1)] if mode == "step" else [("out", 0), ("out", 1), ("out", 2)]
    flagged = [(row.kind, row.pattern) for row in rows if row.status == "flagged"]
    assert flagged[-len(third) :] == third  # and those before it that were not yet beyond doubt
    good = [row for row in rows if row.status == "ok"]
    assert [(row.kind, row.pattern) for row in good] == ORDER
    frames = [row.frame for row in rows if row.frame >= 0]
    assert len(set(frames)) == len(frames) == len(machine.devices.camera.times)
    last_flagged = max(row.frame for row in rows if row.status == "flagged")
    again = [row.frame for row in good if (row.kind, row.pattern) in third]
    assert min(again) > last_flagged
    assert machine.motors() == before
    assert closing(machine)["exit_status"] is None


@pytest.mark.parametrize("what", ["pause", "beam lost"])
def test_a_sheet_that_flies_is_stopped(machine, tmp_path, what):
    at_exposure(machine, 2, lambda: INTERRUPTIONS[what](machine))
    play(machine, tmp_path, small(mode="fly"))
    names = [message.obj.name for message in machine.told("trigger")]
    stops = [number for number, name in enumerate(names) if name == "sandpaper_fine_x stop"]
    assert len(stops) == 2  # then, and when all is put back
    assert stops[0] < names.index("spectra close file")


def test_a_pause_shuts_the_shutter_at_once(machine, tmp_path):
    seen = []

    def pause():
        machine.pause()
        seen.append(machine.devices.shutter.word)

    at_exposure(machine, 3, pause)
    play(machine, tmp_path, small())
    assert seen == ["closed"]


def test_beam_is_waited_for_with_the_shutter_shut(machine, tmp_path):
    """The ring is empty when the third pattern is about to be taken; it comes back after a while."""
    looks = []

    def wait(message):
        current = machine.devices.ring.current
        if message.command == "sleep" and current.value == 0.0:
            looks.append(machine.devices.shutter.word)
            current.value = 400.0 if len(looks) > 2 else 0.0

    def empty(message):
        wait(message)
        camera = machine.devices.camera
        if message.command == "kickoff" and len(camera.times) == 2 and not looks:
            machine.devices.ring.current.value = 0.0

    machine.before = empty
    rows = play(machine, tmp_path, small())
    assert set(looks[1:]) == {"closed"}
    assert [(row.kind, row.pattern) for row in rows if row.status == "ok"] == ORDER


@MODES
def test_optics_settle_with_the_shutter_shut(machine, tmp_path, monkeypatch, mode):
    """The beam is back before anybody looks."""
    words, look = settle_looks(machine.devices, monkeypatch)
    at_exposure(machine, 3, machine.lose_beam)
    lose = machine.before
    machine.before = lambda message: look(message) or lose(message)
    play(machine, tmp_path, small(mode=mode))
    assert words == ["closed"] * len(words) != []


@MODES
@pytest.mark.parametrize("error", [RequestAbort(), DeviceError("camera", "kickoff", "acquiring", "idle")])
def test_broken_off_rows_are_kept_and_all_is_put_back(machine, tmp_path, mode, error):
    for motor in vars(machine.devices.condenser).values():
        motor.user_readback.value = 2.5
    before = machine.motors()
    at_exposure(machine, 3, lambda: error)
    with pytest.raises(type(error)) as caught:
        play(machine, tmp_path, small(mode=mode))
    assert caught.value is error
    assert machine.motors() == before
    found = [(row.kind, row.pattern) for row in machine.rows["points"]]
    assert found == ORDER[: 2 if mode == "step" else 4]
    streams = {message.kwargs["name"] for message in machine.told("collect")}
    assert streams == {"darks", "patterns", "spectra", "points"}
    names = [message.obj.name for message in machine.told("trigger")]
    wanted = (
        "position compare disarm",
        "camera stop",
        "vortex stop",
        "camera close file",
        "vortex close file",
    )
    assert set(wanted) <= set(names)
    aborted = isinstance(error, RequestAbort)
    assert closing(machine)["exit_status"] == ("abort" if aborted else "fail")
    if aborted:
        unit = "lines" if mode == "fly" else "exposures"
        assert closing(machine)["reason"] in [f"broken off: {n} {unit} good" for n in (1, 2)]


def test_what_lacks_a_frame_is_not_good(machine, tmp_path):
    camera = machine.devices.camera
    camera.lose = lambda number: camera.setup.filename != "darks" and number == 1
    at_exposure(machine, 4, RequestAbort)
    with pytest.raises(RequestAbort):
        play(machine, tmp_path, small())
    found = [row.status for row in machine.rows["points"]]
    assert found[:2] == ["ok", "missing"]
    assert closing(machine)["reason"] == f"broken off: {found.count('ok')} exposures good"


def test_a_motor_that_reads_nan_is_moved_again(machine, tmp_path):
    pitch = machine.devices.condenser.pitch
    before = machine.motors()
    at_exposure(machine, 3, lambda: setattr(pitch.user_readback, "value", math.nan))
    play(machine, tmp_path, small())
    assert [message.args[0] for message in machine.told("set") if message.obj is pitch] == [0.0]
    assert machine.motors() == before


def test_rows_still_in_doubt_are_kept_as_such(machine, tmp_path):
    """A loss of beam may be told a minute late here: none of what was taken is beyond doubt."""
    file = machine.devices.file
    ring = file.ring.model_copy(update={"late_s": 60.0})
    machine.devices.file = file.model_copy(update={"ring": ring})
    at_exposure(machine, 3, RequestAbort)
    with pytest.raises(RequestAbort):
        play(machine, tmp_path, small())
    rows = machine.rows["points"]
    assert [(row.kind, row.pattern, row.status) for row in rows] == [
        ("reference", 0, "flagged"),
        ("in", 0, "flagged"),
    ]
    assert closing(machine)["reason"] == "broken off: 0 exposures good"


@dataclass
class Judge:
    """Gives a verdict on each block, the second time it is asked; notes what it saw."""

    machine: StructuredMachine
    enough_after: int = 1000
    stale_in: int = -1

    def __post_init__(self):
        self.asked, self.seen, self.given = 0, [], 0

    def verdict(self):
        self.asked += 1
        if self.asked % 2:
            return None
        rows = self.machine.rows["points"]
        self.given += 1
        self.seen.append((len(rows), self.machine.devices.shutter.word))
        return SimpleNamespace(
            patterns=len(rows),
            expected_error=0.5,
            effective_rank=2.0,
            mean_dependence=float("nan"),
            enough=self.given >= self.enough_after,
            stale=rows[-1].setting == self.stale_in,
        )


TWO_SETTINGS = (CondenserSetting(), CondenserSetting(x_um=10.0))
ADAPTIVE = {"adaptive": Adaptive(), "settings": TWO_SETTINGS, "references_every": 0}


@MODES
def test_a_sweep_ends_when_there_are_enough(machine, tmp_path, mode):
    judge, before = Judge(machine, enough_after=3), machine.motors()
    rows = play(machine, tmp_path, small(mode=mode, **ADAPTIVE), assessor=judge)
    # blocks of three pairs, asked after each; the third is of the second condenser setting
    assert [row.pattern for row in rows if row.kind == "in"] == list(range(9))
    assert judge.seen == [(6, "closed"), (12, "closed"), (18, "closed")]
    kept = machine.rows["assessments"]
    assert [(row.patterns, row.enough, row.stale) for row in kept] == [(6, 0, 0), (12, 0, 0), (18, 1, 0)]
    assert {(row.expected_error, row.effective_rank) for row in kept} == {(0.5, 2.0)}
    assert machine.motors() == before
    assert closing(machine)["exit_status"] is None


@MODES
def test_a_loss_of_beam_is_waited_for_with_the_shutter_shut(machine, tmp_path, mode):
    """It is told 20 ms late here: what was exposed last in each block is in doubt for so long."""
    file = machine.devices.file
    ring = file.ring.model_copy(update={"late_s": 0.02})
    machine.devices.file = file.model_copy(update={"ring": ring})
    words = []

    def look(message):
        if message.command == "sleep" and message.args[0] == 0.02:
            words.append(machine.devices.shutter.word)

    machine.before = look
    rows = play(machine, tmp_path, small(mode=mode, **ADAPTIVE), assessor=Judge(machine, enough_after=2))
    assert {row.status for row in rows} == {"ok"}
    assert len(words) >= 2
    assert set(words) == {"closed"}


def test_a_setting_that_adds_nothing_new_is_left(machine, tmp_path):
    rows = play(machine, tmp_path, small(**ADAPTIVE), assessor=Judge(machine, stale_in=0))
    assert [row.pattern for row in rows if row.kind == "in"] == [0, 1, 2, *range(6, 12)]
    for pattern in range(6, 12):  # each still has both passes
        assert sorted(row.kind for row in rows if row.pattern == pattern) == ["in", "out"]


def test_the_last_setting_ends_the_sweep_also_when_it_is_stale(machine, tmp_path):
    rows = play(machine, tmp_path, small(**ADAPTIVE), assessor=Judge(machine, stale_in=1))
    assert [row.pattern for row in rows if row.kind == "in"] == list(range(9))
