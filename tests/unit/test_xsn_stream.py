"""The stream: partners, previews, order, restarts; streamed equals batch."""

import dataclasses

import numpy as np
import pytest
from tomogram import INDEX, PIXEL_M, WAVELENGTH_M, measure

from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.tomography import volume
from xsn_acq.analysis.xsn_stream import Preview, XsnStream, reconstruct_pairs

SHAPE = (24, 96)


@pytest.fixture(scope="module")
def run():
    return measure(8, shape=SHAPE)


def stream_of(run, **more):
    return XsnStream(run.settings, run.dark, run.flat, **more)


def push_all(stream, run, order, **more):
    return [result for i in order for result in stream.push(int(i), run.theta_deg[i], run.frames[i], **more)]


def test_previews_come_first_and_fields_replace_them(run):
    results = push_all(stream_of(run), run, range(16))
    assert [type(result) for result in results] == [Preview] * 8 + [PairField] * 8
    assert [(pair.index_0, pair.index_180) for pair in results[8:]] == [(i, i + 8) for i in range(8)]
    assert [pair.theta_deg for pair in results[8:]] == list(run.theta_deg[:8])
    assert results[0].phi.shape == SHAPE


def test_streamed_is_batch_in_any_order(run):
    batch = reconstruct_pairs(run.frames, run.theta_deg, run.settings, run.dark, run.flat)
    stream = stream_of(run)
    shuffled = push_all(stream, run, np.random.default_rng(0).permutation(16), preview=False)
    assert stream.pairs == len(batch) == 8
    for pair in shuffled:
        twin = next(other for other in batch if other.index_0 == pair.index_0)
        assert (twin.index_180, twin.theta_deg) == (pair.index_180, pair.theta_deg)
        np.testing.assert_array_equal(pair.field.phi, twin.field.phi)
        np.testing.assert_array_equal(pair.field.alpha, twin.field.alpha)
    stack = np.stack([pair.field.alpha + 1j * pair.field.phi for pair in batch])
    theta = np.deg2rad([pair.theta_deg for pair in batch])
    whole = volume(stack, theta, pixel_size_m=PIXEL_M, wavelength_m=WAVELENGTH_M)
    slices = stream.value()
    for quantity, part in (("delta", whole.imag), ("beta", whole.real)):
        wanted = {"xz": part[SHAPE[0] // 2], "xy": part[:, SHAPE[1] // 2], "zy": part[:, :, SHAPE[1] // 2]}
        for plane, image in wanted.items():
            # two transforms, each asked for 1e-4
            assert np.abs(slices[quantity][plane] - image).max() < 3e-4 * np.abs(whole).max()


def test_a_scan_the_other_way_gives_the_same_sample(run):
    stream = stream_of(run)
    pairs = [
        result
        for i in range(16)
        for result in stream.push(
            i, run.theta_deg[-i % 16] - 360.0 * (i > 0), run.frames[-i % 16], preview=False
        )
    ]
    forward = stream_of(run)
    push_all(forward, run, range(16), preview=False)
    assert len(pairs) == 8
    assert all(-360 < pair.theta_deg <= 0 for pair in pairs)
    # members meet the other way round, noise and all: the same object to a few per cent of its maximum
    wanted = forward.value()["delta"]["xz"]
    assert np.abs(stream.value()["delta"]["xz"] - wanted).max() < 0.1 * np.abs(wanted).max()


def test_the_first_frame_of_an_angle_wins(run):
    stream = stream_of(run)
    push_all(stream, run, range(9), preview=False)
    before = stream.value()["delta"]["xz"]
    assert stream.push(20, run.theta_deg[0] + 1e-3, run.frames[5]) == []  # paired already
    assert stream.push(21, run.theta_deg[3], run.frames[5]) == []  # still waiting
    assert stream.push(22, run.theta_deg[0] + 360, run.frames[5]) == []  # a whole turn later
    np.testing.assert_array_equal(stream.value()["delta"]["xz"], before)


def test_a_partner_must_be_within_a_quarter_step(run):
    step = run.settings.step_deg
    for off, paired in ((0.2 * step, True), (0.3 * step, False)):
        stream = stream_of(run)
        stream.push(0, 10.0, run.frames[0])
        (result,) = stream.push(1, 190.0 + off, run.frames[8])
        assert isinstance(result, PairField) == paired


def test_a_restart_from_checkpoints_goes_on(run):
    whole = stream_of(run)
    pairs = push_all(whole, run, range(16), preview=False)
    restarted = stream_of(run)
    for pair in pairs[:3]:
        restarted.push_field(pair)
    rest = push_all(restarted, run, range(16), preview=False)
    assert [pair.index_0 for pair in rest] == [3, 4, 5, 6, 7]
    # the same sums in another order
    wanted = whole.value()["beta"]["xy"]
    np.testing.assert_allclose(restarted.value()["beta"]["xy"], wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_checkpoint_that_comes_late_takes_waiting_frames_out(run):
    stream = stream_of(run)
    pair = push_all(stream_of(run), run, [2, 10], preview=False)[0]
    stream.push(2, run.theta_deg[2], run.frames[2])
    stream.push_field(pair)
    assert stream.push(10, run.theta_deg[10], run.frames[10]) == []
    assert stream.pairs == 1


def test_waiting_frames_can_be_read_again(run):
    asked = []

    def read(index):
        asked.append(index)
        return run.frames[index]

    kept, again = stream_of(run), stream_of(run, read=read)
    order = [0, 1, 8, 9]
    for one, other in zip(push_all(kept, run, order), push_all(again, run, order), strict=True):
        if isinstance(one, PairField):
            np.testing.assert_array_equal(one.field.phi, other.field.phi)
    assert asked == [0, 1]


def test_clear_starts_over(run):
    stream = stream_of(run)
    push_all(stream, run, range(16), preview=False)
    stream.clear()
    assert stream.pairs == 0
    assert not stream.value()["delta"]["xz"].any()
    assert len(push_all(stream, run, range(16), preview=False)) == 8


def test_a_beam_that_fades_reads_as_no_absorption():
    steady = measure(8, shape=SHAPE, photons=1e9)
    faded = measure(8, shape=SHAPE, photons=1e9, drift=0.2)
    blind = dataclasses.replace(faded, settings=dataclasses.replace(faded.settings, air_fraction=0.0))
    values = []
    for run in (steady, faded, blind):
        stream = stream_of(run)
        push_all(stream, run, range(16), preview=False)
        values.append(stream.value()["beta"]["xz"])
    beta = INDEX["Al"][1]
    # what remains is photon noise; without the air at the borders 20 % of light would read as matter
    assert np.abs(values[1] - values[0]).max() < 0.1 * beta
    assert np.abs(values[2] - values[0]).max() > 0.5 * beta


def test_settings_reach_the_optics(run):
    settings = dataclasses.replace(run.settings, passes="negative", cutoff_per_m=1e6)
    optics = settings.optics(SHAPE)
    assert (optics.shape, optics.passes, optics.cutoff_per_m) == (SHAPE, "negative", 1e6)
