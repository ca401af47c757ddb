"""The plans by name: where each is found, what it costs, what forbids it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from xsn_acq.config import AnyBeamline
from xsn_acq.errors import ConfigError, LimitError
from xsn_acq.params.base import Params


@dataclass(frozen=True)
class PlanEntry:
    """Where a plan is found: its parameters, what it costs, what forbids it, itself, as ``module:name``.

    ``technique``: of the beamlines that have it. ``reconstructs``: its runs can be worked on while they go
    on. ``resumes``: it can go on with what earlier runs have. ``assesses``: its patterns are assessed as they
    come, and may be those of an earlier run.
    """

    parameters: str
    estimate: str
    infeasible: str
    plan: str
    reconstructs: bool = False
    resumes: bool = False
    technique: str = "xsn"
    assesses: bool = False


def _calibration(name: str, parameters: str) -> PlanEntry:
    return PlanEntry(
        parameters=f"xsn_acq.params.calibration:{parameters}",
        estimate="xsn_acq.plans.stills_checks:estimate_stills",
        infeasible="xsn_acq.plans.stills_checks:infeasible_stills",
        plan=f"xsn_acq.plans.calibrations:{name}",
    )


PLANS: Mapping[str, PlanEntry] = {
    "xsn_tomography": PlanEntry(
        parameters="xsn_acq.params.tomography:XsnTomography",
        estimate="xsn_acq.plans.estimate:estimate",
        infeasible="xsn_acq.plans.feasible:infeasible",
        plan="xsn_acq.plans.xsn_tomography:xsn_tomography",
        reconstructs=True,
    ),
    "hyperspectral_tomography": PlanEntry(
        parameters="xsn_acq.params.energy:HyperspectralTomography",
        estimate="xsn_acq.plans.hyperspectral_checks:estimate_hyperspectral",
        infeasible="xsn_acq.plans.hyperspectral_checks:infeasible_hyperspectral",
        plan="xsn_acq.plans.hyperspectral:hyperspectral_tomography",
        reconstructs=True,
        resumes=True,
    ),
    "change_energy": PlanEntry(
        parameters="xsn_acq.params.energy:ChangeEnergy",
        estimate="xsn_acq.plans.set_energy:estimate_energy",
        infeasible="xsn_acq.plans.set_energy:infeasible_energy",
        plan="xsn_acq.plans.set_energy:change_energy",
    ),
    "energy_scan": PlanEntry(
        parameters="xsn_acq.params.energy:EnergyScan",
        estimate="xsn_acq.plans.energy_checks:estimate_energy_scan",
        infeasible="xsn_acq.plans.energy_checks:infeasible_energy_scan",
        plan="xsn_acq.plans.energy_scan:energy_scan",
        reconstructs=True,
    ),
    "undulator_calibration": PlanEntry(
        parameters="xsn_acq.params.energy:UndulatorCalibration",
        estimate="xsn_acq.plans.gap_checks:estimate_undulator_calibration",
        infeasible="xsn_acq.plans.gap_checks:infeasible_undulator_calibration",
        plan="xsn_acq.plans.undulator_calibration:undulator_calibration",
    ),
    "mono_calibration": PlanEntry(
        parameters="xsn_acq.params.energy:MonoCalibration",
        estimate="xsn_acq.plans.energy_checks:estimate_energy_scan",
        infeasible="xsn_acq.plans.mono_calibration:infeasible_mono_calibration",
        plan="xsn_acq.plans.mono_calibration:mono_calibration",
    ),
    "knife_edge": _calibration("knife_edge", "KnifeEdgeScan"),
    "foucault_test": _calibration("foucault_test", "FoucaultTest"),
    "focus_scan": PlanEntry(
        parameters="xsn_acq.params.calibration:FocusScan",
        estimate="xsn_acq.plans.focus_energies:estimate_focus_scan",
        infeasible="xsn_acq.plans.focus_energies:infeasible_focus_scan",
        plan="xsn_acq.plans.calibrations:focus_scan",
    ),
    "find_rotation_axis": _calibration("find_rotation_axis", "FindRotationAxis"),
    "pixel_size": _calibration("pixel_size", "PixelSize"),
    "structured_illumination": PlanEntry(
        parameters="xsn_acq.params.structured:StructuredIllumination",
        estimate="xsn_acq.plans.structured_checks:estimate_structured",
        infeasible="xsn_acq.plans.structured_checks:infeasible_structured",
        plan="xsn_acq.plans.structured_illumination:structured_illumination",
        reconstructs=True,
        technique="nxsci",
        assesses=True,
    ),
    "speckle_tomography": PlanEntry(
        parameters="xsn_acq.params.speckle:SpeckleTomography",
        estimate="xsn_acq.plans.speckle_estimate:estimate_speckle",
        infeasible="xsn_acq.plans.speckle_checks:infeasible_speckle",
        plan="xsn_acq.plans.speckle_tomography:speckle_tomography",
        reconstructs=True,
        resumes=True,
        technique="pwf",
    ),
}
"""The plans by name."""


def load(reference: str) -> Any:
    """Import what ``module:name`` says."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def plan_parameters(plan_name: str, path: Path) -> Params:
    """Read the parameters of a plan from YAML.

    Raises
    ------
    ConfigError
        If there is no such plan, or for every fault of the file at once.
    """
    return load(plan_entry(plan_name).parameters).from_yaml(path)


def plan_summary(plan_name: str, file: AnyBeamline, params: Params, *, speed: float = 1.0) -> str:
    """Frames, time, dose and disk of a plan, in lines for a person; ``speed``: of a simulated clock."""
    return load(plan_entry(plan_name).estimate)(file, params).summary(speed=speed)


def refuse_infeasible(plan_name: str, file: AnyBeamline, params: Params) -> None:
    """Refuse what the beamline file alone forbids.

    Raises
    ------
    ConfigError
        It is the file of another technique.
    LimitError
        With every reason.
    """
    refuse_technique(plan_name, file)
    faults = load(plan_entry(plan_name).infeasible)(file, params)
    if faults:
        raise LimitError(plan_name, faults)


def refuse_technique(plan_name: str, file: AnyBeamline) -> None:
    """Refuse a plan that this beamline does not have.

    Raises
    ------
    ConfigError
        With those that it has.
    """
    wanted = plan_entry(plan_name).technique
    if wanted != file.technique:
        known = ", ".join(sorted(name for name, entry in PLANS.items() if entry.technique == file.technique))
        found = f"found {file.name} of {file.technique}; it has {known}"
        fault = f"wanted a beamline of technique {wanted}, {found}"
        raise ConfigError(f"plan {plan_name}", [fault])


def plan_entry(plan_name: str) -> PlanEntry:
    """Entry of a plan.

    Raises
    ------
    ConfigError
        There is no such plan.
    """
    if plan_name not in PLANS:
        raise ConfigError(f"plan {plan_name}", [f"no such plan; there are {', '.join(sorted(PLANS))}"])
    return PLANS[plan_name]
