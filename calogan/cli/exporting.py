"""The command `export`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from calogan.cli.shared import app, import_tensorflow_quietly, out, parse_settings
from calogan.errors import CaloganError


class Profile(str, Enum):
    """Whom a generator is exported for."""

    native = "native"
    par04 = "par04"
    fastcalosim = "fastcalosim"
    onnx = "onnx"


class Inputs(str, Enum):
    """Whose inputs an ONNX file has."""

    separate = "separate"
    par04 = "par04"


class Network(str, Enum):
    """Formats of FastCaloSim's networks."""

    lwtnn = "lwtnn"
    onnx = "onnx"


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="Run directory or exported native JSON.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; for fastcalosim a folder.")
    ],
    profile: Annotated[Profile, typer.Option("--profile", help="For whom.")] = Profile.native,
    digits: Annotated[
        int | None,
        typer.Option(
            "--digits",
            min=2,
            max=9,
            help="native, from a run: significant digits of the weights; all if not given.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: fix a condition, in its own unit."),
    ] = None,
    e_max: Annotated[
        float | None,
        typer.Option("--e-max", help="par04: GeV, what Par04 divides the energy by; else 1024."),
    ] = None,
    inputs: Annotated[
        Inputs | None,
        typer.Option("--inputs", help="onnx: latents and conditions apart, or one tensor."),
    ] = None,
    pid: Annotated[
        int | None, typer.Option("--pid", help="fastcalosim: 22, 11, 211 or 2212.")
    ] = None,
    eta: Annotated[
        int | None,
        typer.Option("--eta", help="fastcalosim: where the slot begins in |eta|, in hundredths."),
    ] = None,
    samplings: Annotated[
        str | None,
        typer.Option(
            "--samplings", help="fastcalosim: layers' numbers, if not in their names: 0,1,2,3,12."
        ),
    ] = None,
    network: Annotated[
        Network | None, typer.Option("--network", help="fastcalosim: lwtnn if not given.")
    ] = None,
) -> None:
    """Write a generator for the program that is to run it.

    native: lwtnn JSON with a `calogan` block, for the C++ runner. par04: lwtnn JSON for the Geant4
    example Par04. onnx: an ONNX file. fastcalosim: the folder that FastCaloSim loads GANs from.
    What to set in these programs is printed.

    Examples:

      calogan export build/run -o generator.json

      calogan export generator.json --profile par04 -o par04.json

      calogan export generator.json --profile onnx --inputs par04 -o par04.onnx

      calogan export build/run --profile fastcalosim --pid 22 --eta 20 -o gans
    """
    from calogan.exporting import profiles

    of_profile = {
        "--digits": (digits, "native"),
        "--set": (settings, "par04 fastcalosim onnx"),
        "--e-max": (e_max, "par04 onnx"),
        "--inputs": (inputs, "onnx"),
        "--pid": (pid, "fastcalosim"),
        "--eta": (eta, "fastcalosim"),
        "--samplings": (samplings, "fastcalosim"),
        "--network": (network, "fastcalosim"),
    }
    for option, (given, known) in of_profile.items():
        if given is not None and profile.value not in known.split():
            raise CaloganError(
                f"{option} means nothing to the profile {profile.value}, only to "
                f"{' and '.join(known.split())}; leave it out"
            )
    if e_max is not None and profile is Profile.onnx and inputs is not Inputs.par04:
        raise CaloganError("--e-max means nothing to separate inputs; leave it out")
    if source.is_dir():  # a JSON needs no TensorFlow
        import_tensorflow_quietly()
    fixed = parse_settings(settings or [])
    divisor = profiles.E_MAX if e_max is None else e_max
    if profile is Profile.par04:
        made = profiles.export_par04(source, output, e_max=divisor, fixed=fixed)
    elif profile is Profile.onnx:
        one = inputs is Inputs.par04
        made = profiles.export_onnx(
            source, output, inputs="par04" if one else "separate", e_max=divisor, fixed=fixed
        )
    elif profile is Profile.fastcalosim:
        if pid is None or eta is None:
            raise CaloganError(
                "the profile fastcalosim needs --pid and --eta, as in --pid 22 --eta 20"
            )
        made = profiles.export_fastcalosim(
            source,
            output,
            pid=pid,
            eta=eta,
            network="onnx" if network is Network.onnx else "lwtnn",
            samplings=None if samplings is None else _whole_numbers(samplings),
            fixed=fixed,
        )
    else:
        made = profiles.export_native(source, output, digits=digits)
    ranges = ", ".join(f"{c.name} {c.span}" for c in made.model.conditions)
    about = f"{made.model.latent_size} latents, {ranges}"
    files = [f"{file}: {file.stat().st_size / 1e6:.1f} MB, {about}" for file in made.files]
    for line in (*files, *made.settings, *made.remarks):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _whole_numbers(text: str) -> list[int]:
    """Read 0,1,2,3,12."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise CaloganError(
            f"--samplings {text}: expected whole numbers, as in --samplings 0,1,2,3,12"
        ) from error
