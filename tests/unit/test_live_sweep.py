"""A sweep as it comes in: patterns, shifts, counts and TXM image against what was measured."""

import numpy as np
import pytest
from sweep_run import MONITOR_S, SweepRun, grown, played
from sweep_scene import PATTERN_SHIFT, SAMPLE_SHIFT, closeness

from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.errors import ReconstructionError
from xsn_acq.live import sweep_maps
from xsn_acq.live.sweep import GrowingSweep, is_sweep, shows_sample
from xsn_acq.live.sweep_maps import make_maps
from xsn_acq.storage.run import RunRecord

INNER = (slice(2, -2), slice(2, -2))
"""From outside the field nothing is known: shifts bring up to half a pixel of it in."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = SweepRun(faults={("in", 13): "flagged"})
    record = played(run, tmp_path_factory.mktemp("run"))
    with grown(record) as growing:
        yield run, record, growing


def pulls(found, run, good=slice(None)):
    """Counts against the truth, in standard errors; the fit's own scale (tail, shelf) is taken out."""
    wanted = run.counts(good)
    ratio = np.sum(found.counts, axis=1) / np.sum(wanted, axis=1)
    # lines lose up to 2 % to tail and shelf, which the fit counts to the background in part
    np.testing.assert_allclose(ratio, 1.0, atol=0.02)
    return (found.counts - wanted * ratio[:, None]) / found.sigma


def test_all_good_patterns_are_there(made):
    run, _, growing = made
    assert growing.patterns == run.lines * run.per_line == 40
    assert growing.good.all()
    assert growing.exclusions() == {}
    assert growing.by_ring_current == 0


def test_shifts_are_found(made):
    _, _, growing = made
    # asked for: a tenth of a pixel
    np.testing.assert_allclose(growing.pattern_shifts(), PATTERN_SHIFT, atol=0.1)
    np.testing.assert_allclose(growing.sample_shifts(), [(0.0, 0.0), SAMPLE_SHIFT], atol=0.1)


def test_counts_are_the_truths_within_their_errors(made):
    run, _, growing = made
    found = pulls(growing.sweep(), run)
    # 40 patterns of 3 elements: 1 within 0.2 where errors are right; light and shifts add a little
    assert 0.75 < np.sqrt(np.mean(found**2)) < 1.4
    assert np.abs(found).max() < 5


def test_patterns_stand_where_the_sample_was(made):
    """Those of the second block are brought to the pixels of the first, where the sample was then."""
    run, _, growing = made
    patterns = growing.sweep().patterns
    seen = run.scene.out / run.scene.out.mean(axis=(1, 2), keepdims=True)
    for block, half in enumerate((slice(0, 20), slice(20, 40))):
        moves = np.array(PATTERN_SHIFT[block]) - (np.array(SAMPLE_SHIFT) if block else 0)
        wanted = np.array([moved(image, moves) for image in seen[half]])
        error = (patterns[half] - wanted)[:, *INNER]
        still = (seen[half] - wanted)[:, *INNER]
        # photons leave 0.03 of the mean, shifts of 0.05 px as much; unmoved it would be several times as much
        assert np.sqrt(np.mean(error**2)) < 0.06
        assert np.sqrt(np.mean(still**2)) > 2 * np.sqrt(np.mean(error**2))


def moved(image, rows_columns):
    """By the Fourier shift."""
    v, u = np.fft.fftfreq(len(image))[:, None], np.fft.fftfreq(len(image))
    rows, columns = rows_columns
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (v * rows + u * columns))).real


def test_the_guide_is_the_samples_transmission(made):
    run, _, growing = made
    guide = growing.guide()
    error = (guide.transmission - run.scene.transmission)[INNER]
    # its own noise is 0.006; light varies within a pixel, and is blurred with the sample
    assert np.sqrt(np.mean(error**2)) < 0.015
    # sigma is that of the scatter over the patterns; the blur of light with the sample comes on top at edges
    pull = error / guide.sigma[INNER]
    assert 0.7 < np.sqrt(np.mean(pull**2)) < 2.5


def test_maps_are_the_truths(made):
    run, _, growing = made
    assert closeness(make_maps(growing).maps.values, run.maps()) > 0.97


def test_halves_that_are_compared_have_nothing_in_common(made, monkeypatch):
    """Neither patterns nor the noise of the TXM image: else they agree whatever the counts are."""
    _, _, growing = made
    given = []

    class Kept(GuidedSolver):
        def solve(self, sweep, guide, *, start=None):
            given.append((sweep, guide))
            return super().solve(sweep, guide, start=start)

    monkeypatch.setattr(sweep_maps, "SOLVERS", {"guided": Kept})
    found = make_maps(growing, final=True)
    (whole, guide), (one, first), (other, second) = given
    assert len(one.patterns) + len(other.patterns) == len(whole.patterns)
    assert not np.isin(one.counts, other.counts).any()
    np.testing.assert_allclose(first.sigma, np.sqrt(2) * guide.sigma)
    # half of the light each: their difference has twice the noise of the whole image
    noise = np.std((first.transmission - second.transmission)[INNER])
    assert noise == pytest.approx(2 * np.median(guide.sigma), rel=0.5)
    assert found.resolution_m.shape == (3,)


def test_streamed_block_by_block_equals_batch(made):
    _, record, batch = made
    steps = []
    with GrowingSweep(record) as growing:
        for row in record.rows("points"):
            growing.push([row])
            if growing.settle():
                steps.append(growing.patterns)
                growing.sweep()
        growing.settle(final=True)
        assert steps == [20]  # the first block, when the second begins
        found, wanted = growing.sweep(), batch.sweep()
        for name in ("patterns", "counts", "sigma"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        np.testing.assert_array_equal(growing.guide().transmission, batch.guide().transmission)


def test_nothing_is_settled_twice(made):
    assert not made[2].settle(final=True)


def test_flagged_rows_and_references_are_left_out(made):
    run, record, growing = made
    rows = record.rows("points")
    assert sum(row["status"] == "flagged" for row in rows) == 1
    assert sum(row["kind"] == "reference" for row in rows) == 2
    good = {row["pattern"]: row for row in rows if row["kind"] == "in" and row["status"] == "ok"}
    # light of the exposure that was taken again, not of the flagged one
    assert good[13]["beam_counts_s"] == MONITOR_S * run.light[13]
    assert len(growing.areas().areas[0]) == 40


def test_a_reference_is_no_image_without_sample(made):
    """It may come after the block's pattern without sample: blocks begin with either pass."""
    _, record, batch = made
    rows = sorted(record.rows("points"), key=lambda row: (row["block"], row["kind"] == "reference"))
    with GrowingSweep(record) as growing:
        growing.push(rows)
        growing.settle(final=True)
        assert growing.good.all()
        np.testing.assert_array_equal(growing.sweep().counts, batch.sweep().counts)


def test_live_times_of_all_spectra(made):
    live, real = made[2].all_times()
    assert len(live) == 43  # 40, two references, one taken again
    np.testing.assert_allclose(real, 0.5, rtol=1e-6)
    assert (live < real).all()
    assert (live > 0.9 * real).all()  # 37 000 events of 1 us in half a second


def test_the_fit_of_all_spectra_fits(made):
    total, fitted, energies = made[2].summed_fit()
    near = (energies > 5.5) & (energies < 8.0)
    # a few million counts: shapes differ by a per cent, see test_xrf
    assert abs(total[near].sum() / fitted[near].sum() - 1) < 0.01
    assert np.abs(total - fitted)[near].sum() < 0.03 * total[near].sum()


def test_which_runs_are_sweeps(made):
    start = made[1].start
    assert is_sweep(start)
    assert shows_sample(start)
    out = {**start, "params": {**start["params"], "passes": "out"}}
    assert is_sweep(out)
    assert not shows_sample(out)
    assert not is_sweep({"plan_name": "xsn_tomography"})


def test_another_plan_is_refused():
    other = RunRecord.from_documents([("start", {"uid": "0123456789", "plan_name": "focus_scan"})])
    with pytest.raises(ReconstructionError, match="wanted plan structured_illumination, found focus_scan"):
        GrowingSweep(other)


def test_without_patterns_there_is_nothing_to_show(made):
    with GrowingSweep(made[1]) as growing:
        assert not growing.settle(final=True)
        with pytest.raises(ReconstructionError, match="found none"):
            growing.sweep()


class TestLibrary:
    """Images of an earlier run in the place of those without the sample."""

    @pytest.fixture(scope="class")
    def library(self, tmp_path_factory):
        """Exposed for twice as long, so that patterns are the same only where that is undone."""
        run = SweepRun(passes="out", exposure_s=1.0, seed=8)
        return played(run, tmp_path_factory.mktemp("library"))

    @pytest.fixture(scope="class")
    def run(self, library):
        return SweepRun(passes="in", library=library.uid, seed=9)

    def test_its_images_are_the_patterns(self, run, library, tmp_path):
        record = played(run, tmp_path)
        with grown(record, library) as growing:
            assert growing.good.all()
            np.testing.assert_allclose(growing.pattern_shifts(), PATTERN_SHIFT, atol=0.1)
            assert np.sqrt(np.mean(pulls(growing.sweep(), run) ** 2)) < 1.4
            error = (growing.guide().transmission - run.scene.transmission)[INNER]
            assert np.sqrt(np.mean(error**2)) < 0.015

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"more": {"binning": 4}}, "other binning"),
            ({"more": {"sheets": {"step_mm": 0.07}}}, "other sheets"),
            ({"energy_ev": 9100.0}, "other energy"),
            ({"lines": 8, "per_line": 5}, "other per_line, lines"),
            ({"pixel_size_m": 30.1e-9}, "other pixel size"),
            ({"detector_z_mm": 5.0}, "other detector z"),
        ],
    )
    def test_one_of_other_patterns_is_refused(self, library, change, told):
        settings = {"passes": "in", "library": library.uid} | change
        start = SweepRun(**settings).start() | {"uid": "0123456789"}
        with pytest.raises(
            ReconstructionError, match=f"wanted a run of the same patterns .*, found .* {told}"
        ):
            GrowingSweep(RunRecord.from_documents([("start", start)]), library)

    def test_patterns_that_it_lacks_are_counted(self, run, tmp_path):
        """A frame did not come, and it ended five patterns early; one more was spoilt with the sample in."""
        made = SweepRun(passes="out", exposure_s=1.0, seed=8, faults={("out", 4): "no frame"})
        documents = made.play(tmp_path / "library")
        library = RunRecord.from_documents(
            (name, doc) for name, doc in documents if name != "event_page" or doc["seq_num"][-1] <= 35
        )
        short = SweepRun(passes="in", library=library.uid, seed=9, faults={("in", 7): "scalers"})
        record = played(short, tmp_path)
        with grown(record, library) as growing:
            assert growing.exclusions() == {"no_pattern": 6, "spectrum": 1}
            assert growing.patterns == 40
            assert len(growing.sweep().patterns) == 33
