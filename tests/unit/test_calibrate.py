"""From the record of a calibration run to a stored calibration: a scan of a known curve, no beamline."""

import numpy as np
import pytest
from frame_files import FrameFile

from xsn_acq.config import load_beamline
from xsn_acq.errors import CalibrationError, ConfigError
from xsn_acq.live.calibrate import calibrate
from xsn_acq.live.points import RunPoints
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

NAME = "pls2-7c-xni"
FILE = load_beamline(NAME)
UID = "0123abcd-0000-4000-8000-000000000000"
NOON_S = 1_793_620_800.0  # 2026-11-02 12:00 UTC
SHAPE = (16, 16)
HALF_WIDTH_UM = 30.0
DARK = 100.0


def passing(edge_um):
    """Light of density sqrt(1 - u^2) above u: (arccos u - u sqrt(1 - u^2)) / pi."""
    u = np.clip(edge_um / HALF_WIDTH_UM, -1, 1)
    return (np.arccos(u) - u * np.sqrt(1 - u**2)) / np.pi


def resource(stream, path):
    return [
        ("descriptor", {"uid": f"{stream} descriptor", "name": stream}),
        ("stream_resource", {"uid": f"{stream} file", "uri": f"file://localhost{path}", "parameters": {}}),
    ]


def announced(stream, frames):
    indices = {"start": 0, "stop": frames}
    return (
        "stream_datum",
        {"descriptor": f"{stream} descriptor", "stream_resource": f"{stream} file", "indices": indices},
    )


@pytest.fixture
def scan(tmp_path):
    """A knife edge there and back while the ring loses a fifth of its current; one point lost its beam."""

    def played(most_counts=2000.0, **changes):
        rng = np.random.default_rng(3)
        there = np.linspace(-45, 45, 31)
        edges = [*there, *there[::-1]]
        rows, light = [], []
        for point, edge in enumerate(edges):
            for status in ("flagged", "ok") if point == 7 else ("ok",):
                current = 400.0 * (1 - 0.2 * point / len(edges))
                bright = 0.0 if status == "flagged" else passing(edge) * current / 400.0
                row = {"point": point, "first_frame": len(light), "frames": 2, "status": status}
                rows.append({**row, "ring_current_ma": current, "cutoff_x_um": edge})
                light += [bright, bright]
        paths = {stream: tmp_path / f"{stream}.h5" for stream in ("darks", "stills")}
        for stream, levels in (("darks", [0.0] * 4), ("stills", light)):
            file = FrameFile(paths[stream], SHAPE)
            for level in levels:
                counts = most_counts * level
                noise = rng.normal(0, 1 + np.sqrt(0.3 * counts), SHAPE)
                file.append(np.clip(DARK + counts + noise, 0, 4095), NOON_S)
            file.close()
        documents = [("start", start() | changes), *resource("darks", paths["darks"]), announced("darks", 4)]
        documents += [*resource("stills", paths["stills"]), announced("stills", len(light))]
        documents.append(("descriptor", {"uid": "points descriptor", "name": "points"}))
        documents += [
            ("event", {"descriptor": "points descriptor", "data": row, "time": NOON_S, "seq_num": number})
            for number, row in enumerate(rows, 1)
        ]
        return documents

    return played


def start():
    return {
        "uid": UID,
        "time": NOON_S,
        "plan_name": "knife_edge",
        "technique": "calibration",
        "params": {"readout_port": "1"},
        "beamline": FILE.model_dump(mode="json"),
        "acquisition": {"energy_ev": 8300.0, "detector_z_mm": 0.0, "binning": 8, "frame_shape": list(SHAPE)},
    }


STOP = ("stop", {"exit_status": "success", "reason": ""})


def record(documents, *more):
    return RunRecord.from_documents([*documents, *more])


def test_a_known_curve_is_recovered_and_stored(scan, tmp_path):
    data, run = DataFolder(tmp_path / "data"), record(scan(), STOP)
    found = calibrate(run, data)
    assert found.file == data.calibrations / NAME / "20261102T120000Z-knife_edge.toml"
    assert found.picture == data.root / "results" / UID[:8] / "knife_edge.png"
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    assert found.lines()[1] == f"calibration {found.file}"
    curve = load_beamline(NAME, calibrations=data.calibrations).calibration.knife_edge
    assert (str(curve.date), curve.energy_ev, curve.run) == ("2026-11-02", 8300.0, UID)
    edge_um = np.linspace(-40, 40, 200)
    frequency_per_um = [FILE.cutoff_frequency_per_m(x, 8300.0) * 1e-6 for x in edge_um]
    measured = np.interp(frequency_per_um, curve.frequency_per_um, curve.transmitted)
    # 512 pixels of 6000 photons: 0.1 %; the rest is the smoothness the fit asks for at the density's edges
    assert np.abs(measured - passing(edge_um)).max() < 0.01
    assert len(curve.sigma) == len(curve.transmitted)
    assert 0 < max(curve.sigma) < 0.01
    before = found.file.read_text()
    assert calibrate(run, data).file.read_text() == before
    assert len(list(found.file.parent.iterdir())) == 1


REFUSED = [
    (
        {"technique": "xsn", "plan_name": "xsn_tomography"},
        "wanted a calibration, found plan 'xsn_tomography'",
    ),
    ({"plan_name": "knife"}, "plan: wanted one of knife_edge, foucault_test"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_other_runs_are_refused(scan, tmp_path, changes, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate(record(scan(**changes), STOP), DataFolder(tmp_path / "data"))


def test_nothing_is_stored_of_a_run_that_did_not_end_well(scan, tmp_path):
    data = DataFolder(tmp_path / "data")
    aborted = ("stop", {"exit_status": "abort", "reason": "broken off: 3 of 62 points good"})
    for stop, reason in (((), "was interrupted"), ((aborted,), "broken off: 3 of 62 points good")):
        with pytest.raises(CalibrationError, match=f"not a whole scan: {reason}; take it again"):
            calibrate(record(scan_without_files(scan, tmp_path), *stop), data)
    assert not data.calibrations.exists()


def scan_without_files(scan, tmp_path):
    for path in tmp_path.glob("*.h5"):
        path.unlink()
    return scan()


def test_full_pixels_are_refused(scan, tmp_path):
    with pytest.raises(CalibrationError, match="wanted pixels below 4095 counts, found full ones at point 0"):
        calibrate(record(scan(most_counts=6000.0), STOP), DataFolder(tmp_path / "data"))


def test_a_run_of_another_version_is_refused_in_a_line(scan, tmp_path):
    other = FILE.model_dump(mode="json")
    del other["ring"]["late_s"]
    with pytest.raises(ConfigError) as refused:
        calibrate(record(scan(beamline=other), STOP), DataFolder(tmp_path / "data"))
    assert str(refused.value) == (
        "run 0123abcd: its beamline: ring.late_s: missing; analyse it with the version it was taken with"
    )


FIELD = (24, 40)
AIR_COLUMNS = 4
PIXELS = {"dead": (5, 9), "hot": (12, 20), "deaf": (18, 33)}


@pytest.fixture
def absorber(tmp_path):
    """Stills of an absorber that sees 0.8 in the middle, of a beam that is not even; ring and beam change."""
    rng = np.random.default_rng(6)
    x = np.linspace(-1, 1, FIELD[1])
    truth = np.ones(FIELD)
    truth[:, 12:28] = 0.8
    beam = 20_000 * (1 - 0.3 * x**2) * np.ones(FIELD)

    def counts(light):
        frame = DARK + light + rng.normal(0, 20, FIELD)
        frame[PIXELS["dead"]] = DARK
        frame[PIXELS["hot"]] = 60_000
        frame[PIXELS["deaf"]] = DARK + 0.2 * light[PIXELS["deaf"]]
        return frame

    drift = [0.9 * (1 + 0.02 * x), 0.7 * (1 - 0.03 * x)]  # what the flats have not seen: decay, moving beam
    series = {
        "darks": [np.zeros(FIELD)] * 4,
        "flats": [beam] * 8,
        "stills": [beam * truth * gain for gain in drift for _ in range(4)],
    }
    documents = [("start", start() | {"params": {"readout_port": "3"}})]
    for stream, frames in series.items():
        file = FrameFile(tmp_path / f"{stream}.h5", FIELD)
        for light in frames:
            file.append(counts(light), NOON_S)
        file.close()
        documents += [*resource(stream, tmp_path / f"{stream}.h5"), announced(stream, len(frames))]
    documents.append(("descriptor", {"uid": "points descriptor", "name": "points"}))
    for point, current in enumerate((360.0, 280.0)):
        row = {"point": point, "first_frame": 4 * point, "frames": 4, "status": "ok"}
        data = {**row, "ring_current_ma": current}
        documents.append(
            ("event", {"descriptor": "points descriptor", "data": data, "time": NOON_S, "seq_num": point + 1})
        )
    return record(documents, STOP), truth


def test_air_is_brought_to_the_background_and_bad_pixels_are_repaired(absorber):
    run, truth = absorber
    with RunPoints(run) as points:
        images = points.over_flat(background=0.5, air_columns=AIR_COLUMNS)
    assert images.shape == (2, *FIELD)
    # noise of 20 in 14 000 to 20 000, mean of four frames over that of eight: 0.1 %, times 5 for 2000 pixels
    np.testing.assert_allclose(images, 0.5 * truth * np.ones((2, 1, 1)), atol=0.5 * 0.006)


def test_without_air_the_ring_decay_between_points_is_taken_out(absorber):
    run, truth = absorber
    with RunPoints(run) as points:
        images = points.over_flat()
        part = (slice(3, 20), slice(8, 30))
        frames = points.frames_over_flat(points.parts()[0], part)
    levels = (images / truth).mean(axis=(1, 2))
    np.testing.assert_allclose(levels, 0.9, rtol=0.002)  # lost from flats to first point; noise 0.01 %
    assert frames.shape == (2, 4, 17, 22)
    # the same pixels, repairs included: none lies at the part's border
    np.testing.assert_allclose(frames.mean(axis=1), images[:, 3:20, 8:30], atol=1e-5)
