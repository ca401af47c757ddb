"""A synthetic speckle scan becomes a volume; what was retrieved is not retrieved again."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from pixel_axes import axis
from speckle_run import ENERGY_EV, PHOTONS, PIXEL_UM, SpeckleRun
from speckle_stand_in import LIGHT, StandIn, know_the_light

from xsn_acq.analysis import slicing
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live import speckle_chunks, speckle_reconstruction
from xsn_acq.live.fields import LOCK_NAME, FieldStore
from xsn_acq.live.lock import hold, holding
from xsn_acq.live.results import read_status
from xsn_acq.live.speckle_chunks import SpeckleWork
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_reconstruction import PREPARED_NAME, RMSE_NAME, reconstruct_speckle
from xsn_acq.live.speckle_rmse import FILE_NAME
from xsn_acq.live.speckle_scan import speckle_scan
from xsn_acq.live.speckle_settings import SpeckleChoices, plain_settings, speckle_optics
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.phantoms import SILICA, Phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.storage.run import RunRecord

GIVEN = SpeckleChoices(mu=30.0, background=False)
SMALL = (16, 24)
CENTRE_UM, RADIUS_UM = (2.0, 1.0, 1.5), 8.0
BALL = Phantom("ball", (Ellipsoid.sphere(CENTRE_UM, RADIUS_UM, SILICA),))
SHAPE = (48, 72)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    know_the_light(monkeypatch)
    monkeypatch.setattr(speckle_reconstruction, "CHUNK_VIEWS", 2)


@pytest.fixture
def stand_in(monkeypatch):
    """What is retrieved does not matter here, only how often and what of."""

    def put(**what):
        made = StandIn(SMALL, **what)
        monkeypatch.setattr(speckle_reconstruction, "retrieve_views", made)
        return made

    return put


def played(folder, *, stopped=True, **options):
    documents = list(SpeckleRun(**{"shape": SMALL, "projections": 5} | options).play(folder))
    return RunRecord.from_documents(documents if stopped else documents[:-1])


@pytest.fixture
def record(tmp_path):
    return played(tmp_path / "frames")


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    """Paths of the volume of a ball, eight angles; retrieved once for all that look at it."""
    root = tmp_path_factory.mktemp("ball")
    with pytest.MonkeyPatch.context() as patch:
        know_the_light(patch)
        run = SpeckleRun(projections=8, references=20, flats=20, shape=SHAPE, phantom=BALL)
        record = RunRecord.from_documents(run.play(root / "frames"))
        yield reconstruct_speckle([record], root / "results", choices=GIVEN)


def test_delta_and_beta_of_a_ball_are_those_of_glass(ball):
    with VolumeFile(ball.volume) as volume:
        found = {"delta": volume.delta[()], "beta": volume.beta[()]}
    y, z, x = np.meshgrid(*(axis(count, PIXEL_UM) for count in (SHAPE[0], SHAPE[1], SHAPE[1])), indexing="ij")
    radius = np.sqrt(sum((at - centre) ** 2 for at, centre in zip((x, y, z), CENTRE_UM, strict=True)))
    glass = optical_constants(SILICA.formula, SILICA.density_g_cm3, ENERGY_EV)
    for name, values in found.items():
        # 2.3 um of resolution and eight angles take some per cent from the middle of a ball of 16 um
        inside = values[radius < 0.6 * RADIUS_UM].mean()
        assert inside == pytest.approx(getattr(glass, name), rel=0.05)
        outside = (radius > RADIUS_UM + 4) & (np.hypot(x, z) < 20)
        # streaks of eight angles cancel in the mean
        assert abs(values[outside].mean()) < 0.02 * inside
    near = np.where(radius < RADIUS_UM + 4, found["delta"], 0)
    centre = [float(np.sum(near * at) / near.sum()) for at in (x, y, z)]
    # half a pixel; an axis one pixel off moves it by 0.8 um
    assert centre == pytest.approx(CENTRE_UM, abs=0.5 * PIXEL_UM)


def test_the_volume_says_what_it_was_made_with(ball):
    with VolumeFile(ball.volume) as volume:
        known, numbers = volume.parameters, volume.per_pair()
        assert volume.summary().theta_deg == pytest.approx(np.arange(8) * 22.5, abs=22.5)
    assert (known["technique"], known["mode"], known["diffuser_positions"]) == ("pwf", "single_material", 1)
    assert known["warnings"] == []
    assert set(numbers) == {"rmse", "chi2", "gradients", "converged", "strain", "one_material"}
    assert (numbers["converged"][0] == 1).all()


def test_the_rmse_map_is_in_parts_of_the_beam(ball):
    """Nothing but photon noise is left: in parts of the reference 1 / sqrt(photons)."""
    rmse = np.load(ball.volume.with_name(RMSE_NAME))
    assert rmse.shape == SHAPE
    # the fit takes up some of the noise, that of the references adds some: 15 % either way
    assert np.sqrt(np.mean(rmse**2)) == pytest.approx(PHOTONS**-0.5, rel=0.15)
    with VolumeFile(ball.volume) as volume:
        each, _ = volume.per_pair()["rmse"]
    assert np.sqrt(np.mean(rmse**2)) == pytest.approx(np.sqrt(np.mean(each**2)), rel=1e-5)  # float32


def test_a_second_call_retrieves_nothing_anew(record, tmp_path, stand_in):
    first = stand_in()
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert len(first.asked) == 5
    again = stand_in(rmse=0.5)
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert again.asked == []
    assert np.load(tmp_path / RMSE_NAME) == pytest.approx(0.01)
    with VolumeFile(paths.volume) as volume:
        assert len(volume.summary().theta_deg) == 5


@pytest.mark.parametrize(
    "change", [{"mu": 10.0}, {"beta_over_delta": 0.01}, {"diffuser_phase": "zero_phase"}]
)
def test_another_choice_retrieves_all_anew(record, tmp_path, stand_in, change):
    stand_in()
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    again = stand_in()
    reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, **change))
    assert len(again.asked) == 5


def test_rings_and_background_are_of_the_volume_alone(record, tmp_path, stand_in):
    stand_in()
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    with VolumeFile(paths.volume) as volume:
        before = volume.delta[()]
    again = stand_in()
    reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, rings="angular_mean"))
    assert again.asked == []
    with VolumeFile(paths.volume) as volume:
        assert volume.parameters["rings"] == "angular_mean"
        assert np.abs(volume.delta[()] - before).max() > 0.01 * np.abs(before).max()


def test_a_ring_method_that_there_is_not_is_refused_first(record, tmp_path, stand_in):
    retrieved = stand_in()
    with pytest.raises(ReconstructionError, match="ring removal: method: wanted one of"):
        reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, rings="angular"))
    assert retrieved.asked == []


def test_what_was_interrupted_goes_on(record, tmp_path, stand_in):
    """The third chunk of two angles fails; the two before it stay."""
    stand_in(most=4)
    with pytest.raises(StorageError, match="gone"):
        reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert not (tmp_path / "reconstruction.h5").exists()
    rest = stand_in()
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert [theta for theta, _ in rest.asked] == [record.ledger[4]["theta_mid_deg"]]


def test_the_rmse_map_is_of_all_angles_whenever_they_were_retrieved(record, tmp_path, stand_in):
    """Four of 0.01 before the end, one of 0.02 after it."""
    stand_in(most=4)
    with pytest.raises(StorageError, match="gone"):
        reconstruct_speckle([record], tmp_path, choices=GIVEN)
    stand_in(rmse=0.02)
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    wanted = np.sqrt((4 * 0.01**2 + 0.02**2) / 5)
    assert np.load(tmp_path / RMSE_NAME) == pytest.approx(wanted, rel=1e-6)  # float32
    with VolumeFile(paths.volume) as volume:
        assert volume.parameters["rmse_angles"] == 5


def test_an_angle_whose_field_was_not_stored_counts_once_in_the_rmse_map(
    record, tmp_path, stand_in, monkeypatch
):
    """The process ends between the sums and the second field of the second chunk."""
    stand_in()
    append, stored = FieldStore.append, []

    def cut_short(store, pair):
        if len(stored) == 3:
            raise KeyboardInterrupt
        stored.append(pair)
        append(store, pair)

    with monkeypatch.context() as context:
        context.setattr(FieldStore, "append", cut_short)
        with pytest.raises(KeyboardInterrupt):
            reconstruct_speckle([record], tmp_path, choices=GIVEN)
    rest = stand_in()
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert len(rest.asked) == 2
    assert np.load(tmp_path / RMSE_NAME) == pytest.approx(0.01)
    with VolumeFile(paths.volume) as volume:
        assert volume.parameters["rmse_angles"] == 5


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None])
def test_sums_that_are_damaged_or_of_another_choice_are_begun_anew(record, tmp_path, stand_in, damage):
    stand_in(rmse=0.02)
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    if damage is not None:
        (tmp_path / FILE_NAME).write_bytes(damage)
    stand_in()
    reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, mu=10.0))
    assert np.load(tmp_path / RMSE_NAME) == pytest.approx(0.01)


def test_projections_that_come_later_are_retrieved_with_their_angles(tmp_path, stand_in):
    """A field of one position would stand for two; its angle is known, its other projection is not."""
    places = ((0.0, 0.0), (0.1, 0.0))
    first, late = (
        played(tmp_path / "frames", number=number, position_mm=place, positions_mm=places, seed=number)
        for number, place in enumerate(places)
    )
    early = RunRecord.from_documents([])
    early.__dict__.update(late.__dict__)
    early.correct("projections", 2, late.ledger[:2])
    stand_in()
    reconstruct_speckle([first, early], tmp_path, choices=GIVEN)
    early.correct("projections", 5, first.ledger)
    again = stand_in()
    reconstruct_speckle([first, early], tmp_path, choices=GIVEN)
    assert [there for _, there in again.asked] == [(True, True)] * 5


def test_a_sample_of_two_materials_is_told(record, tmp_path, stand_in):
    stand_in(strain=9.0)
    paths = reconstruct_speckle([record], tmp_path, choices=GIVEN)
    said = "the sample is not of one material: 100% of the angles contradict one beta/delta"
    with VolumeFile(paths.volume) as volume:
        (warning,) = volume.parameters["warnings"]
    assert warning.startswith(said)
    status = read_status(tmp_path)
    assert (status.state, status.message) == ("done", warning)


def test_a_second_position_of_one_angle_does_not_silence_that(tmp_path, stand_in):
    """A strain of 8 contradicts one material where there is one exposure, not where there are two."""
    places = ((0.0, 0.0), (0.1, 0.0))
    first, begun = (
        played(tmp_path / "frames", number=number, position_mm=place, positions_mm=places, seed=number)
        for number, place in enumerate(places)
    )
    begun.correct("projections", 1, begun.ledger[:1])
    stand_in(strain=8.0)
    reconstruct_speckle([first, begun], tmp_path, choices=GIVEN)
    assert "80% of the angles contradict one beta/delta" in read_status(tmp_path).message


def test_slices_that_keep_their_background_are_told(record, tmp_path, stand_in, monkeypatch):
    def none(delta):
        raise ReconstructionError("background: no air")

    monkeypatch.setattr(slicing, "find_air", none)
    stand_in()
    paths = reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, background=True))
    said = f"{SMALL[0]} of {SMALL[0]} slices keep their slow background: there is too little air in them"
    assert read_status(tmp_path).message.startswith(said)
    with VolumeFile(paths.volume) as volume:
        assert volume.warnings == [read_status(tmp_path).message]


def test_angles_that_did_not_converge_are_told(record, tmp_path, stand_in):
    stand_in(converged=0.0, strain=float("nan"))
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert read_status(tmp_path).message == "5 of 5 angles did not converge; see pairs/gradients"


def test_a_position_that_went_on_gives_every_angle_once(tmp_path, stand_in):
    first = played(tmp_path / "frames", lost=(3, 4), retake=False, stopped=False)
    rest = played(tmp_path / "frames", lost=(0, 1, 2), retake=False, seed=2)
    rest.ledger_summary()["complete"] = 1
    retrieved = stand_in()
    paths = reconstruct_speckle([first, rest], tmp_path, choices=GIVEN)
    assert [there for _, there in retrieved.asked] == [(True, False)] * 3 + [(False, True)] * 2
    assert len({theta for theta, _ in retrieved.asked}) == 5
    with VolumeFile(paths.volume) as volume:
        assert (volume.parameters["diffuser_positions"], volume.parameters["ended"]) == (1, "")
    status = read_status(tmp_path)
    assert (status.run, status.frames, status.pairs, status.expected_pairs) == (first.uid, 5, 5, 5)


def test_a_fault_of_a_later_run_is_told_with_the_volume(tmp_path, stand_in):
    places = ((0.0, 0.0), (0.1, 0.0))
    first, second = (
        played(tmp_path / "frames", number=number, position_mm=place, positions_mm=places, seed=number,
               stopped=number == 0)
        for number, place in enumerate(places)
    )  # fmt: skip
    stand_in()
    paths = reconstruct_speckle([first, second], tmp_path, choices=GIVEN)
    with VolumeFile(paths.volume) as volume:
        assert volume.parameters["ended"] == "the run was interrupted"
    assert read_status(tmp_path).message == "the run was interrupted"


def test_mode_free_counts_positions_not_runs(tmp_path):
    """Three runs of one position are one view of each angle."""
    runs = [
        played(tmp_path / "frames", lost=lost, retake=False, seed=seed)
        for seed, lost in enumerate([(2, 3, 4), (0, 1, 4), (0, 1, 2, 3)])
    ]
    with pytest.raises(ReconstructionError, match="mode free: wanted 3 diffuser positions or more, found 1"):
        reconstruct_speckle(runs, tmp_path, choices=replace(GIVEN, mode="free"))


def test_what_was_prepared_is_kept(record, tmp_path, stand_in, monkeypatch):
    stand_in()
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    kept = json.loads((tmp_path / PREPARED_NAME).read_text())
    monkeypatch.setattr(speckle_reconstruction, "prepare", None)
    reconstruct_speckle([record], tmp_path, choices=replace(GIVEN, background=True))
    assert json.loads((tmp_path / PREPARED_NAME).read_text()) == kept


def test_a_folder_that_another_process_has_is_refused_before_anything_is_read(record, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(speckle_reconstruction, "SpeckleFrames", read.append)
    with holding(tmp_path / LOCK_NAME), pytest.raises(StorageError, match="another process is reconstruct"):
        reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert read == []
    assert not (tmp_path / PREPARED_NAME).exists()


def test_a_folder_is_held_from_preparing_to_the_volume(record, tmp_path, stand_in, monkeypatch):
    seen = []

    def held(stage, *_):
        with pytest.raises(StorageError, match="another process"):
            hold(tmp_path / LOCK_NAME)
        seen.append(stage)

    def failing(*_):
        held("prepare")
        raise ReconstructionError("no speckle")

    stand_in()
    with monkeypatch.context() as patch:
        patch.setattr(speckle_reconstruction, "prepare", failing)
        with pytest.raises(ReconstructionError, match="no speckle"):
            reconstruct_speckle([record], tmp_path, choices=GIVEN)
    reconstruct_speckle([record], tmp_path, choices=GIVEN, progress=held)
    assert set(seen) == {"prepare", "retrieval", "volume"}
    os.close(hold(tmp_path / LOCK_NAME))


def test_frames_opened_before_one_that_fails_are_closed(tmp_path, monkeypatch):
    runs = [played(tmp_path / "frames", seed=seed) for seed in range(2)]
    scan, _ = speckle_scan(runs)
    opened = []

    class Frames(SpeckleFrames):
        def __init__(self, scan):
            if opened:
                raise StorageError("frame file: gone")
            super().__init__(scan)
            opened.append(self)

        def close(self):
            super().close()
            opened.append("closed")

    monkeypatch.setattr(speckle_reconstruction, "SpeckleFrames", Frames)
    monkeypatch.setattr(speckle_chunks, "SpeckleFrames", Frames)
    with pytest.raises(StorageError, match="gone"):
        reconstruct_speckle(runs, tmp_path, choices=GIVEN)
    assert opened.pop() == "closed"
    opened.clear()
    settings = plain_settings(PwfSettings(speckle_optics(scan.start, LIGHT.lengths, SMALL), 0.003, PHOTONS))
    with pytest.raises(StorageError, match="gone"):
        SpeckleWork(scan.plain(), settings, 11.5, [(), ()])
    assert opened.pop() == "closed"


def of_other_frames(text):
    return json.dumps(json.loads(text) | {"digest": "another"})


def without_photons(text):
    plain = json.loads(text)
    plain["settings"]["photons"] = 0
    return json.dumps(plain)


def with_a_list_for_light(text):
    return json.dumps(json.loads(text) | {"light": [1, 2]})


@pytest.mark.parametrize(
    "damage",
    [of_other_frames, without_photons, with_a_list_for_light, lambda text: text[:99], lambda text: "[]"],
)
def test_what_was_prepared_of_other_frames_or_is_damaged_is_made_anew(record, tmp_path, stand_in, damage):
    stand_in()
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    path = tmp_path / PREPARED_NAME
    before = path.read_text()
    path.write_text(damage(before))
    reconstruct_speckle([record], tmp_path, choices=GIVEN)
    assert path.read_text() == before


def test_frames_of_another_shape_than_announced_are_refused(tmp_path):
    wrong = played(tmp_path / "frames", more={"frame_shape": [16, 20]})
    with pytest.raises(ReconstructionError, match=r"wanted frames of \(16, 20\) pixels"):
        reconstruct_speckle([wrong], tmp_path, choices=GIVEN)
