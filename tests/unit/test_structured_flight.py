"""Structured illumination on the fly, without hardware: gates, places, and whose frame is whose."""

import pytest
from small_sweep import play, prompt_machine, small

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.errors import DeviceError
from xsn_acq.plans.sweep import place_of


@pytest.fixture
def machine(monkeypatch):
    return prompt_machine(monkeypatch)


@pytest.fixture
def run(machine, tmp_path):
    return lambda params=None, **options: play(machine, tmp_path, params or small(), **options)


def test_on_the_fly_the_sheet_gates_both(machine, run):
    """A frame of 64 rows is read in 0.0114 s * 64 / 3200, and 1 ms is left between two."""
    run(small(mode="fly"))
    setups = [message.args[0] for message in machine.told("prepare")]
    (frames,) = [each for each in setups if isinstance(each, CameraSetup) and each.stream == "patterns"]
    (spectra,) = [each for each in setups if isinstance(each, SpectraSetup)]
    assert (frames.trigger, spectra.trigger) == ("external", "gate")
    velocity = 0.004 / (0.1 + 0.0114 * 64 / 3200 + 0.001)
    wanted = [(-5.0, 1, 1), (-5.0, 3, 1), (-5.0, 3, 1), (-4.992, 3, -1), (-4.992, 3, -1)]
    found = [(round(train.start, 9), train.count, train.direction) for train, *_ in machine.trains]
    assert found == wanted
    for train, begin, flown, end in machine.trains:
        assert (train.step, train.source) == (0.004, "position")
        assert train.width == pytest.approx(0.1 * velocity)  # a gate is an exposure long
        assert flown == pytest.approx(velocity)
        # the motor needs 0.05 s to its velocity: half of that way, and it goes on beyond the last gate
        assert train.direction * (train.start - begin) > 0.5 * velocity * 0.05
        last = train.start + train.direction * train.step * train.count
        assert train.direction * (end - last) > 0.5 * velocity * 0.05


def test_on_the_fly_the_velocity_is_put_back_after_each_line(machine, run):
    run(small(mode="fly"))
    velocity = machine.devices.sandpaper_fine.x.velocity
    sets = [message.args[0] for message in machine.told("set") if message.obj is velocity]
    usual = machine.devices.file.axes.sandpaper_fine_x.velocity
    assert [place == usual for place in sets] == [False, True] * 5 + [True]


def test_on_the_fly_a_pattern_is_where_its_exposure_has_its_middle(run):
    params = small(mode="fly")
    half_mm = 0.5 * 0.1 * 0.004 / (0.1 + 0.0114 * 64 / 3200 + 0.001)
    for row in run(params):
        direction = 1 if row.pattern < 3 else -1
        wanted = place_of(params, row.pattern).fine_x_mm + direction * half_mm
        assert row.fine_x_mm == pytest.approx(wanted, abs=1e-9)
        assert row.coarse_x_mm == -5.0


def asked_of(machine, *, per_line, folder):
    """How often each motor that stands in a line is asked where it is."""
    devices, counts = machine.devices, {}
    coarse, fine, sample = devices.sandpaper_coarse, devices.sandpaper_fine, devices.sample
    for motor in (coarse.x, coarse.y, fine.y, sample.x, sample.theta):
        reading, counts[motor.name] = motor.user_readback, 0

        def get(name=motor.name, reading=reading, **_):
            counts[name] += 1
            return reading.value

        reading.get = get
    play(machine, folder, small(mode="fly", per_line=per_line))
    return counts


def test_motors_that_stand_are_asked_once_for_a_line(monkeypatch, tmp_path):
    short = asked_of(prompt_machine(monkeypatch), per_line=3, folder=tmp_path)
    assert asked_of(prompt_machine(monkeypatch), per_line=9, folder=tmp_path) == short
    assert short["sample_theta"] >= 5  # lines


@pytest.mark.parametrize("name", ["camera", "vortex"])
def test_frames_on_the_fly_are_their_patterns_when_clocks_are_a_period_apart(machine, run, name):
    """Two frames of three could be those of any two pulses; the reference before them tells the clocks."""
    detector = getattr(machine.devices, name)
    detector.ahead_s = 0.1 + 0.0114 * 64 / 3200 + 0.001
    detector.lose = lambda number: detector.setup.filename != "darks" and number == 3
    rows = run(small(mode="fly"))
    lost = "frame" if name == "camera" else "spectrum"
    assert [getattr(row, lost) for row in rows[:4]] == [0, 1, 2, -1]
    assert [row.status for row in rows] == ["missing" if row is rows[3] else "ok" for row in rows]


def test_without_pulses_the_position_compare_is_named(machine, run):
    camera = machine.devices.camera
    camera.lose = lambda number: camera.setup.filename != "darks" and number >= 1
    machine.devices.vortex.lose = lambda number: number >= 1
    captured = machine.devices.position_compare.captured
    machine.devices.position_compare.captured = lambda: [
        each[: len(machine.trains) == 1] for each in captured()
    ]
    with pytest.raises(
        DeviceError, match="position_compare: expose: wanted a pulse for each pattern, found none"
    ):
        run(small(mode="fly", per_line=8))


@pytest.mark.parametrize(("lines", "ends"), [(2, False), (3, True)])
def test_lines_whose_frames_cannot_be_told_apart(machine, run, lines, ends):
    """The last of eight is lacking, and no line before tells the clocks: single lines are left out."""
    camera = machine.devices.camera
    last = {7 + 8 * line for line in range(lines)}
    camera.lose = lambda number: camera.setup.filename != "darks" and number in last
    params = small(mode="fly", lines=4, per_line=8, passes="out")
    if ends:
        with pytest.raises(
            DeviceError, match="camera: expose: wanted as many frames as pulses, found fewer in 3"
        ):
            run(params)
        return
    rows = run(params)
    assert [row.status for row in rows] == ["missing"] * 16 + ["ok"] * 16
    assert {row.frame for row in rows[:16]} == {-1}
    assert [row.frame for row in rows[16:]] == list(range(14, 30))
