"""What is recorded of each point of an energy scan, and of each energy change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from xsn_acq.plans.energy_moves import GAP


@dataclass(frozen=True, slots=True)
class EnergyPoint:
    """Frames at one place: ``first_frame`` to ``first_frame + frames - 1`` of the stream ``stills``.

    ``point`` counts the places from 0; one that was interrupted comes again. ``kind`` is "flat" (sample out)
    or "projection". ``wanted_ev`` is the energy asked for, ``energy_ev`` that of the Bragg axis as read back
    with the frames taken, like all positions. ``ring_current_ma`` is the mean of before and after the frames,
    ``light`` the beam monitor's counts per second and mA after the energy change; ``ended`` is Unix seconds.
    ``flagged``: these frames may have been exposed without beam.
    """

    point: int
    kind: Literal["flat", "projection"]
    first_frame: int
    frames: int
    ended: float
    ring_current_ma: float
    wanted_ev: float
    energy_ev: float
    undulator_gap_mm: float
    zone_plate_x_um: float
    zone_plate_y_um: float
    zone_plate_z_mm: float
    cutoff_x_um: float
    sample_x_um: float
    theta_deg: float
    pixel_size_m: float
    light: float
    status: Literal["ok", "flagged"]


@dataclass(frozen=True, slots=True)
class EnergyChangeRow:
    """One energy change: what was decided, where the axes were then found, how long it took.

    ``overshot`` names the axes that came back from beyond their target, joined by "+". ``light_share``: light
    after over what was to be expected from before; NaN where that is not known.
    """

    from_ev: float
    to_ev: float
    harmonic: int
    bragg_deg: float
    second_crystal_gap_mm: float
    undulator_gap_mm: float
    zone_plate_z_mm: float
    magnification: float
    depth_of_focus_m: float
    bragg_found_deg: float
    undulator_gap_found_mm: float
    zone_plate_x_found_um: float
    zone_plate_y_found_um: float
    zone_plate_z_found_mm: float
    overshot: str
    light_share: float
    duration_s: float

    @classmethod
    def of(cls, change: Mapping[str, Any]) -> Self:
        """Row of what `xsn_acq.plans.energy_change.EnergyChanger.change` tells."""
        decided, found = change["decided"], change["found"]
        return cls(
            from_ev=change["from_ev"],
            to_ev=change["to_ev"],
            harmonic=decided["harmonic"],
            bragg_deg=decided["bragg_deg"],
            second_crystal_gap_mm=decided["second_crystal_gap_mm"],
            undulator_gap_mm=decided["undulator_gap_mm"],
            zone_plate_z_mm=decided["zone_plate_z_mm"],
            magnification=decided["magnification"],
            depth_of_focus_m=decided["depth_of_focus_m"],
            bragg_found_deg=found["bragg"],
            undulator_gap_found_mm=found[GAP],
            zone_plate_x_found_um=found["zone_plate_x"],
            zone_plate_y_found_um=found["zone_plate_y"],
            zone_plate_z_found_mm=found["zone_plate_z"],
            overshot="+".join(move["axis"] for move in change["moves"] if move["via"] is not None),
            light_share=change["light_share"],
            duration_s=change["duration_s"],
        )
