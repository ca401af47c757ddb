"""What is found once for a speckle scan, before its projections are retrieved one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.pwf.ratio_search import RatioFit
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.live.saturation import saturation_warnings
from xsn_acq.live.scan import ScanRow
from xsn_acq.live.speckle_axis import Axis
from xsn_acq.live.speckle_drift import Seen, StillReference
from xsn_acq.live.speckle_following import follow
from xsn_acq.live.speckle_frames import SpeckleFrames
from xsn_acq.live.speckle_light import Light, light_of
from xsn_acq.live.speckle_scan import View, free_warnings
from xsn_acq.live.speckle_settings import (
    UNKNOWN_RATIO,
    SpeckleChoices,
    entry,
    mode_of,
    plain_settings,
    ratio_of,
    settings_from,
    speckle_optics,
)
from xsn_acq.live.speckle_trial import Trial

LOOKED_AT = 4
"""Angles whose projections are looked at for pixels at full scale: the air is as bright in all."""


@dataclass(frozen=True)
class Prepared:
    """What all projections of a scan are retrieved with.

    Attributes
    ----------
    settings : PwfSettings
        Weight of the prior and beta/delta included.
    light : Light
    axis_column : float
        Of the rotation axis in the frames, pixel centres at integers.
    found : tuple of str
        Which of the settings were found from the data.
    warnings : tuple of str
        What a person must know, one line each.
    drift_px : tuple of float or None
        Largest drift of the speckle in each run, taken out; None where nothing tells it.
    seen : tuple of tuple of Seen
        Of each run, drift in the air of projections; empty where the references say as much.
    bad_pixels : int
        Dead, hot, odd or at full scale at any position; they have no weight.
    """

    settings: PwfSettings
    light: Light
    axis_column: float
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drift_px: tuple[float | None, ...] = ()
    seen: tuple[tuple[Seen, ...], ...] = ()
    bad_pixels: int = 0

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows."""
        return {**asdict(self), "settings": plain_settings(self.settings)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Prepared":
        """Read back what `plain` made."""
        light: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain["light"].items()
        }
        lists = {name: tuple(plain[name]) for name in ("found", "warnings", "drift_px")}
        lists["seen"] = tuple(tuple(tuple(each) for each in run) for run in plain["seen"])
        settings, axis, bad = settings_from(plain["settings"]), plain["axis_column"], plain["bad_pixels"]
        return cls(settings, Light(**light), axis, **lists, bad_pixels=bad)


def prepare(
    start: Mapping[str, Any],
    frames: Sequence[SpeckleFrames],
    views: Sequence[View],
    choices: SpeckleChoices,
    *,
    workers: int = 1,
) -> Prepared:
    """Find what a scan's retrieval needs: light, beta/delta if not known, weight of the prior, rotation axis.

    Parameters
    ----------
    start : mapping
        Start document of the scan's first run.
    frames : sequence of SpeckleFrames
        Of each run.
    views : sequence of View
        By rising angle; the one in the middle tries the weights.
    choices : SpeckleChoices
    workers : int
        Threads of the transforms.

    Raises
    ------
    ReconstructionError
        There is no speckle, mode free has too few positions, or an entry of the start document is missing.
    StorageError
        A frame cannot be read.
    """
    followed = [follow(each, _rows_of(views, run)) for run, each in enumerate(frames)]
    references = [each.reference for each in followed]
    light = light_of(start, references[0].image, frames[0].noise)
    warnings = _saturation(frames, views)
    warnings += light.warnings(entry(start, "pixel_size_m"), saturated=bool(warnings))
    warnings += dict.fromkeys(said for each in followed for said in each.warnings)
    settings = _settings(start, light, references[0], frames[0], choices)
    if not settings.single_material:
        warnings += free_warnings(views)
    found: list[str] = []
    given = choices.axis_column
    expected = entry(start, "axis_column") if given is None else given
    trial = Trial(settings, frames, references, views, expected, workers)
    if settings.single_material and ratio_of(start, choices) is None:
        fit = trial.ratio()
        settings = replace(settings, beta_over_delta=fit.ratio)
        found.append(f"beta/delta {fit.ratio:.5f}")
        warnings += _ratio_warnings(fit)
    if settings.mu is None:
        settings = replace(settings, mu=trial.weight(settings.beta_over_delta))
        found.append(f"weight of the prior {settings.mu:g}")
    axis = trial.axis(settings) if given is None else Axis(given)
    found += axis.found
    warnings += axis.warnings
    drift, seen = tuple(each.drift_px for each in followed), tuple(each.seen for each in followed)
    bad = int(np.count_nonzero(np.any([each.bad for each in frames], axis=0)))
    return Prepared(settings, light, axis.column, tuple(found), tuple(warnings), drift, seen, bad)


def _rows_of(views: Sequence[View], run: int) -> list[ScanRow]:
    """Projections of a run."""
    return [row for row in (view.rows[run] for view in views) if row is not None]


def _saturation(frames: Sequence[SpeckleFrames], views: Sequence[View]) -> list[str]:
    """What is to be known of pixels at full scale, at the worst position; of projections at some angles."""
    shares = {name: max(each.full_shares[name] for each in frames) for name in frames[0].full_shares}
    places = np.linspace(0, len(views) - 1, min(LOOKED_AT, len(views))).round().astype(int)
    shares["projections"] = max(
        each.full_share(row)
        for place in places
        for row, each in zip(views[place].rows, frames, strict=True)
        if row is not None
    )
    return saturation_warnings(shares, frames[0].full_scale)


def _settings(
    start: Mapping[str, Any],
    light: Light,
    reference: StillReference,
    frames: SpeckleFrames,
    choices: SpeckleChoices,
) -> PwfSettings:
    """Settings as the scan and a person say; what neither does is still to be found."""
    ratio = ratio_of(start, choices)
    return PwfSettings(
        optics=speckle_optics(start, light.lengths, reference.image.shape),
        beta_over_delta=UNKNOWN_RATIO if ratio is None else ratio,
        photons=light.photons,
        mode=mode_of(start, choices),
        reference_frames=reference.frames,
        flat_frames=frames.flat_frames,
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
        diffuser_phase=choices.diffuser_phase,
        mu=choices.mu,
    )


def _ratio_warnings(fit: RatioFit) -> list[str]:
    """What is to be known of a ratio that was found; nothing where it is to be trusted."""
    if fit.trusted:
        return []
    return [
        f"beta/delta {fit.ratio:.5f} +- {fit.sigma:.5f}, found from the images, is not to be trusted: "
        f"{'; '.join(fit.doubts)}; give --beta-over-delta, or take three positions and mode free"
    ]
