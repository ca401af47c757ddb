"""The aligned microscope."""

from xsn_acq.config import Beamline
from xsn_acq.optics.monochromator import bragg_angle_deg, second_crystal_gap_mm
from xsn_acq.optics.undulator import gap_mm
from xsn_acq.sim.state import BeamState
from xsn_acq.sim.truth import Truth


def nominal_state(beamline: Beamline, energy_ev: float = 8300.0, truth: Truth | None = None) -> BeamState:
    """All in place at an energy: beam on the sample, in focus, cutoff edge at the centre of the pupil.

    The front end is open and the beamline's own shutter shut, as between two scans.

    Parameters
    ----------
    beamline : Beamline
    energy_ev : float
        Photon energy.
    truth : Truth, optional
        Where the best second-crystal pitch is looked up.

    Raises
    ------
    ValueError
        The undulator harmonic or the monochromator cannot give that energy.
    """
    mono, undulator, geometry = beamline.monochromator, beamline.undulator, beamline.geometry
    bragg = bragg_angle_deg(energy_ev, mono.d_spacing_angstrom)
    gap = gap_mm(
        energy_ev,
        undulator.harmonic,
        period_mm=undulator.period_mm,
        peak_field_t=undulator.peak_field_t,
        decay=undulator.field_decay,
        ring_energy_gev=beamline.ring.energy_gev,
    )
    return BeamState(
        ring_current_ma=beamline.ring.nominal_current_ma,
        gap_mm=gap,
        harmonic=undulator.harmonic,
        bragg_deg=bragg,
        second_crystal_gap_mm=second_crystal_gap_mm(bragg, mono.beam_offset_mm),
        pitch_urad=(truth or Truth()).pitch_optimum_urad,
        feedback_on=True,
        condenser_x_um=0.0,
        condenser_y_um=0.0,
        diffuser_x_mm=0.0,
        diffuser_rotating=True,
        pinhole_x_um=0.0,
        pinhole_y_um=0.0,
        zone_plate_x_um=0.0,
        zone_plate_y_um=0.0,
        zone_plate_z_mm=beamline.nominal_zone_plate_z_mm(energy_ev),
        cutoff_x_um=geometry.cutoff_x_zero_um,
        cutoff_z_mm=geometry.cutoff_z_pupil_mm,
        sample_x_um=geometry.sample_x_centre_um,
        sample_y_um=0.0,
        sample_z_um=0.0,
        theta_start_deg=0.0,
        theta_end_deg=0.0,
        detector_z_mm=0.0,
        front_end_open=True,
        shutter_open=False,
        time_s=0.0,
    )
