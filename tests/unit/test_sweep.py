"""The order of a sweep: every pattern once a pass, short ways, the sample moved once a block."""

from itertools import pairwise, permutations, product

import pytest

from xsn_acq.params import StructuredIllumination
from xsn_acq.params.structured import CondenserSetting, Sheets
from xsn_acq.plans.sweep import Segment, blocks, place_of, segments, travel_mm

TWO_SETTINGS = (CondenserSetting(), CondenserSetting(x_um=10.0, yaw_urad=50.0))
FORMS = [
    {"lines": 1, "per_line": 1},
    {"lines": 5, "per_line": 3},
    {"lines": 4, "per_line": 3, "lines_per_block": 1},
    {"lines": 3, "per_line": 4, "lines_per_block": 10, "settings": TWO_SETTINGS},
    {"lines": 5, "per_line": 3, "settings": TWO_SETTINGS, "references_every": 2},
    {"lines": 5, "per_line": 3, "references_every": 0},
    {"lines": 6, "per_line": 3, "settings": TWO_SETTINGS, "chosen": (34, 0, 1, 13, 20)},
]
PASSES = [{"passes": "pairs"}, {"passes": "out"}, {"passes": "in", "library": "0123abcd"}]


def sweep(params):
    """All segments, in the order of the run."""
    taken, number = [], 0
    for setting in range(len(params.settings)):
        for block in segments(params, setting, number):
            taken.append(block)
            number += 1
    return taken


def flat(params):
    return [segment for block in sweep(params) for segment in block]


def cases():
    for (number, form), passes, mode in product(enumerate(FORMS), PASSES, ("step", "fly")):
        if mode == "step" or "chosen" not in form:
            yield pytest.param(form | passes | {"mode": mode}, id=f"{number} {passes['passes']} {mode}")


@pytest.fixture(params=cases())
def params(request):
    return StructuredIllumination(**request.param)


def test_every_pattern_exactly_once_a_pass(params):
    whole = params.lines * params.per_line * len(params.settings)
    wanted = sorted(params.chosen or range(whole))
    kinds = ("in", "out") if params.passes == "pairs" else (params.passes,)
    for kind in kinds:
        found = [n for segment in flat(params) if segment.kind == kind for n in segment.patterns]
        assert sorted(found) == wanted
    assert {segment.kind for segment in flat(params)} <= {*kinds, "reference"}
    assert params.patterns == len(wanted)


def test_as_many_exposures_as_the_parameters_say(params):
    taken = [segment for segment in flat(params) if segment.kind == "reference"]
    assert len(taken) == params.references
    assert params.frames == params.darks + sum(len(segment.patterns) for segment in flat(params))
    assert all(segment.sample_in and len(segment.patterns) == 1 for segment in taken)


def test_both_passes_of_a_block_hold_the_same_patterns_in_the_same_order(params):
    for block in sweep(params):
        passes = {
            kind: [segment.patterns for segment in block if segment.kind == kind] for kind in ("in", "out")
        }
        if params.passes == "pairs":
            assert passes["in"] == passes["out"]


def test_the_sample_moves_once_a_block(params):
    """It starts in; blocks begin where the last one left it."""
    there = [True, *(segment.sample_in for segment in flat(params))]
    moves = sum(before != after for before, after in pairwise(there))
    if params.passes == "pairs":
        assert moves == len(sweep(params))
    else:
        assert moves == (params.passes == "out")


def test_blocks_are_counted_through_and_keep_to_their_setting(params):
    for number, block in enumerate(sweep(params)):
        assert {segment.block for segment in block} == {number}
        (setting,) = {segment.setting for segment in block}
        assert {n // params.per_setting for segment in block for n in segment.patterns} == {setting}


def test_a_segment_is_a_line_on_the_fly_and_one_pattern_at_rest(params):
    for segment in flat(params):
        lines = {n // params.per_line for n in segment.patterns}
        assert len(lines) == 1
        if params.mode == "step":
            assert len(segment.patterns) == 1
        elif segment.kind != "reference":
            assert len(segment.patterns) == params.per_line


def test_a_reference_is_the_first_pattern_of_its_setting_once_more():
    params = StructuredIllumination(lines=5, per_line=2, settings=TWO_SETTINGS, references_every=2)
    taken = [segment for segment in flat(params) if segment.kind == "reference"]
    # three blocks a setting, counted 0 to 5: before the blocks 0, 2 and 4
    assert taken == [
        Segment("reference", 0, 0, (0,)),
        Segment("reference", 2, 0, (0,)),
        Segment("reference", 4, 1, (10,)),
    ]


def test_the_order_of_a_small_sweep():
    params = StructuredIllumination(lines=3, per_line=2, lines_per_block=2, mode="fly")
    found = [[(segment.kind, segment.patterns) for segment in block] for block in sweep(params)]
    assert found == [
        [("reference", (0,)), ("in", (0, 1)), ("in", (2, 3)), ("out", (0, 1)), ("out", (2, 3))],
        [("out", (4, 5)), ("reference", (0,)), ("in", (4, 5))],
    ]


def test_lines_run_there_and_back():
    params = StructuredIllumination(lines=4, per_line=5)
    places = [place_of(params, n) for n in range(20)]
    sheets = params.sheets
    for n, (before, after) in enumerate(pairwise(places)):
        along = after.fine_x_mm - before.fine_x_mm
        across = after.fine_y_mm - before.fine_y_mm
        turns = n % 5 == 4
        direction = -1 if (n // 5) % 2 else 1
        wanted = (0.0, sheets.line_mm) if turns else (direction * sheets.step_mm, 0.0)
        assert (along, across) == pytest.approx(wanted, abs=1e-12)
        coarse = after.coarse_x_mm - before.coarse_x_mm
        assert coarse == pytest.approx(0.0 if turns else direction * sheets.coarse_step_mm, abs=1e-12)


def test_the_coarse_sheet_stands_in_a_line_that_is_flown():
    params = StructuredIllumination(lines=2, per_line=4, mode="fly", sheets=Sheets(coarse_line_mm=0.7))
    places = [place_of(params, n) for n in range(8)]
    assert {place.coarse_x_mm for place in places} == {-5.0}
    assert [place.coarse_y_mm for place in places] == pytest.approx([-5.0] * 4 + [-4.3] * 4)


def test_patterns_of_all_settings_lie_in_the_same_places():
    params = StructuredIllumination(lines=2, per_line=3, settings=TWO_SETTINGS)
    for n in range(6):
        here, there = place_of(params, n), place_of(params, n + 6)
        assert (here.condenser, there.condenser) == TWO_SETTINGS
        assert (here.fine_x_mm, here.fine_y_mm) == (there.fine_x_mm, there.fine_y_mm)


def test_no_two_patterns_of_a_setting_are_alike():
    params = StructuredIllumination(lines=7, per_line=9)
    assert len({place_of(params, n) for n in range(63)}) == 63


def test_chosen_patterns_keep_their_lines_and_blocks():
    params = StructuredIllumination(lines=6, per_line=3, chosen=(16, 0, 5, 4))
    assert list(blocks(params, 0)) == [((0,), (4, 5)), ((16,),)]  # lines 2 to 4 are left out


def way_mm(params, order):
    """How far the fine sheet goes along both axes, from pattern to pattern."""
    places = [place_of(params, n) for n in order]
    return sum(abs(b.fine_x_mm - a.fine_x_mm) + abs(b.fine_y_mm - a.fine_y_mm) for a, b in pairwise(places))


def test_no_order_of_one_pass_is_shorter():
    params = StructuredIllumination(lines=2, per_line=3, passes="out")
    shortest = min(way_mm(params, (0, *rest)) for rest in permutations(range(1, 6)))
    assert travel_mm(params) == pytest.approx(shortest, rel=1e-12)


def test_travel_is_short_against_lines_that_all_run_the_same_way():
    """Each line then costs the way back to its begin; here the lines are longer than they are apart."""
    params = StructuredIllumination(lines=10, per_line=100, passes="out")
    ways = [[line * 100 + (99 - n if line % 2 else n) for n in range(100)] for line in range(10)]
    naive = way_mm(params, [n for line in ways for n in line])
    assert travel_mm(params) < 0.55 * naive  # 54 mm against 99 mm
    assert travel_mm(params) == pytest.approx(10 * 99 * 0.05 + 9 * 0.5)


def test_travel_counts_both_passes_and_references():
    params = StructuredIllumination(lines=2, per_line=3, references_every=0)
    # a pass is 2 lines of 0.1 mm and 0.5 mm between them; the sheet goes back 0.5 mm between the passes
    assert travel_mm(params) == pytest.approx(2 * 0.7 + 0.5)
