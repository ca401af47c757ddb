"""Where the axes must be at a photon energy, and which energy a position stands for."""

from dataclasses import dataclass

from xsn_acq.config.beamline import Beamline
from xsn_acq.config.microscope import Microscope
from xsn_acq.config.table import interpolated, reach_ev
from xsn_acq.optics import monochromator
from xsn_acq.units import MM, UM, wavelength_m

_HIGHEST_HARMONIC = 15


@dataclass(frozen=True)
class AtEnergy:
    """The instrument at one photon energy.

    ``zone_plate_x_um`` and ``zone_plate_y_um`` are None where the sideways run of the stage is not measured:
    they stay where they are.
    """

    energy_ev: float
    wavelength_m: float
    bragg_deg: float
    second_crystal_gap_mm: float
    harmonic: int
    undulator_gap_mm: float
    zone_plate_x_um: float | None
    zone_plate_y_um: float | None
    zone_plate_z_mm: float
    focal_length_m: float
    object_distance_m: float
    image_distance_m: float
    magnification: float
    numerical_aperture: float
    depth_of_focus_m: float


def at_energy(file: Beamline, energy_ev: float, detector_z_mm: float = 0.0) -> AtEnergy:
    """Where everything must be at an energy for which `energy_faults` finds nothing.

    Raises
    ------
    ValueError
        The crystals, the harmonic or the zone plate cannot give it.
    """
    bragg, f = bragg_deg(file, energy_ev), file.zone_plate.focal_length_m(energy_ev)
    distance = file.object_distance_m(energy_ev, detector_z_mm)
    sideways = file.calibration.zone_plate_place_um(energy_ev)
    true_bragg = bragg + bragg_offset_deg(file)
    return AtEnergy(
        energy_ev=energy_ev,
        wavelength_m=wavelength_m(energy_ev),
        bragg_deg=bragg,
        second_crystal_gap_mm=monochromator.second_crystal_gap_mm(
            true_bragg, file.monochromator.beam_offset_mm
        ),
        harmonic=file.undulator.harmonic,
        undulator_gap_mm=gap_mm(file, energy_ev),
        zone_plate_x_um=sideways[0] if sideways else None,
        zone_plate_y_um=sideways[1] if sideways else None,
        zone_plate_z_mm=file.zone_plate_z_mm(energy_ev, detector_z_mm),
        focal_length_m=f,
        object_distance_m=distance,
        image_distance_m=file.total_length_m(detector_z_mm) - distance,
        magnification=file.magnification(energy_ev, detector_z_mm),
        numerical_aperture=file.zone_plate.numerical_aperture(energy_ev),
        depth_of_focus_m=file.depth_of_focus_m(energy_ev),
    )


def energy_faults(file: Beamline, energy_ev: float, *, beyond_focus_table: bool = False) -> list[str]:
    """Every reason why the beamline file does not allow an energy, a line each.

    Parameters
    ----------
    file, energy_ev
    beyond_focus_table : bool
        Whether the focus need not be known: it is about to be measured there.
    """
    mono = file.monochromator
    if not mono.energy_low_ev <= energy_ev <= mono.energy_high_ev:
        wanted = f"{mono.energy_low_ev:g} to {mono.energy_high_ev:g} eV"
        return [f"energy: wanted {wanted}, found {energy_ev:.6g} eV; choose another"]
    faults = _gap_faults(file, energy_ev)
    reach = file.calibration.focus_reach_ev()
    if reach is not None and not beyond_focus_table and not reach[0] <= energy_ev <= reach[1]:
        faults.append(
            f"focus table: wanted {reach[0]:g} to {reach[1]:g} eV, found {energy_ev:.6g} eV, where nobody "
            "knows the focus; run focus_scan there"
        )
    return faults


def _gap_faults(file: Beamline, energy_ev: float) -> list[str]:
    source = file.undulator
    fitting = [n for n in range(1, _HIGHEST_HARMONIC + 1, 2) if _gap_fits(file, energy_ev, n)]
    if source.harmonic in fitting:
        return []
    others = f"harmonic {', '.join(map(str, fitting))} has it" if fitting else "no other has it"
    return [
        f"undulator: harmonic {source.harmonic}: wanted a gap of {source.gap_low_mm:g} to "
        f"{source.gap_high_mm:g} mm, found none for {energy_ev:.6g} eV; {others}"
    ]


def _gap_fits(file: Beamline, energy_ev: float, harmonic: int) -> bool:
    source = file.undulator
    try:
        gap = source.gap_mm(energy_ev, harmonic, file.ring.energy_gev)
    except ValueError:
        return False
    return source.gap_low_mm <= gap + _gap_offset_mm(file, energy_ev, harmonic) <= source.gap_high_mm


def bragg_offset_deg(file: Microscope) -> float:
    """True Bragg angle less its reading, as calibrated."""
    found = file.calibration.mono
    return 0.0 if found is None else found.bragg_offset_deg


def bragg_deg(file: Microscope, energy_ev: float) -> float:
    """Reading of the Bragg axis at an energy.

    Raises
    ------
    ValueError
        The crystals cannot reflect it.
    """
    true = monochromator.bragg_angle_deg(energy_ev, file.monochromator.d_spacing_angstrom)
    return true - bragg_offset_deg(file)


def energy_of_bragg_ev(file: Microscope, reading_deg: float) -> float:
    """Energy at a reading of the Bragg axis; the inverse of `bragg_deg`.

    Raises
    ------
    ValueError
        Nothing is reflected at that angle.
    """
    return monochromator.energy_ev(
        reading_deg + bragg_offset_deg(file), file.monochromator.d_spacing_angstrom
    )


def gap_mm(file: Beamline, energy_ev: float) -> float:
    """Undulator gap at an energy: formula, corrected by the gap table where that reaches.

    Raises
    ------
    ValueError
        No gap gives the harmonic that energy.
    """
    source = file.undulator
    nominal = source.gap_mm(energy_ev, source.harmonic, file.ring.energy_gev)
    return nominal + _gap_offset_mm(file, energy_ev, source.harmonic)


def energy_of_gap_ev(file: Beamline, gap: float) -> float:
    """Energy of the harmonic in use at a gap; the inverse of `gap_mm`."""
    source, energy = file.undulator, 0.0
    corrected = gap
    for _ in range(20):  # the correction changes by far less than the gap does
        before, energy = energy, source.energy_ev(corrected, source.harmonic, file.ring.energy_gev)
        if abs(energy - before) < 1e-6:
            break
        corrected = gap - _gap_offset_mm(file, energy, source.harmonic)
    return energy


def _gap_offset_mm(file: Beamline, energy_ev: float, harmonic: int) -> float:
    """Calibrated gap less the formula's; beyond the reach of the table that of its reach's end."""
    table = [entry for entry in file.calibration.gap if entry.harmonic == harmonic]
    if not table:
        return 0.0
    energies = [entry.energy_ev for entry in table]
    offsets = [
        entry.gap_mm - file.undulator.gap_mm(entry.energy_ev, harmonic, file.ring.energy_gev)
        for entry in table
    ]
    low, high = reach_ev(energies)
    return interpolated(energies, offsets, min(max(energy_ev, low), high))


def counts_share(file: Beamline, before_ev: float, after_ev: float) -> float:
    """Light expected at one energy over that at another, by the gap table; 1 without one.

    Beyond the table that of its ends.
    """
    harmonic = file.undulator.harmonic
    table = [
        entry
        for entry in file.calibration.gap
        if entry.harmonic == harmonic and entry.counts_per_s_ma is not None
    ]
    if not table:
        return 1.0
    energies = [entry.energy_ev for entry in table]
    counts = [entry.counts_per_s_ma or 0.0 for entry in table]
    ends = (min(max(energy, energies[0]), energies[-1]) for energy in (before_ev, after_ev))
    before, after = (interpolated(energies, counts, energy) for energy in ends)
    return after / before


def energy_in_focus_ev(file: Beamline, zone_plate_z_mm: float, detector_z_mm: float = 0.0) -> float:
    """Energy at which the sample is in focus with the zone plate at a reading; the inverse of its focus.

    NaN where that is no energy of the monochromator's.
    """
    from scipy.optimize import brentq

    def off_mm(energy_ev: float) -> float:
        return file.zone_plate_z_mm(energy_ev, detector_z_mm) - zone_plate_z_mm

    ends = file.monochromator.energy_low_ev, file.monochromator.energy_high_ev
    if off_mm(ends[0]) * off_mm(ends[1]) > 0:
        return float("nan")
    return float(brentq(off_mm, *ends, xtol=1e-6))


def clearance_mm(file: Beamline, zone_plate_z_mm: float, sample_z_um: float) -> float:
    """Distance from the zone plate to the nearer of sample and pinhole; 0 or less: they touch."""
    from_plane = zone_plate_z_mm - file.zone_plate.z_at_contact_mm
    nearest = max(sample_z_um * UM / MM, file.geometry.pinhole_z_mm)
    return from_plane - nearest
