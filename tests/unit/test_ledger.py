"""The frame-angle ledger: what is lost is named, what is doubtful is flagged, streaming equals batch."""

import math

import numpy as np
import pytest

from xsn_acq.plans.ledger import Ledger
from xsn_acq.plans.matching import PulseTargets, match_frames
from xsn_acq.plans.rows import Rhythm, neighbours, reconcile

RHYTHM = Rhythm(first_deg=0.0, step_deg=0.4, count=90, exposure_s=2.0, readout_s=0.0114, period_s=2.02)
START_S = 1.8e9


def pulses(rhythm: Rhythm = RHYTHM, targets=None, start_s=START_S, phase=0.0):
    numbers = np.arange(rhythm.count) if targets is None else np.asarray(targets)
    theta = rhythm.first_deg + (numbers + phase) * rhythm.step_deg
    return theta, start_s + (numbers - numbers[0]) * rhythm.period_s


def stamps(times, rhythm: Rhythm = RHYTHM):
    return np.asarray(times) + rhythm.latency_s


def batch(theta, times, frames, rhythm=RHYTHM, targets=None):
    ledger = Ledger(rhythm)
    ledger.begin(range(rhythm.count) if targets is None else targets, 0)
    rows = ledger.push(theta, times, frames) + ledger.end()
    return ledger, rows


def by_status(rows, status):
    return [row for row in rows if row.status == status]


def test_every_frame_has_its_angle():
    theta, times = pulses()
    ledger, rows = batch(theta, times, stamps(times))
    assert [row.target for row in rows] == list(range(90))
    assert [row.frame_index for row in rows] == list(range(90))
    assert {row.status for row in rows} == {"ok"}
    assert ledger.missing() == []
    # mid-exposure: half of 2 s at 0.4 deg / 2.02 s after the trigger
    assert rows[3].theta_mid_deg == pytest.approx(1.2 + 0.4 / 2.02, abs=1e-12)  # float64 round-off
    summary = ledger.summary(counted=90, written=90)
    assert (summary.complete, summary.lost, summary.retaken) == (1, 0, 0)
    assert summary.message == "all 90 projections accounted for"


@pytest.mark.parametrize(
    "dropped", [[0], [89], [45], [0, 1, 2], [87, 88, 89], [10, 11, 12, 13], [0, 40, 89]], ids=str
)
def test_dropped_frames_are_named(dropped):
    theta, times = pulses()
    ledger, rows = batch(theta, times, np.delete(stamps(times), dropped))
    assert [row.target for row in by_status(rows, "lost")] == dropped
    assert all(row.frame_index == -1 and math.isnan(row.frame_time) for row in by_status(rows, "lost"))
    assert ledger.missing() == dropped
    kept = [row for row in rows if row.status == "ok"]
    assert [row.target for row in kept] == sorted(set(range(90)) - set(dropped))
    assert ledger.summary(counted=90 - len(dropped), written=90 - len(dropped)).complete == 0


@pytest.mark.parametrize("seed", range(30))
def test_random_drops_and_jitter(seed):
    """Any number of drops, jitter up to a fifth of the period (a quarter is the bound)."""
    rng = np.random.default_rng(seed)
    theta, times = pulses()
    dropped = np.sort(rng.choice(90, size=rng.integers(1, 40), replace=False))
    jitter = rng.uniform(-0.2, 0.2, 90) * RHYTHM.period_s
    theta = theta + rng.normal(0, 0.01, 90)  # encoder noise far below a quarter of the step
    ledger, rows = batch(theta, times, np.delete(stamps(times) + jitter, dropped))
    assert ledger.missing() == dropped.tolist()
    assert not by_status(rows, "flagged")
    for row in by_status(rows, "ok"):
        assert row.theta_deg == theta[row.target]


@pytest.mark.parametrize("seed", range(20))
def test_streaming_equals_batch(seed):
    """Frames and pulses become known in any order and lumps: the same rows in the same order."""
    rng = np.random.default_rng(seed)
    theta, times = pulses()
    frames = np.delete(stamps(times), rng.choice(90, size=5, replace=False))
    frames = np.sort(np.append(frames, rng.uniform(times[0], times[-1], 3)))  # stray frames
    glitch = rng.integers(1, 89)
    theta[glitch] += 3.3
    _, wanted = batch(theta, times, frames)
    ledger = Ledger(RHYTHM)
    ledger.begin(range(90), 0)
    rows = []
    known_pulses = known_frames = 0
    while known_frames < len(frames) or known_pulses < 90:
        known_pulses = min(90, known_pulses + int(rng.integers(0, 12)))
        known_frames = min(len(frames), known_frames + int(rng.integers(0, 12)))
        rows += ledger.push(theta[:known_pulses], times[:known_pulses], frames[:known_frames])
    rows += ledger.end()
    assert repr(rows) == repr(wanted)  # repr: NaN equals NaN


def test_rows_come_while_the_stage_turns():
    theta, times = pulses()
    ledger = Ledger(RHYTHM)
    ledger.begin(range(90), 0)
    assert ledger.push(theta[:3], times[:3], stamps(times)[:2]) != []
    assert len(ledger.push(theta[:50], times[:50], stamps(times)[:49])) >= 40
    assert ledger.push(theta[:50], times[:50], stamps(times)[:49]) == []  # nothing new, nothing twice


def test_drop_with_duplicate_stamp_is_never_guessed():
    """Frame 41 is lost and frame 40 carries the stamp of 42 or of 39: both claimants are flagged."""
    theta, times = pulses()
    frames = np.delete(stamps(times), 41)
    frames[40] = frames[41]  # frame of pulse 40 stamped as that of pulse 42
    ledger, rows = batch(theta, times, np.sort(frames))
    assert ledger.missing() == [40, 41, 42]
    assert [row.frame_index for row in by_status(rows, "flagged")] == [40, 41]


def test_extra_frames_are_flagged_and_belong_to_no_target():
    theta, times = pulses()
    before = START_S - 5.0 + np.array([0.0, 1.0])
    ledger, rows = batch(theta, times, np.concatenate([before, stamps(times)]))
    assert ledger.missing() == []
    extra = by_status(rows, "flagged")
    assert [(row.frame_index, row.target, row.pulse) for row in extra] == [(0, -1, -1), (1, -1, -1)]
    assert all(math.isnan(row.theta_deg) for row in extra)
    assert by_status(rows, "ok")[0].frame_index == 2


def test_residual_above_a_quarter_of_the_period_is_flagged():
    theta, times = pulses()
    frames = stamps(times)
    frames[30] += 0.3 * RHYTHM.period_s
    ledger, rows = batch(theta, times, frames)
    assert ledger.missing() == [30]
    assert [row.frame_index for row in by_status(rows, "flagged")] == [30]


def test_encoder_glitch_is_flagged_and_its_raw_value_kept():
    theta, times = pulses()
    for glitch in (0, 17, 89):
        wrong = theta.copy()
        wrong[glitch] += 10.0
        ledger, rows = batch(wrong, times, stamps(times))
        assert ledger.missing() == [glitch]
        (row,) = by_status(rows, "flagged")
        assert (row.pulse, row.target, row.theta_deg) == (glitch, glitch, wrong[glitch])


def test_nan_angle_is_flagged():
    theta, times = pulses()
    theta[5] = math.nan
    ledger, _ = batch(theta, times, stamps(times))
    assert ledger.missing() == [5]


def test_pulses_that_were_not_captured_are_lost_targets():
    theta, times = pulses()
    ledger, rows = batch(theta[:80], times[:80], stamps(times[:80]))
    assert ledger.missing() == list(range(80, 90))
    assert [row.pulse for row in by_status(rows, "lost")] == [-1] * 10
    summary = ledger.summary(counted=80, written=80)
    assert "captured 80 of 90 pulses" in summary.message
    assert "80, 81" in summary.message


def test_nothing_came_at_all():
    ledger, rows = batch([], [], [])
    assert ledger.missing() == list(range(90))
    assert len(rows) == 90


def test_retakes_fill_the_gaps_and_only_them():
    theta, times = pulses()
    frames = np.delete(stamps(times), [7, 8, 60])
    ledger, _ = batch(theta, times, frames)
    index = len(frames)
    for train, targets in enumerate(neighbours(ledger.missing()), start=1):
        assert ledger.start_deg(targets[0]) == pytest.approx(targets[0] * 0.4)
        again, when = pulses(targets=targets, start_s=START_S + 300 * train)
        ledger.begin(targets, index)
        rows = ledger.push(again, when, stamps(when)) + ledger.end()
        assert [row.target for row in rows] == list(targets)
        assert rows[0].frame_index == index
        assert {row.train for row in rows} == {train}
        index += len(targets)
    assert ledger.missing() == []
    summary = ledger.summary(counted=90, written=90)
    assert (summary.pulses, summary.captured, summary.lost, summary.retaken) == (93, 93, 3, 3)
    assert summary.complete == 1
    assert "3 projections retaken" in summary.message


def test_a_pause_loses_nothing_that_was_not_reached():
    """The stage stops after 20 pulses, in the middle of the exposure of the last."""
    theta, times = pulses()
    ledger = Ledger(RHYTHM)
    ledger.begin(range(90), 0)
    rows = ledger.push(theta[:16], times[:16], stamps(times)[:15], sound=12)
    assert {row.status for row in rows} == {"ok"}
    assert len(rows) == 12
    ledger.break_off()
    rows = ledger.push(theta[:20], times[:20], stamps(times)[:19], sound=15) + ledger.end()
    assert [row.target for row in by_status(rows, "lost")] == [19]
    assert [row.target for row in by_status(rows, "ok")] == [12, 13, 14]
    # what came after the pause was perhaps exposed while the stage braked
    assert [row.target for row in by_status(rows, "flagged")] == [15, 16, 17, 18]
    assert ledger.missing() == list(range(15, 90))
    ledger.begin(range(15, 90), 19)
    again, when = pulses(targets=range(15, 90), start_s=START_S + 999)
    ledger.push(again, when, stamps(when))
    assert ledger.end()[-1].frame_index == 93
    summary = ledger.summary(counted=94, written=94)
    assert (summary.pulses, summary.captured, summary.lost, summary.retaken) == (95, 95, 1, 5)
    assert summary.complete == 1


def test_reverse_rotation():
    rhythm = Rhythm(first_deg=360.0, step_deg=-4.0, count=90, exposure_s=0.1, readout_s=0.01, period_s=0.12)
    theta, times = pulses(rhythm)
    ledger, rows = batch(theta, times, np.delete(stamps(times, rhythm), 33), rhythm)
    assert ledger.missing() == [33]
    assert rows[0].theta_mid_deg == pytest.approx(360.0 - 4.0 / 0.12 * 0.05)


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.999])
def test_free_running_camera_has_any_phase(phase):
    rhythm = Rhythm(
        first_deg=0.0,
        step_deg=0.4,
        count=90,
        exposure_s=2.0,
        readout_s=0.0114,
        period_s=2.0114,
        phase_free=True,
    )
    theta, times = pulses(rhythm, phase=phase)
    early = stamps(START_S - rhythm.period_s * np.array([3, 2, 1]), rhythm)  # frames of the run-up
    frames = np.concatenate([early, np.delete(stamps(times, rhythm), [20])])
    ledger, rows = batch(theta, times, frames, rhythm)
    assert ledger.missing() == [20]
    assert len(by_status(rows, "flagged")) == 3
    # the step handed to the camera for the retake is centred on the lost angle
    assert ledger.start_deg(20) == pytest.approx(theta[20] - 0.2)
    ledger.begin((20,), len(frames))
    ledger.push([theta[20] + 0.13], [START_S + 999], [START_S + 999 + rhythm.latency_s])
    (row,) = ledger.end()
    assert (row.target, row.status) == (20, "ok")
    assert ledger.missing() == []
    assert ledger.summary(counted=94, written=94).message == "1 projections retaken"
    assert "file holds 90 of 91" in ledger.summary(counted=95, written=94).message


def test_a_glitch_on_a_free_running_camera():
    rhythm = Rhythm(
        first_deg=0.0,
        step_deg=0.4,
        count=90,
        exposure_s=2.0,
        readout_s=0.0114,
        period_s=2.0114,
        phase_free=True,
    )
    theta, times = pulses(rhythm, phase=0.5)
    theta[0] = 77.0
    ledger, _ = batch(theta, times, stamps(times, rhythm), rhythm)
    assert ledger.missing() == [0]


def test_match_frames_without_pulses_or_frames():
    found = match_frames([], [1.0, 2.0], latency_s=0.1, period_s=1.0)
    assert found.pulse.tolist() == [-1, -1]
    assert not found.sure.any()
    assert len(match_frames([1.0], [], latency_s=0.1, period_s=1.0).pulse) == 0
    assert match_frames([1.0], [1.1, 5.0], latency_s=0.1, period_s=1.0).pulse.tolist() == [0, -1]


def test_pulse_of_another_train_is_not_a_target():
    indexer = PulseTargets(first_deg=0.0, step_deg=1.0, period_s=1.0, targets=(4, 5))
    assert indexer.push(4.0, 0.0) == (4, True)
    assert indexer.push(5.01, 1.0) == (5, True)
    assert indexer.push(6.0, 2.0) == (-1, False)
    assert indexer.push(5.0, 1.05) == (5, False)  # the same target twice


def test_reconcile_says_who_disagrees():
    assert reconcile(pulses=9, captured=9, counted=9, written=9) == []
    assert reconcile(pulses=9, captured=8, counted=8, written=6) == [
        "position compare captured 8 of 9 pulses",
        "file holds 6 of 8 frames counted",
    ]


def test_rows_cost_little():
    """9000 rows in one go; the figure that matters is CPU per frame, far below 100 us."""
    rhythm = Rhythm(first_deg=0.0, step_deg=0.04, count=9000, exposure_s=0.01, readout_s=0.01, period_s=0.021)
    theta, times = pulses(rhythm)
    assert len(by_status(batch(theta, times, stamps(times, rhythm), rhythm)[1], "ok")) == 9000
