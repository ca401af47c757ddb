"""The page of a reconstruction: all sections, honest warnings, nothing from people taken as HTML."""

import base64
import json
import logging
import shutil
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
from xsn_run import xsn_run

from xsn_acq.analysis.frc import FrcCurve, resolution
from xsn_acq.cli import main, status
from xsn_acq.live import report_facts, report_figures
from xsn_acq.live.offline import reconstruct
from xsn_acq.live.report import write_report
from xsn_acq.live.resolution import HalfSets
from xsn_acq.live.volume import Summary, VolumeFile
from xsn_acq.storage.run import RunRecord

SECTIONS = [
    "warnings",
    "summary",
    "slices",
    "resolution",
    "noise",
    "retrieval",
    "alignment",
    "measurement",
    "settings",
]
VOID = {"meta", "img", "br"}
NOTE = "Ni & Co <script>alert('x')</script> 100 $\\frac{1}{2}$"


class Page(HTMLParser):
    """What a page holds; an element that is not closed is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.images, self.words, self.tags = [], [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        assert not {"href", "srcset"} & set(given)
        if tag == "section":
            self.sections.append(given["id"])
        if tag == "img":
            assert given["src"].startswith("data:image/png;base64,")
            assert given["alt"]
            self.images.append(base64.b64decode(given["src"].split(",", 1)[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A reconstruction and its run, with a note that is not to be trusted."""
    folder = tmp_path_factory.mktemp("report")
    record = RunRecord.from_documents(xsn_run(8).run.play(folder / "frames"))
    record.start["note"] = NOTE
    record.start["params"]["note"] = NOTE
    return reconstruct(record, folder / "out").volume, record


@pytest.fixture(scope="module")
def page(made):
    path = write_report(*made)
    assert path.stat().st_size < 5e6
    return Page(path.read_text(encoding="utf-8"))


def test_every_section_is_there(page):
    assert page.sections == SECTIONS
    for words in (
        "8298.8 eV",
        "40.0 nm",
        "91 nm",
        "158 nm",
        "half-bit",
        "knife edge",
        "2026-11-02, at 8300 eV",
        "lost",
    ):
        assert words in page.text
    # six slices, ring correlation, histogram, two of the retrieval, knife edge
    assert len(page.images) == 11
    assert all(image.startswith(b"\x89PNG") for image in page.images)
    assert "script" not in page.tags


def test_text_from_people_stays_text(page, made):
    assert NOTE in page.text
    raw = made[0].with_name("report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in raw
    assert "<script" not in raw


def test_resolution_is_that_of_the_curves_in_the_file(page, made):
    with VolumeFile(made[0]) as volume:
        curves = volume.summary().halves.curves
    for curve in curves.values():
        assert f"{1e9 * resolution(curve, 1 / 7):.0f} nm" in page.text


def test_without_its_run_a_page_tells_what_the_file_keeps(made, tmp_path):
    path = write_report(made[0], path=tmp_path / "alone.html")
    text = Page(path.read_text(encoding="utf-8")).text
    assert "documents were not at hand" in text
    assert text.startswith("Ni & Co")  # the file's own title


def test_shifts_in_the_file_are_drawn_and_a_far_axis_warned_of(made, tmp_path):
    path = tmp_path / "shifted.h5"
    shutil.copy(made[0], path)
    with h5py.File(path, "a") as file:
        group = file["entry"].create_group("alignment")
        group["shift_x"] = np.linspace(2.8, 3.2, 8)
        group["shift_x"].attrs["units"] = "pixel"
        group["axis_column"] = 24.87
    page = Page(write_report(path, made[1]).read_text(encoding="utf-8"))
    assert len(page.images) == 12
    assert "The rotation axis was -1.5 pixel off where the calibration has it." in page.text
    assert "axis_column 24.87" in page.text


LIGHT = {"lengths_m": [3.5e-6, 4e-6], "resolution_m": 2.29e-6}


def test_what_a_volume_says_of_itself_is_warned_of_first(made, tmp_path):
    path = tmp_path / "speckle.h5"
    shutil.copy(made[0], path)
    with h5py.File(path, "a") as file:
        known = json.loads(file["entry/process/parameters"].asstr()[()])
        del known["knife_edge"], file["entry/process/parameters"]
        residual = file["entry/pairs/residual"][:, -1:]
        del file["entry/pairs/residual"]
        file["entry/pairs/residual"] = residual
        known |= {"warnings": ["the sample is not of one material"], "light": LIGHT}
        known |= {"ended": "3 of 5 targets"}
        for name, values in (
            ("rmse", residual[:, 0]),
            ("converged", np.ones(len(residual))),
            ("strain", np.full(len(residual), np.nan)),
            ("chi2", np.linspace(0.9, 1.1, len(residual))),
        ):
            file[f"entry/pairs/{name}"] = values
        file["entry/process"]["parameters"] = json.dumps(known)
    text = Page(write_report(path, made[1]).read_text(encoding="utf-8")).text
    assert "Please note the sample is not of one material The scan is incomplete: 3 of 5 targets." in text
    assert "light lengths_m 3.5e-06, 4e-06" in text
    assert "Even against odd angles Both halves lie behind one diffuser" in text
    assert "2290 nm resolution that the light allows" in text
    assert "even and odd angles agree to this, δ at 1/4" in text
    assert "resolution of δ" not in text
    assert "chi2 at each angle" in text
    for plain in ("converged", "strain", "rmse"):  # alike at all angles, no number, shown already
        assert f"{plain} at each angle" not in text
    assert "at least noise of a voxel, δ" in text
    assert "Hugonnet" not in text  # the figures of another technique
    assert "Residual after each iteration" not in text  # one number each: there is no curve
    assert "Residual at each angle." in text


def summary_of(theta, residual=None, curve=None):
    residual = np.tile([0.5, 0.1], (len(theta), 1)) if residual is None else residual
    halves = HalfSets({} if curve is None else {"delta": curve}, {})
    return Summary("1a2b", 40e-9, {}, np.asarray(theta), residual, halves)


def test_gaps_of_the_angles_are_told():
    whole = np.arange(0, 180, 2.0)
    assert report_facts.warnings(summary_of(whole), {}, None)[0].startswith("Too few angles")
    torn = np.delete(whole, [20, 21])
    assert report_facts.warnings(summary_of(torn), {}, None)[0] == (
        "Incomplete angles: a gap of 6.0 degrees after 38.0; the step is 2.00."
    )
    short = whole[whole < 150]  # the gap at the end of half a turn
    assert "a gap of 32.0 degrees after 148.0" in report_facts.warnings(summary_of(short), {}, None)[0]


def test_bad_fits_and_a_resolution_of_two_voxels_are_told():
    residual = np.tile([0.5, 0.1], (90, 1))
    residual[30] = 0.5
    curve = FrcCurve(np.array([5e6, 12e6]), np.array([1.0, 0.9]))
    first, second = report_facts.warnings(summary_of(np.arange(0, 180, 2.0), residual, curve), {}, None)
    assert "1 of 90 angles fit their images badly" in first
    assert "worst at 60.0 degrees" in first
    assert "limited by the voxel" in second


def test_a_retrieval_that_went_astray_is_told_and_noise_of_the_last_steps_is_not():
    theta = np.arange(0, 180, 2.0)
    for residual, told in (([0.5, 0.1, 0.101], False), ([0.5, 0.1, 0.2], True)):
        found = report_facts.warnings(summary_of(theta, np.tile(residual, (90, 1))), {}, None)
        assert any("rose from 0.1 to 0.2" in text for text in found) == told


def test_a_run_cut_short_and_calibrations_of_another_time_are_told(made):
    _, record = made
    broken = RunRecord()
    broken.__dict__.update(record.__dict__)
    broken.stop = {"exit_status": "abort", "reason": "broken off: 5 of 16 projections good", "time": 1.8e9}
    broken.start = {
        **record.start,
        "acquisition": {**record.start["acquisition"], "energy_ev": 9000.0},
        "beamline": {"calibration": {"knife_edge": {"date": "2026-01-01", "energy_ev": 8300.0}}},
    }
    with VolumeFile(made[0]) as volume:
        found = report_facts.warnings(volume.summary(), {}, broken)
    assert found[0] == "The run ended early: abort: broken off: 5 of 16 projections good"
    assert "The knife edge was calibrated at 8300 eV, the run is at 9000 eV." in found
    assert "The knife edge was calibrated 305 days before the run." in found


def test_of_several_runs_the_end_of_all_is_told_and_not_that_of_the_first(made):
    _, record = made
    first = RunRecord()
    first.__dict__.update(record.__dict__)
    first.stop = None
    with VolumeFile(made[0]) as volume:
        summary = volume.summary()
    alone, whole, lacking = (
        report_facts.warnings(summary, {}, first, ended)
        for ended in (None, "", "1 of 2 diffuser positions are there")
    )
    assert alone[0] == "The run was interrupted: it has no end."
    assert whole == alone[1:]
    assert lacking == ["The scan is incomplete: 1 of 2 diffuser positions are there.", *whole]


def test_settings_that_are_empty_are_left_out():
    assert report_facts.settings({"mode": "free", "ended": "", "found": []}) == [
        ("mode", "free"),
        ("found", "none"),
    ]


def test_large_and_noisy_slices_stay_small():
    image = np.random.default_rng(1).standard_normal((1700, 1600)).astype(np.float32)
    text = report_figures.slice_png(image, -2.0, 2.0, "delta")
    assert len(text) < 600_000  # six of them stay below 5 MB


def test_slices_stand_upright():
    from io import BytesIO

    from PIL import Image

    image = np.zeros((20, 30), np.float32)
    image[:2] = 1.0
    picture = Image.open(BytesIO(base64.b64decode(report_figures.slice_png(image, 0.0, 1.0, "delta"))))
    levels = np.asarray(picture)
    assert levels.shape == (20, 30)
    assert levels[-1, 0] == 255  # the first row is at the bottom
    assert levels[0, 0] == 0


def test_each_reconstruction_leaves_its_page_and_a_failure_of_it_is_no_failure(tmp_path, monkeypatch, caplog):
    record = RunRecord.from_documents(xsn_run(8).run.play(tmp_path / "frames"))
    paths = reconstruct(record, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()

    def broken(*args):
        raise ValueError("no ink")

    monkeypatch.setattr("xsn_acq.live.report.figures.angle_png", broken)
    (tmp_path / "out" / "report.html").unlink()
    with caplog.at_level(logging.WARNING):
        assert reconstruct(record, tmp_path / "out").volume == paths.volume
    assert "not written: no ink" in caplog.text


def test_the_command(made, tmp_path, capsys):
    assert main(["report", str(made[0]), "--output", str(tmp_path / "page.html")]) == status.WELL
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    assert main(["report", "last", "--data", str(tmp_path)]) == status.FAILED
    assert "found none of 0 runs" in capsys.readouterr().err
