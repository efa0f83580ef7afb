"""How figures look: one style, or that of an experiment, and one set of colours.

Figures are built without pyplot, so none stays open, and drawn with a style in force: use `drawing`
around building and saving. Colours are Okabe and Ito's, told apart by colour-blind eyes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import mplhep

from calogan.errors import CaloganError, nearest

INK = "#0b0b0c"
"""Axes, text and reference; the report turns exactly this colour into the page's text colour."""
GENERATED = "#D55E00"
OTHERS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
REFERENCE_NAME, GENERATED_NAME = "Geant4", "generated"
STYLE: dict[str, Any] = {
    **{
        key: value
        for key, value in mplhep.style.ROOT.items()
        if key.startswith(("xtick", "ytick")) and "labelsize" not in key and "pad" not in key
    },
    # mplhep brings the first; the second has what that lacks.
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.major.size": 5.0,
    "ytick.major.size": 5.0,
    "xtick.minor.size": 2.5,
    "ytick.minor.size": 2.5,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
    "axes.formatter.limits": (-5, 6),
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.transparent": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "path",
    # Without a salt, the ids inside differ from one drawing to the next.
    "svg.hashsalt": "calogan",
}


@contextmanager
def drawing(experiment: str | None = None) -> Iterator[None]:
    """Matplotlib with `STYLE`, or with a style of mplhep's, left as it was afterwards.

    experiment : a name in `mplhep.style`: "ATLAS", "CMS", "LHCb2", ...; another one raises
        CaloganError
    """
    with matplotlib.style.context(["default", STYLE if experiment is None else _of(experiment)]):
        yield


def _of(experiment: str) -> dict[str, Any]:
    styles = {name: s for name, s in vars(mplhep.style).items() if isinstance(s, dict)}
    known = [name for name in styles if name.isalnum() and name[0].isupper()]
    if experiment not in known:
        raise CaloganError(
            f"mplhep has no style '{experiment}'; nearest: {nearest(experiment, known)}; "
            f"all: {sorted(known)}"
        )
    # As above: without a salt, the ids inside differ from one drawing to the next.
    return {**styles[experiment], "svg.hashsalt": STYLE["svg.hashsalt"]}
