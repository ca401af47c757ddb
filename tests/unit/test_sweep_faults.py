"""What goes wrong in a sweep is found, told by its reason, left out, and spoils no map."""

import json
import re

import numpy as np
import pytest
from sweep_run import CURRENT_MA, MONITOR_S, SweepRun, grown, played
from sweep_scene import closeness

from xsn_acq.analysis.nxsci.pairs import Exclusion
from xsn_acq.errors import ReconstructionError
from xsn_acq.live import sweep_files, sweep_spectra
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.live.sweep_dependence import DependenceCurve
from xsn_acq.live.sweep_light import block_light
from xsn_acq.live.sweep_maps import make_maps
from xsn_acq.storage.run import RunRecord

FAULTS = {
    ("in", 2): "hot",  # 40 times the counts: the detector is saturated
    ("in", 5): "scalers",
    ("in", 8): "no spectrum",
    ("out", 9): "no frame",
    ("in", 12): "no frame",
    ("out", 15): "monitor",
    ("in", 18): "glare",
    ("out", 21): "shut",
    ("shown", "out", 24): 23,  # the sheets stuck: in both passes the pattern before
    ("shown", "in", 24): 23,
    ("shown", "in", 27): 36,  # a sheet slipped between the passes
    ("in", 30): "flagged",  # taken again: good
    ("in", 33): "monitor",
}
REASONS = {
    Exclusion.SPECTRUM: (2, 5, 8),
    Exclusion.FRAME: (9, 12, 18, 21, 24),
    Exclusion.PATTERNS_DIFFER: (27,),
    Exclusion.BEAM_MONITOR: (15, 33),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    run = SweepRun(faults=dict(FAULTS))
    with grown(played(run, tmp_path_factory.mktemp("run"))) as growing:
        yield run, growing


def test_each_fault_is_told_by_its_reason(faulty):
    _, growing = faulty
    wanted = np.zeros(40, int)
    for reason, numbers in REASONS.items():
        wanted[list(numbers)] = reason
    numbers = np.concatenate([block.numbers for block in growing._ordered()])
    np.testing.assert_array_equal(growing.excluded[np.argsort(numbers)], wanted)


def test_they_are_counted(faulty):
    wanted = {str(reason.name).lower(): len(numbers) for reason, numbers in REASONS.items()}
    assert faulty[1].exclusions() == wanted
    assert faulty[1].good.sum() == 40 - 11


def test_counts_are_those_of_the_rest(faulty):
    run, growing = faulty
    good = growing.good  # the patterns come in order: see the test of the reasons
    found, wanted = growing.sweep(), run.counts(good)
    assert found.counts.shape == (3, 29)
    ratio = (found.counts.sum(axis=1) / wanted.sum(axis=1))[:, None]
    np.testing.assert_allclose(ratio, 1.0, atol=0.02)  # tail and shelf of the lines
    # as without faults: 1, light and shifts add a little
    assert np.sqrt(np.mean(((found.counts - ratio * wanted) / found.sigma) ** 2)) < 1.4


def test_the_maps_are_still_the_truths(faulty):
    run, growing = faulty
    # as good as of 29 patterns: without faults 40 give 0.985
    assert closeness(make_maps(growing).maps.values, run.maps(growing.good)) > 0.96


def test_lines_and_sums_tell_what_was_left_out(faulty):
    growing = faulty[1]
    found = make_maps(growing)
    curve = DependenceCurve(found.sweep.shape)
    curve.push(growing.used, found.sweep.patterns)
    first = sweep_files._lines(growing, found)[0]
    assert first.startswith("29 of 40 patterns used; left out: ")
    assert "frame 5" in first
    plain = sweep_files.plain_sums(growing, found, curve)
    assert plain["left_out"] == growing.exclusions()
    assert plain["light_by_ring_current"] == 0
    json.dumps(plain, allow_nan=False)


class TestNoBeamMonitor:
    """It counts nothing in the whole run."""

    @pytest.fixture(scope="class")
    def blind(self, tmp_path_factory):
        run = SweepRun(monitor=False)
        with grown(played(run, tmp_path_factory.mktemp("blind"))) as growing:
            yield run, growing

    def test_the_ring_current_stands_in(self, blind):
        run, growing = blind
        assert growing.exclusions() == {}
        assert growing.by_ring_current == 40
        assert closeness(make_maps(growing).maps.values, run.maps()) > 0.97

    def test_that_is_told(self, blind):
        found = make_maps(blind[1])
        told = "no beam monitor for 40 patterns: the ring current stands in"
        assert told in sweep_files._lines(blind[1], found)
        plain = sweep_files.plain_sums(blind[1], found, DependenceCurve(found.sweep.shape))
        assert plain["light_by_ring_current"] == 40

    def test_light_is_the_same_by_both(self, blind, faulty):
        sound, by_current = faulty[1], blind[1]
        good = sound.good
        one, other = (
            np.concatenate([block.light for block in growing._ordered()])[good]
            for growing in (sound, by_current)
        )
        # the beam fades by a fifth in the run, as the current does; frames are other draws: 0.001
        np.testing.assert_allclose(one / other, np.median(one / other), rtol=0.006)


def rows(*counts, current=CURRENT_MA):
    return [{"beam_counts_s": each, "ring_current_ma": current} for each in counts]


@pytest.mark.parametrize(
    ("within", "lost"),
    [
        ((1e6, 1e6, 0.0, 1e6), 1),  # lost for one
        ((1e6, 1e6, -5.0, float("nan")), 2),
        ((1e6, 9e5, 1.1e5, 1.05e6), 1),  # a tenth is no light level of a sweep
    ],
)
def test_a_row_without_the_monitor_has_no_light(within, lost):
    light = block_light(rows(*[1e6] * 4), rows(*within), 0.5, 0.5)
    assert not light.by_ring_current
    assert np.count_nonzero(light.within == 0) == lost
    np.testing.assert_allclose(light.out, light.out[0])


def test_when_most_rows_of_a_pass_lack_it_the_ring_current_stands_in_for_both():
    light = block_light(rows(*[1e6] * 4, current=480.0), rows(0.0, 0.0, 0.0, 1e6), 0.5, 0.5)
    assert light.by_ring_current
    np.testing.assert_allclose(light.within / light.out, CURRENT_MA / 480.0)


def test_exposures_of_a_library_may_be_longer():
    light = block_light(rows(*[MONITOR_S] * 4), rows(*[MONITOR_S] * 4), 1.0, 0.25)
    np.testing.assert_allclose(light.out / light.within, 4.0)


def test_no_light_told_by_either():
    light = block_light(rows(0.0, 0.0, current=float("nan")), rows(0.0, 0.0, current=0.0), 0.5, 0.5)
    assert not light.out.any()
    assert not light.within.any()


def test_all_spectra_lost(tmp_path):
    """It is told, rather than maps made of nothing."""
    run = SweepRun(lines=2, per_line=4, faults={("in", n): "scalers" for n in range(8)})
    with (
        grown(played(run, tmp_path)) as growing,
        pytest.raises(ReconstructionError, match="no pattern is good"),
    ):
        growing.sweep()


def test_too_few_patterns_for_maps(tmp_path):
    refused = pytest.raises(ReconstructionError, match="wanted 12 good patterns or more, found 8; left out")
    with grown(played(SweepRun(lines=2, per_line=4), tmp_path)) as growing, refused:
        make_maps(growing)


def test_an_aborted_run_gives_maps_of_what_there_is(tmp_path):
    """Broken off in the second block, when 10 of its patterns had been taken with the sample too."""
    record = RunRecord.from_documents(
        (name, doc)
        for name, doc in SweepRun(references=False).play(tmp_path)
        if name != "event_page" or doc["seq_num"][0] <= 70
    )
    with GrowingSweep(record) as growing:
        growing.push(record.rows("points"))
        growing.settle(final=True)
        assert growing.patterns == 30
        assert make_maps(growing).maps.values.any()


COBALT = {"lines": 2, "per_line": 8, "more": {"elements": ("Co",)}}


class TestElementsThatAreNotAskedFor:
    """The sample holds manganese, cobalt and nickel; cobalt alone is wanted."""

    def test_are_fitted_but_not_mapped(self, tmp_path):
        run = SweepRun(**COBALT)
        with grown(played(run, tmp_path)) as growing:
            assert growing.good.all()
            assert growing.doubts() == ()
            assert set(growing.areas().elements) == {"Mn", "Fe", "Co", "Ni", "Cu"}
            # 16 patterns of 10 000 counts: 0.3 %; light and shifts add as much
            found, wanted = growing.sweep().counts, run.counts()[1:2]
            assert found.shape == (1, 16)
            assert found.sum() / wanted.sum() == pytest.approx(1.0, abs=0.02)
            assert make_maps(growing).elements == ("Co",)

    def test_are_asked_for_where_spectra_do_not_fit(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sweep_spectra, "ALWAYS", ("Fe", "Cu"))
        told = "lines of Co, Fe, Cu do not fit 16 of 16 spectra: an element not named?"
        with grown(played(SweepRun(**COBALT), tmp_path)) as growing:
            assert growing.doubts() == (told,)
            with pytest.raises(ReconstructionError, match=f"no pattern is good.*{re.escape(told)}"):
                growing.sweep()

    def test_above_the_energy_of_the_light_are_not_fitted(self, tmp_path):
        """Copper's edge is at 8979 eV."""
        with grown(played(SweepRun(**COBALT, energy_ev=8900.0), tmp_path)) as growing:
            assert sweep_spectra.model_of(growing.start).elements == ("Co", "Mn", "Fe", "Ni")
