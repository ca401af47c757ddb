"""Frames of a line that was flown go to their patterns, whatever was lost and however clocks differ."""

import numpy as np
import pytest

from xsn_acq.plans.gates import GatedFrames, Gates

STEP_MM, PERIOD_S, LATENCY_S = 0.004, 0.1, 0.08
WANTED_MM = [1.0 + STEP_MM * n for n in range(8)]


def line(begin_s, lost_pulses=(), direction=1):
    """Gates of a line of eight; an encoder that reads a tenth of a step too much."""
    wanted = WANTED_MM[::direction]
    places, times = np.array(wanted) + 0.1 * STEP_MM, begin_s + PERIOD_S * np.arange(8)
    kept = np.delete(np.arange(8), list(lost_pulses))
    return Gates.captured(places[kept], times[kept], wanted, STEP_MM)


def stamps(begin_s, ahead_s, lost=()):
    return np.delete(begin_s + PERIOD_S * np.arange(8) + LATENCY_S + ahead_s, list(lost))


def test_all_that_came_belong_one_to_one():
    frames = GatedFrames(PERIOD_S)
    assert frames.of_patterns("patterns", stamps(0.0, 7.3), line(0.0), latency_s=LATENCY_S) == list(range(8))


@pytest.mark.parametrize("ahead_s", [0.0, PERIOD_S, -PERIOD_S, 3.21])
def test_the_offset_of_an_earlier_line_tells_which_frames_were_lost(ahead_s):
    """Seven frames without the last fit the pulses in two ways: only the earlier line tells which."""
    frames = GatedFrames(PERIOD_S)
    frames.of_patterns("patterns", stamps(0.0, ahead_s), line(0.0), latency_s=LATENCY_S)
    late = stamps(60.0, ahead_s, lost=(7,))
    found = frames.of_patterns("patterns", late, line(60.0), latency_s=LATENCY_S)
    assert found == [0, 1, 2, 3, 4, 5, 6, -1]
    late = stamps(90.0, ahead_s, lost=(0, 4))
    found = frames.of_patterns("patterns", late, line(90.0), latency_s=LATENCY_S)
    assert found == [-1, 0, 1, 2, -1, 3, 4, 5]


@pytest.mark.parametrize("ahead_s", [0.0, PERIOD_S])
def test_with_no_offset_known_none_is_guessed(ahead_s):
    frames = GatedFrames(PERIOD_S)
    late = stamps(0.0, ahead_s, lost=(7,))
    assert frames.of_patterns("patterns", late, line(0.0), latency_s=LATENCY_S) == [-1] * 8


def test_a_gap_in_the_middle_tells_the_offset_by_itself():
    frames = GatedFrames(PERIOD_S)
    late = stamps(0.0, 3.21, lost=(2, 3))
    assert frames.of_patterns("patterns", late, line(0.0), latency_s=LATENCY_S) == [0, 1, -1, -1, 2, 3, 4, 5]


def test_each_detector_has_a_clock_of_its_own():
    frames = GatedFrames(PERIOD_S)
    frames.of_patterns("patterns", stamps(0.0, 0.5), line(0.0), latency_s=LATENCY_S)
    late = stamps(60.0, 0.5, lost=(7,))
    assert frames.of_patterns("spectra", late, line(60.0), latency_s=LATENCY_S) == [-1] * 8


@pytest.mark.parametrize("direction", [1, -1])
def test_pulses_that_were_not_captured_are_told_by_place(direction):
    gates = line(0.0, lost_pulses=(0, 3), direction=direction)
    assert gates.patterns == (1, 2, 4, 5, 6, 7)
    wanted = np.array(WANTED_MM[::direction])
    np.testing.assert_allclose(
        np.array(gates.places_mm)[list(gates.patterns)], wanted[[1, 2, 4, 5, 6, 7]] + 4e-4
    )
    assert [gates.places_mm[n] for n in (0, 3)] == [wanted[0], wanted[3]]
    frames = GatedFrames(PERIOD_S)
    frames.of_patterns("patterns", stamps(-60.0, 1.0), line(-60.0), latency_s=LATENCY_S)
    # frames came at all gates but the sixth: those without a captured pulse are nobody's
    found = frames.of_patterns("patterns", stamps(0.0, 1.0, lost=(5,)), gates, latency_s=LATENCY_S)
    assert found == [-1, 1, 2, -1, 4, -1, 5, 6]


def test_every_gate_gave_a_frame_though_pulses_were_not_captured():
    frames, gates = GatedFrames(PERIOD_S), line(0.0, lost_pulses=(3,))
    assert frames.of_patterns("patterns", stamps(0.0, 9.0), gates, latency_s=LATENCY_S) == list(range(8))


def test_pulses_far_from_all_patterns_or_twice_at_one_are_nobodys():
    gates = Gates.captured([0.9, 1.0, 1.0001, 1.008], np.arange(4.0), WANTED_MM, STEP_MM)
    assert gates.patterns == (-1, 0, -1, 2)


def test_no_pulses():
    gates = Gates.captured([], [], WANTED_MM, STEP_MM)
    assert gates.patterns == ()
    assert gates.places_mm == tuple(WANTED_MM)
    assert GatedFrames(PERIOD_S).of_patterns("patterns", np.empty(0), gates, latency_s=0.0) == [-1] * 8
