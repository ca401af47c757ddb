"""``xsn-acq chemistry``: Ni and Co + Mn from two tomograms on both sides of the Ni edge."""

import argparse
from pathlib import Path
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "chemistry", help="map the densities of Ni and of Co + Mn from tomograms before and after the Ni edge"
    )
    for name in ("before", "after"):
        parser.add_argument(
            name, help="run as 'last' or the first characters of its uid, or a reconstruction.h5"
        )
    options.add_data(parser)
    parser.add_argument("--output", type=Path, help="folder to write to (default: that of BEFORE)")
    _add_assumptions(parser)
    parser.add_argument(
        "--smooth",
        type=options.positive,
        metavar="NM",
        help="smooth the maps over so many nm (the profile not)",
    )
    parser.add_argument(
        "--shell",
        type=options.positive,
        metavar="NM",
        help="thickness of a shell (default: 2 voxels, more in large volumes)",
    )
    parser.add_argument(
        "--centre",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="profile about this point, um from the volume's centre (default: by depth below the surface)",
    )
    parser.set_defaults(run=run)


def _add_assumptions(parser: argparse.ArgumentParser) -> None:
    """What is taken for granted of the sample and the references."""
    parser.add_argument(
        "--others",
        type=_atoms,
        metavar="Co=3,Mn=2",
        help="atoms of the metals beside Ni (default: Co and Mn with equal shares of the absorption)",
    )
    parser.add_argument(
        "--host",
        type=_atoms,
        default={"Li": 1.0, "O": 2.0},
        metavar="Li=1,O=2",
        help="what comes with each atom of metal, 'none' to leave it out (default: Li=1,O=2)",
    )
    parser.add_argument(
        "--with-delta", action="store_true", help="use delta too: less noise, needs the right host"
    )
    parser.add_argument(
        "--nickel-beta",
        type=options.positive,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="beta of nickel metal at both energies (default: tables; the paper's: 4.5e-7 3.4e-6)",
    )


def _atoms(text: str) -> dict[str, float]:
    """Elements and atoms, for argparse."""
    if text == "none":
        return {}
    try:
        parts = dict(part.split("=", 1) for part in text.split(","))
        return {element.strip(): options.positive(number) for element, number in parts.items()}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"wanted atoms as Co=3,Mn=2, found {text!r}") from error


def run(args: argparse.Namespace) -> int:
    """Write maps and picture, print the profile and where they are."""
    from tqdm import tqdm

    from xsn_acq.cli.volumes import volume_path
    from xsn_acq.live.chemistry import FILE_NAME, shells_in_words, write_chemistry
    from xsn_acq.live.chemistry_picture import draw_chemistry

    before, after = (volume_path(args.data, each) for each in (args.before, args.after))
    folder = args.output or before.parent
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAME
    with tqdm(unit="row", desc="densities", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        write_chemistry(before, after, path, _settings(args), progress=progress)
    print("\n".join(shells_in_words(path)))
    print(path)
    print(draw_chemistry(path, path.with_suffix(".png")))
    return 0


def _settings(args: argparse.Namespace) -> Any:
    from xsn_acq.live.chemistry import ChemistrySettings
    from xsn_acq.units import NM, UM

    centre = None if args.centre is None else tuple(args.centre[i] * UM for i in (1, 2, 0))
    return ChemistrySettings(
        others=args.others,
        host=args.host,
        with_delta=args.with_delta,
        nickel_beta=tuple(args.nickel_beta) if args.nickel_beta else None,
        smooth_m=(args.smooth or 0.0) * NM,
        shell_m=(args.shell or 0.0) * NM,
        centre_m=centre,
    )
