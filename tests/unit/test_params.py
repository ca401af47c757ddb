"""Parameters: the paper's defaults, YAML both ways, every fault listed at once."""

import pytest
from pydantic import ValidationError

from xsn_acq.errors import ConfigError
from xsn_acq.params import FindRotationAxis, PixelSize, Roi, XsnTomography


def test_defaults_are_the_papers():
    params = XsnTomography()
    assert (params.projections, params.span_deg, params.exposure_s) == (900, 360.0, 2.0)
    assert params.step_deg == pytest.approx(0.4)
    assert params.frames == 940


@pytest.mark.parametrize(("when", "frames"), [("before", 920), ("after", 920), ("both", 940)])
def test_flats_count(when, frames):
    params = XsnTomography(darks=10, flats=20, projections=890, span_deg=178.0, flats_when=when)
    assert params.frames == frames
    assert params.takes_flats_before == (when != "after")
    assert params.takes_flats_after == (when != "before")


def test_yaml_both_ways(tmp_path):
    params = XsnTomography(
        projections=36, direction=-1, roi=Roi(min_x=10, min_y=20, size_x=64, size_y=48), note="grün, 3 µm"
    )
    assert XsnTomography.from_yaml(params.to_yaml()) == params
    path = tmp_path / "params.yaml"
    path.write_text(params.to_yaml(), encoding="utf-8")
    assert XsnTomography.from_yaml(path) == params
    assert params.roi is not None
    assert params.roi.as_tuple() == (10, 20, 64, 48)


def test_empty_text_gives_the_defaults():
    assert XsnTomography.from_yaml("") == XsnTomography()
    assert XsnTomography.from_yaml('{"projections": 36}').projections == 36  # JSON is YAML


def test_frozen():
    with pytest.raises(ValidationError):
        XsnTomography().projections = 3  # type: ignore[misc]


def test_every_fault_is_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        XsnTomography.from_yaml("{projections: 1, exposure_s: -2, exposre_s: 3, direction: 0, binning: 3}")
    fields = [fault.split(":")[0] for fault in caught.value.faults]
    assert fields == ["exposure_s", "binning", "projections", "direction", "exposre_s"]
    assert caught.value.faults[0] == "exposure_s: wanted more than 0 s, found -2 s"
    assert caught.value.faults[-1] == "exposre_s: no such key; did you mean exposure_s?"
    assert not any("Input should" in fault for fault in caught.value.faults)


WORDS = [
    ("roi: {min_x: 0, min_y: 0, size_X: 64, size_y: 4}", "roi.size_y: wanted 8 px or more, found 4 px"),
    ("roi: {min_x: 0, min_y: 0, size_X: 64, size_y: 64}", "roi.size_X: no such key; did you mean size_x?"),
    ("zoom: 2", "zoom: no such key"),
    ("projections: 36.5", "projections: wanted a whole number, found 36.5"),
    (
        "flats_when: befor",
        "flats_when: wanted 'before', 'after' or 'both', found 'befor'; did you mean 'before'?",
    ),
    ("start_deg: .nan", "start_deg: wanted a finite number, found nan deg"),
]


@pytest.mark.parametrize(("text", "fault"), WORDS, ids=[text for text, _ in WORDS])
def test_a_fault_in_our_own_words(text, fault):
    with pytest.raises(ConfigError) as caught:
        XsnTomography.from_yaml(text)
    assert fault in caught.value.faults


def faults(raw):
    try:
        XsnTomography.checked(raw)
    except ConfigError as error:
        return error.faults
    return ()


def test_every_fault_of_every_field_has_words_of_its_own():
    """Pydantic's own are the last resort, for kinds of fault that no field has."""
    wrong = [None, "x", 1.5, -1e9, 1e9, [], {}, True]
    found = [
        fault for name in XsnTomography.model_fields for value in wrong for fault in faults({name: value})
    ]
    found += [
        fault for name in Roi.model_fields for value in wrong for fault in faults({"roi": {name: value}})
    ]
    assert len(found) > 100
    assert [fault for fault in found if "should" in fault] == []


BAD = [
    ("projections: 36.5", "projections"),
    ("projections: '36'", "projections"),
    ("projections: true", "projections"),
    ("projections: 200000", "projections"),
    ("start_deg: .nan", "start_deg"),
    ("start_deg: .inf", "start_deg"),
    ("span_deg: 0", "span_deg"),
    ("span_deg: -360", "span_deg"),
    ("exposure_s: 601", "exposure_s"),
    ("exposure_s: two", "exposure_s"),
    ("darks: 0", "darks"),
    ("flats: -1", "flats"),
    ("flats_when: never", "flats_when"),
    ("sample_out_um: .nan", "sample_out_um"),
    ("readout_port: 1", "readout_port"),
    ("trigger: software", "trigger"),
    ("retakes: 21", "retakes"),
    ("note: 7", "note"),
    ("roi: {min_x: 0}", "roi.min_y"),
    ("roi: {min_x: -1, min_y: 0, size_x: 64, size_y: 64}", "roi.min_x"),
    ("roi: {min_x: 0, min_y: 0, size_x: 4, size_y: 64}", "roi.size_x"),
    ("roi: {min_x: 0, min_y: 0, size_x: 65, size_y: 64}", "roi"),
    ("projections: 901", "projections"),
    ("[1, 2]", "file"),
    ("just text", "file"),
    ("projections: [", "not YAML"),
]


@pytest.mark.parametrize(("text", "field"), BAD, ids=[text for text, _ in BAD])
def test_bad_values_name_the_field(text, field):
    with pytest.raises(ConfigError) as caught:
        XsnTomography.from_yaml(text)
    assert caught.value.faults[0].split(": ")[0] == field


@pytest.mark.parametrize(("params", "images"), [(FindRotationAxis(pairs=36), 72), (PixelSize(points=72), 72)])
def test_images_compared_in_memory_fit_in_three_gigabytes(params, images):
    """Four copies, float32, of the whole sensor of 3200 x 3200 pixels binned by 2; one more is refused."""
    assert params.places == images
    assert 2.9e9 < 4 * 4 * 1600**2 * images < 3e9
    for name in {"pairs", "points"} & set(type(params).model_fields):
        with pytest.raises(ConfigError, match=name):
            type(params).from_yaml(f"{name}: {getattr(params, name) + 1}")


def test_partner_fault_says_what_to_do():
    with pytest.raises(ConfigError, match="choose projections so that frames have partners"):
        XsnTomography.from_yaml("projections: 901")


def test_unreadable_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        XsnTomography.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"note: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        XsnTomography.from_yaml(tmp_path / "latin.yaml")


def test_every_field_says_what_it_is():
    for name, field in [*XsnTomography.model_fields.items(), *Roi.model_fields.items()]:
        assert field.description, name
