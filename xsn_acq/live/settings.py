"""What a reconstruction must know, taken from the run's start document."""

from collections.abc import Mapping
from typing import Any

from xsn_acq.analysis.rings import NONE, known_method
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.params.tomography import HALF_TURN_DEG

TECHNIQUE = "xsn"


def is_xsn(start: Mapping[str, Any]) -> bool:
    """Whether a start document belongs to a run that is reconstructed here."""
    return start.get("technique") == TECHNIQUE


def is_rest(start: Mapping[str, Any]) -> bool:
    """Whether a run goes on with the tomogram of an earlier one, with which it is reconstructed."""
    return bool((start.get("hyperspectral") or {}).get("resumes"))


def xsn_settings(
    start: Mapping[str, Any], *, iterations: int = 7, epsilon: float | None = None
) -> XsnSettings:
    """Take the settings of a run's reconstruction from its start document.

    Parameters
    ----------
    start : mapping
        Start document; its ``acquisition`` says how the images were formed.
    iterations, epsilon
        See `xsn_acq.analysis.retrieval.XsnRetrieval`.

    Raises
    ------
    ReconstructionError
        When the run is no XSN tomogram, or an entry is missing or no number.
    """
    if not is_xsn(start):
        raise ReconstructionError(
            f"run {_uid(start)}: technique: wanted {TECHNIQUE}, found {start.get('technique')!r}; "
            "only XSN tomograms are reconstructed here"
        )
    try:
        acquisition = start["acquisition"]
        curve = acquisition["knife_edge"]
        wavelength = float(acquisition["wavelength_m"])
        expected_pairs(start)  # needed further on: missed here
        _require_axis_in_frame(start)
        return XsnSettings(
            wavelength_m=wavelength,
            pixel_size_m=float(acquisition["pixel_size_m"]),
            aperture_per_m=float(acquisition["numerical_aperture"]) / wavelength,
            cutoff_per_m=float(acquisition["cutoff_per_m"]),
            passes=acquisition["cutoff_passes"],
            knife_edge=KnifeEdge(curve["frequency_per_m"], curve["transmitted"]),
            axis_column=float(acquisition["axis_column"]),
            step_deg=abs(float(acquisition["step_deg"])),
            iterations=iterations,
            epsilon=epsilon,
            detector_fwhm_m=float(acquisition.get("detector_fwhm_m", 0.0)),
            beta_over_delta=float(acquisition.get("beta_over_delta", 0.0)),
            rings=known_method(acquisition.get("rings", NONE)),
            stray_fraction=float(acquisition.get("stray_fraction", 0.0)),
        )
    except KeyError as error:
        raise ReconstructionError(
            f"run {_uid(start)}: start document: acquisition: {error} is missing"
        ) from error
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ReconstructionError(f"run {_uid(start)}: start document: acquisition: {error}") from error


def _require_axis_in_frame(start: Mapping[str, Any]) -> None:
    """Refuse an axis beside the frame, as a column of the sensor where one of the frame is wanted."""
    columns, axis = frame_shape(start)[1], float(start["acquisition"]["axis_column"])
    if not 0 <= axis <= columns - 1:
        raise ReconstructionError(
            f"run {_uid(start)}: rotation axis: wanted a column of the frame, 0 to {columns - 1}, found "
            f"{axis:g}; frames count binned pixels of the region of interest"
        )


def frame_shape(start: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a frame, (ny, nx)."""
    ny, nx = start["acquisition"]["frame_shape"]
    return int(ny), int(nx)


def expected_projections(start: Mapping[str, Any]) -> int:
    """Frames that the run sets out to take."""
    return int(start["acquisition"]["expected"]["projections"])


def expected_pairs(start: Mapping[str, Any]) -> int:
    """Frames of the run that will have a partner half a turn on.

    >>> expected_pairs({"acquisition": {"expected": {"projections": 900}, "step_deg": 0.4}})
    450
    """
    projections = expected_projections(start)
    half_turn = round(HALF_TURN_DEG / abs(float(start["acquisition"]["step_deg"])))
    return max(0, min(half_turn, projections - half_turn))


def expected_fields(start: Mapping[str, Any]) -> int:
    """Fields that the run will give: its pairs; of half a turn, where one image is enough, its frames.

    >>> half = {"expected": {"projections": 450}, "step_deg": 0.4, "beta_over_delta": 0.02}
    >>> expected_pairs({"acquisition": half}), expected_fields({"technique": "xsn", "acquisition": half})
    (0, 450)
    """
    if not is_xsn(start):
        return expected_projections(start)
    alone = expected_projections(start) if start["acquisition"].get("beta_over_delta") else 0
    return expected_pairs(start) or alone


def parameters(settings: XsnSettings) -> dict[str, Any]:
    """Return the settings as plain values, for files."""
    curve = settings.knife_edge
    plain = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    plain["knife_edge"] = {
        "frequency_per_m": curve.frequency_per_m.tolist(),
        "transmitted": curve.transmitted.tolist(),
    }
    return plain


def settings_from(plain: Mapping[str, Any]) -> XsnSettings:
    """Make the settings of what `parameters` returned, in this process or another.

    >>> edge = KnifeEdge([0, 1], [1, 0])
    >>> plain = parameters(XsnSettings(1e-10, 4e-8, 1e7, 0.0, "positive", edge, 9.5, 0.4))
    >>> parameters(settings_from(plain)) == plain
    True
    """
    return XsnSettings(**{**plain, "knife_edge": KnifeEdge(**plain["knife_edge"])})


def _uid(start: Mapping[str, Any]) -> str:
    return str(start.get("uid", "?"))[:8]
