"""A synthetic XSN run whose images obey the schlieren model: documents and frame files of three spheres."""

from dataclasses import dataclass

from documents import SyntheticRun
from tomogram import Tomogram, measure

SHAPE = (16, 48)


@dataclass(frozen=True)
class XsnRun:
    """The run, and the frames and angles it was made from."""

    run: SyntheticRun
    tomogram: Tomogram


def xsn_run(pairs=6, *, shape=SHAPE, photons=5000.0, **options) -> XsnRun:
    """``2 * pairs`` projections over a full turn; ``options`` go to `SyntheticRun`.

    A frame taken again is the same image: what is tested is that it comes to the same place.
    """
    run = SyntheticRun(projections=2 * pairs, shape=shape, **options)
    tomogram = measure(pairs, shape=shape, photons=photons, start_deg=run.theta_mid_deg(0))
    settings = tomogram.settings
    run.acquisition = {
        "wavelength_m": settings.wavelength_m,
        "pixel_size_m": settings.pixel_size_m,
        "numerical_aperture": settings.aperture_per_m * settings.wavelength_m,
        "cutoff_per_m": settings.cutoff_per_m,
        "cutoff_passes": settings.passes,
        "axis_column": settings.axis_column,
        "knife_edge": {
            "frequency_per_m": settings.knife_edge.frequency_per_m.tolist(),
            "transmitted": settings.knife_edge.transmitted.tolist(),
        },
    } | run.acquisition
    run.dark = lambda index: tomogram.dark
    run.flat = run.flat or (lambda index: tomogram.flat)
    run.projection = run.projection or (lambda index, theta: frame_at(run, tomogram, theta))
    return XsnRun(run, tomogram)


def frame_at(run, tomogram, theta_mid_deg):
    """Image of the target whose mid-exposure angle this is."""
    return tomogram.frames[round((theta_mid_deg - run.theta_mid_deg(0)) / run.step_deg)]
