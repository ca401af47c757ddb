"""Parameters of structured illumination: YAML both ways, what does not fit together, how much is taken."""

import pytest

from xsn_acq.errors import ConfigError
from xsn_acq.params import Roi, StructuredIllumination
from xsn_acq.params.structured import Adaptive, CondenserSetting, Sheets

UID = "01234567-89ab-cdef-0123-456789abcdef"
TWO_SETTINGS = (CondenserSetting(x_um=-20.0), CondenserSetting(y_um=5.0, pitch_urad=100.0, yaw_urad=-3.0))


def test_defaults_are_a_thousand_pairs():
    params = StructuredIllumination()
    assert (params.patterns, params.exposure_s, params.mode, params.passes) == (1000, 0.5, "step", "pairs")
    # twice each, 20 darks, and the reference before each of five blocks
    assert params.frames == 2 * 1000 + 20 + 5
    assert params.adaptive is None
    assert not params.triggered


@pytest.mark.parametrize(
    "params",
    [
        StructuredIllumination(),
        StructuredIllumination(
            mode="fly",
            lines=3,
            per_line=20,
            lines_per_block=3,
            settings=TWO_SETTINGS,
            sheets=Sheets(fine_x_mm=1.0, step_mm=0.02, coarse_line_mm=1.0),
            elements=("Ni", "Co"),
            adaptive=Adaptive(quality=0.1, least=8, least_gain=0.2),
            roi=Roi(min_x=1500, min_y=1500, size_x=64, size_y=64),
            references_every=0,
            note="LCO / LNO",
        ),
        StructuredIllumination(passes="in", library=UID, chosen=(5, 2, 900)),
    ],
    ids=["defaults", "fly", "chosen"],
)
def test_yaml_both_ways(params, tmp_path):
    assert StructuredIllumination.from_yaml(params.to_yaml()) == params
    path = tmp_path / "sweep.yaml"
    path.write_text(params.to_yaml(), encoding="utf-8")
    assert StructuredIllumination.from_yaml(path) == params
    assert StructuredIllumination.checked(params.model_dump(mode="json")) == params


WORDS = [
    ("mode: flying", "mode: wanted 'step' or 'fly', found 'flying'"),
    ("exposure_s: 0", "exposure_s: wanted more than 0 s, found 0 s"),
    ("lines: 0", "lines: wanted 1 or more, found 0"),
    ("lines_per_block: 0", "lines_per_block: wanted 1 or more, found 0"),
    ("sheets: {step_mm: 0.0}", "sheets.step_mm: wanted more than 0 mm, found 0.0 mm"),
    ("sheets: {fine_x_mm: .inf}", "sheets.fine_x_mm: wanted a finite number, found inf mm"),
    ("sheets: {stepp_mm: 0.1}", "sheets.stepp_mm: no such key; did you mean step_mm?"),
    ("settings: [{x_um: 1.0, yaw_rad: 2}]", "settings.0.yaw_rad: no such key; did you mean yaw_urad?"),
    ("settings: [{x_um: far}]", "settings.0.x_um: wanted a number, found 'far'"),
    ("settings: [{yaw_urad: 20000.0}]", "settings.0.yaw_urad: wanted 10000 urad or less, found 20000.0 urad"),
    (
        "{lines: 200, per_line: 251, settings: [{}, {x_um: 1.0}]}",
        "lines: wanted 100000 patterns or fewer (lines x per_line x settings), found 100400",
    ),
    ("adaptive: {quality: 1.5}", "adaptive.quality: wanted less than 1, found 1.5"),
    ("adaptive: {least: 2}", "adaptive.least: wanted 4 or more, found 2"),
    ("library: 0123cdef", "library: wanted none with passes: pairs, found 0123cdef"),
    ("passes: in", "library: wanted the uid of a run with passes: in, found none"),
    ("elements: [Ni, Co, Ni]", "elements: wanted each once, found Ni, Co, Ni"),
    ("{mode: fly, chosen: [1, 2]}", "chosen: wanted with mode: step, found fly"),
    ("{lines: 2, per_line: 3, chosen: [1, 6]}", "chosen: wanted different patterns, 0 to 5, found others"),
    ("{lines: 2, per_line: 3, chosen: [-1, 2]}", "chosen: wanted different patterns, 0 to 5, found others"),
    ("{lines: 2, per_line: 3, chosen: [2, 2]}", "chosen: wanted different patterns, 0 to 5, found others"),
]


@pytest.mark.parametrize(("text", "fault"), WORDS, ids=[text for text, _ in WORDS])
def test_a_fault_in_our_own_words(text, fault):
    with pytest.raises(ConfigError) as caught:
        StructuredIllumination.from_yaml(text)
    assert caught.value.faults == (fault,)


def test_what_does_not_fit_together_is_told_at_once():
    text = "{passes: out, library: 01ab, elements: [Ni, Ni], mode: fly, lines: 1, per_line: 2, chosen: [7]}"
    with pytest.raises(ConfigError) as caught:
        StructuredIllumination.from_yaml(text)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "library",
        "chosen",
        "chosen",
        "elements",
    ]


def test_so_many_patterns_are_taken():
    assert StructuredIllumination(lines=200, per_line=250, settings=TWO_SETTINGS).patterns == 100_000


@pytest.mark.parametrize("name", ["settings", "elements"])
def test_one_is_wanted_at_least(name):
    with pytest.raises(ConfigError) as caught:
        StructuredIllumination.from_yaml(f"{name}: []")
    assert caught.value.faults == (f"{name}: wanted a list of 1 or more, found []",)


COUNTS = [
    ({}, 12, 24, 2),
    ({"passes": "out"}, 12, 12, 0),
    ({"passes": "in", "library": "0123"}, 12, 12, 2),
    ({"settings": TWO_SETTINGS}, 24, 48, 4),
    ({"settings": TWO_SETTINGS, "references_every": 3}, 24, 48, 2),
    ({"lines_per_block": 1}, 12, 24, 3),
    ({"references_every": 0}, 12, 24, 0),
    ({"chosen": (0, 1, 11)}, 3, 6, 2),
    ({"chosen": (0, 7)}, 2, 4, 1),
    ({"settings": TWO_SETTINGS, "chosen": (0, 12)}, 2, 4, 2),
]


@pytest.mark.parametrize(("changes", "patterns", "exposures", "references"), COUNTS)
def test_what_is_counted(changes, patterns, exposures, references):
    """Three lines of four; blocks of two lines, each with a reference before it unless told otherwise."""
    params = StructuredIllumination(lines=3, per_line=4, darks=5, **changes)
    assert params.patterns == patterns
    assert params.pattern_passes * params.patterns == exposures
    assert params.references == references
    assert params.frames == 5 + exposures + references
