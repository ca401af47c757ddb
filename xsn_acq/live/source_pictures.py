"""Pictures of the calibrations of undulator and monochromator."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from xsn_acq.analysis.calibration.gap import GapPeak
from xsn_acq.analysis.xanes import EdgeEnergy
from xsn_acq.optics.arrays import FloatArray

Draw = Callable[[Figure], None]
GapScan = tuple[str, FloatArray, FloatArray, GapPeak]
_BLUE, _GREY, _RED = "#1f4e79", "#8a8a8a", "#b03a2e"
_SMOOTH = 400


def gap_peaks(scans: Sequence[GapScan]) -> Draw:
    """Draw light over gap of each scan (name, gaps, light, peak), with the line fitted to its top."""

    def draw(figure: Figure) -> None:
        columns = min(3, len(scans))
        rows = -(-len(scans) // columns)
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat[len(scans) :]:
            ax.remove()
        for ax, (name, gap, light, peak) in zip(axes.flat, scans, strict=False):
            fine = np.linspace(gap.min(), gap.max(), _SMOOTH)
            ax.plot(gap, light, ".", color=_GREY)
            ax.plot(fine, peak.curve(fine), color=_BLUE, linewidth=0.9)
            ax.axvline(peak.gap_mm, color=_RED, linewidth=0.8)
            ax.set_title(f"{name}: {peak.gap_mm:.4f} mm", fontsize=9)
            ax.set(xlabel="gap (mm)", ylabel="counts / (s mA)")
            ax.grid(alpha=0.3)

    return draw


def edge_spectrum(energy_ev: FloatArray, mu: FloatArray, seen: EdgeEnergy, tabulated_ev: float) -> Draw:
    """Draw the spectrum and its slope, where it is steepest, and where the tables have the edge."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot(energy_ev, mu, ".-", color=_BLUE, linewidth=0.8)
        below.plot(energy_ev, np.gradient(mu, energy_ev), ".-", color=_BLUE, linewidth=0.8)
        for ax in (above, below):
            ax.axvline(seen.energy_ev, color=_RED, label=f"seen, {seen.energy_ev:.2f} eV")
            ax.axvline(tabulated_ev, color=_GREY, label=f"tabulated, {tabulated_ev:.1f} eV")
            ax.grid(alpha=0.3)
        above.set(ylabel="absorbance")
        above.legend(fontsize=8)
        below.set(xlabel="energy as believed in the scan (eV)", ylabel="slope (1/eV)")

    return draw
