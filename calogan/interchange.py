"""Showers in the forms of other libraries: awkward arrays of hits, Arrow and pandas tables::

    import vector
    from calogan import Generator, interchange

    generator = Generator.load("generator.json")
    photons = vector.zip({"pt": pt, "eta": eta, "phi": phi, "mass": 0})  # GeV, jagged
    showers = interchange.from_momenta(generator, photons, seed=1)
    energies = ak.sum(showers.hits.energy, axis=-1)  # MeV, one for each photon

A hit is a cell with energy: `energy` (MeV), the cell's centre `x`, `y`, `z` (mm, in the generator's
frame; z is NaN where the geometry gives no depth, a ring's centre is on the axis), `layer` and
`voxel`, its number in the geometry's order. Beside its hits a shower has its conditions, and its
`weight` if it has one; in awkward arrays and Arrow tables also the voxels that are `dead` in it, if
there are such. Labels are numbers, their names are kept beside the units. Provenance and energy
outside the cells stay behind. `calogan.plots` gives histograms, as `hist` objects.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calogan.conditions import AnyCondition, Condition, condition_from_dict, labels_of
from calogan.errors import CaloganError
from calogan.geometry import Geometry
from calogan.reading.voxelize import Hits, voxelize
from calogan.showers import Showers
from calogan.units import ANGLE_UNITS

if TYPE_CHECKING:
    import awkward as ak

__all__ = [
    "from_arrow",
    "from_awkward",
    "from_momenta",
    "from_pandas",
    "to_arrow",
    "to_awkward",
    "to_pandas",
]

UNITS = {"energy": "MeV", "x": "mm", "y": "mm", "z": "mm", "layer": "", "voxel": ""}
"""Of a hit's fields."""
PLACES = ({"voxel"}, {"x", "y", "layer"}, {"x", "y", "z"})
"""What of a hit may say where it is; the first that is there is taken."""


class Sampler(Protocol):
    """`calogan.Generator` or `calogan.runner.Generator`."""

    @property
    def geometry(self) -> Geometry: ...

    @property
    def conditions(self) -> tuple[AnyCondition, ...]: ...

    def sample(self, conditions: Mapping[str, ArrayLike], seed: int) -> Showers: ...


def to_awkward(showers: Showers) -> ak.Array:
    """One record a shower: its conditions, and `hits`, as many as it has cells with energy.

    Units are parameters of the fields: ``ak.parameters(ak.flatten(array.hits.energy))["unit"]``.
    """
    import awkward as ak

    counts, hits = _hits(showers)
    parts = {name: ak.with_parameter(values, "unit", UNITS[name]) for name, values in hits.items()}
    events = {
        name: ak.with_parameter(values, "unit", unit)
        for name, (values, unit) in _columns(showers).items()
    }
    for name, label in showers.labels.items():
        events[name] = ak.with_parameter(events[name], "label", label.to_dict())
    if (dead := _dead(showers)) is not None:
        events["dead"] = ak.unflatten(dead[1], dead[0])
    return ak.zip({**events, "hits": ak.unflatten(ak.zip(parts), counts)}, depth_limit=1)


def from_awkward(events: ak.Array, geometry: Geometry) -> Showers:
    """Showers of records as `to_awkward` makes them, or of any hits.

    Parameters
    ----------
    events : (n,) records: `hits` (jagged) of `energy`, MeV, with `voxel`, or with `x`, `y`, mm, and
        `layer` (from 0) or `z`, mm; `weight`, and `dead` (jagged, voxels), if there are such; all
        other fields are conditions, `energy` (GeV) among them
    geometry : whose cells the hits are summed in; those beside them are in `overflow`

    Raises
    ------
    CaloganError : a field is missing, in another unit, has missing values, or numbers that are not
        finite
    """
    import awkward as ak

    if "hits" not in ak.fields(events):
        raise CaloganError(f"events have fields {ak.fields(events)}, expected 'hits' among them")
    hits = events["hits"]
    flat = ak.flatten(hits, axis=1)
    at = _place(ak.fields(flat))
    fields = {name: _numbers(flat[name], f"hits.{name}") for name in ("energy", *sorted(at))}
    nowhere = int((fields["voxel"] < 0).sum()) if "voxel" in fields else 0
    if nowhere:
        raise CaloganError(
            f"hits.voxel is below 0 for {nowhere} hits, expected 0 to {geometry.n_voxels - 1}; "
            "leave these out, or give 'x', 'y' and 'layer' or 'z' in place of 'voxel'"
        )
    for name in fields:
        unit = ak.parameters(flat[name]).get("unit", UNITS[name])
        if unit != UNITS[name]:
            raise CaloganError(f"hits.{name} is in {unit}, expected {UNITS[name]}")
    names = [name for name in ak.fields(events) if name not in ("hits", "dead")]
    columns = {name: _numbers(events[name], name).astype(np.float32) for name in names}
    units = {name: ak.parameters(events[name]).get("unit", "") for name in names}
    if units.get("energy", "") not in ("", "GeV"):
        raise CaloganError(f"condition 'energy' is in {units['energy']}, expected GeV")
    weights = columns.pop("weight", None)
    described = {name: ak.parameters(events[name]).get("label") for name in columns}
    labels = labels_of([condition_from_dict(fields) for fields in described.values() if fields])
    counts = _numbers(ak.num(hits, axis=1), "number of hits")
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    energy = fields.pop("energy")
    placed = Hits(
        offsets,
        energy,
        "cells" if "voxel" in fields else "xyz",
        fields,
        (geometry.n_voxels, 0) if "voxel" in fields else None,
    )
    voxels = voxelize(placed, geometry)
    known = {name: unit for name, unit in units.items() if unit and name in columns}
    overflow = None if "voxel" in fields else voxels.overflow
    return Showers(
        voxels.energies, columns, geometry, overflow, weights=weights, units=known,
        dead=_dead_from(events, geometry), labels=labels,
    )  # fmt: skip


def to_arrow(showers: Showers) -> Any:
    """A pyarrow.Table with a row for each shower, its `hits` a list; fields' metadata have units.

    A label's metadata have its values and names. Parquet keeps all of it. Raises CaloganError where
    pyarrow is not installed.
    """
    pa = _imported("pyarrow")

    def field(name: str, values: NDArray[Any], unit: str) -> Any:
        kind = pa.from_numpy_dtype(values.dtype)
        metadata = {"unit": unit}
        if name in showers.labels:
            metadata["label"] = json.dumps(showers.labels[name].to_dict())
        return pa.field(name, kind, nullable=False, metadata=metadata)

    counts, hits = _hits(showers)
    inside = [field(name, values, UNITS[name]) for name, values in hits.items()]
    columns = _columns(showers)
    outside = [field(name, values, unit) for name, (values, unit) in columns.items()]
    arrays = [pa.array(values) for values, _ in columns.values()]
    if (dead := _dead(showers)) is not None:
        of_dead = pa.large_list(pa.field("item", pa.int32(), nullable=False))
        outside.append(pa.field("dead", of_dead, nullable=False))
        ends = pa.array(np.concatenate([[0], np.cumsum(dead[0], dtype=np.int64)]))
        arrays.append(pa.LargeListArray.from_arrays(ends, pa.array(dead[1]), type=of_dead))
    kind = pa.large_list(pa.field("item", pa.struct(inside), nullable=False))
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    records = pa.StructArray.from_arrays([pa.array(v) for v in hits.values()], fields=inside)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), records, type=kind)
    return pa.table(
        [*arrays, lists], schema=pa.schema([*outside, pa.field("hits", kind, nullable=False)])
    )


def from_arrow(table: Any, geometry: Geometry) -> Showers:
    """Showers of a pyarrow.Table as `to_arrow` makes it; arguments and errors as `from_awkward`."""
    import awkward as ak

    units = {
        field.name: field.metadata[b"unit"].decode()
        for field in table.schema
        if field.metadata and field.metadata.get(b"unit")
    }
    found = from_awkward(ak.from_arrow(table), geometry)
    labels = [
        condition_from_dict(json.loads(field.metadata[b"label"]))
        for field in table.schema
        if field.metadata and b"label" in field.metadata
    ]
    return replace(
        found,
        units={n: unit for n, unit in units.items() if n in found.conditions},
        labels=labels_of(labels),
    )


def to_pandas(showers: Showers) -> Any:
    """A pandas.DataFrame with a row for each hit, beside it the conditions of its shower.

    The index counts showers and hits from 0, ("event", "hit"); `attrs["units"]` has the units,
    `attrs["labels"]` the values and names of labels. Of conditions and hits' fields of one name, as
    `energy`, the hit's is called `hit_energy`. Showers without a hit have no row, and which cells
    are dead stays behind. Raises CaloganError where pandas is not installed.
    """
    pd = _imported("pandas")
    counts, hits = _hits(showers)
    events = np.repeat(np.arange(len(showers)), counts)
    first = np.cumsum(counts) - counts
    columns, units = {}, {}
    for name, (values, unit) in _columns(showers).items():
        columns[name], units[name] = values[events], unit
    for name, values in hits.items():
        own = f"hit_{name}" if name in columns else name
        columns[own], units[own] = values, UNITS[name]
    index = [events, np.arange(len(events)) - np.repeat(first, counts)]
    table = pd.DataFrame(columns, pd.MultiIndex.from_arrays(index, names=["event", "hit"]))
    table.attrs["units"] = units
    table.attrs["labels"] = {name: label.to_dict() for name, label in showers.labels.items()}
    return table


def from_pandas(table: Any, geometry: Geometry) -> Showers:
    """Showers of a pandas.DataFrame as `to_pandas` makes it, one for each event that has a row.

    Errors as of `from_awkward`, and for an event whose rows have different conditions.
    """
    import awkward as ak

    if "event" not in table.index.names:
        raise CaloganError(
            f"the table's index has levels {list(table.index.names)}, expected 'event' among them"
        )
    table = table.sort_index(level="event", kind="stable")
    events = table.index.get_level_values("event").to_numpy()
    first = np.flatnonzero(np.diff(events, prepend=events[:1] - 1))
    counts = np.diff(first, append=len(events))
    units = table.attrs.get("units", {})
    hits, columns = {}, {}
    for name in table.columns:
        values = table[name].to_numpy()
        own = name.removeprefix("hit_")
        if own in UNITS and (own != name or f"hit_{name}" not in table.columns):
            hits[own] = ak.with_parameter(values, "unit", units.get(name, UNITS[own]))
            continue
        if (np.repeat(values[first], counts) != values).any():
            raise CaloganError(f"'{name}' differs within an event, expected one value for each")
        columns[name] = ak.with_parameter(values[first], "unit", units.get(name, ""))
    if not hits:
        raise CaloganError(f"the table has columns {[*table.columns]}, none of them of hits")
    for name, label in table.attrs.get("labels", {}).items():
        if name in columns:
            columns[name] = ak.with_parameter(columns[name], "label", label)
    grouped = ak.unflatten(ak.zip(hits), counts)
    return from_awkward(ak.zip({**columns, "hits": grouped}, depth_limit=1), geometry)


def from_momenta(
    generator: Sampler,
    momenta: Any,
    seed: int,
    *,
    mass: float = 0.0,
    conditions: Mapping[str, ArrayLike] | None = None,
) -> ak.Array:
    """Hits of one shower for each momentum, as `to_awkward` has them, in the momenta's structure.

    Energy is the kinetic one, theta and phi the direction's polar and azimuthal angle, eta its
    pseudorapidity, all in the generator's frame and units; those of them are taken that the
    generator knows, phi on the turn that it was trained on.

    Parameters
    ----------
    momenta : what has `px`, `py`, `pz` in GeV: of the library vector, or records with these fields;
        one, (n,), or (n, variable), such as the photons of each event
    seed : the same seed gives the same showers
    mass : of the particle, GeV; 0 for photons and, in effect, electrons
    conditions : any others, one value or one for each momentum in order, labels by value or name;
        they go first

    Raises
    ------
    CaloganError : a condition is missing, outside the trained range or in another unit, momenta
        have no `px`, `py`, `pz`, or more than two dimensions
    """
    import awkward as ak

    try:
        values = [getattr(momenta, name) for name in ("px", "py", "pz")]
    except AttributeError as error:
        raise CaloganError(
            f"momenta are {type(momenta).__name__}, without px, py, pz; expected an array of the "
            "library vector, or records with these fields"
        ) from error
    parts = [ak.Array([v] if np.isscalar(v) else v) for v in values]
    jagged = parts[0].ndim == 2
    if parts[0].ndim > 2:
        raise CaloganError(f"momenta have {parts[0].ndim} dimensions, expected one or two")
    counts = ak.num(parts[0], axis=1) if jagged else None
    flat = [ak.flatten(part, axis=1) if jagged else part for part in parts]
    px, py, pz = (_numbers(part, "momentum").astype(np.float64) for part in flat)
    transverse = np.hypot(px, py)
    squared = transverse**2 + pz**2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "energy": squared / (np.sqrt(squared + mass**2) + mass),
            "theta": np.arctan2(transverse, pz),
            "phi": np.arctan2(py, px),
            "eta": np.arcsinh(pz / transverse),
        }
    given = conditions or {}
    asked = {
        c.name: _in_unit(c, found[c.name])
        for c in generator.conditions
        if isinstance(c, Condition) and c.name in found and c.name not in given
    }
    showers = _sample(generator, {**asked, **given}, len(px), seed)
    made = to_awkward(showers)
    return made if counts is None else ak.unflatten(made, counts)


def _in_unit(condition: Condition, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a momentum, angles from rad to the unit of the condition, phi on its turn."""
    if condition.name not in ("theta", "phi"):
        return values
    if condition.unit not in ANGLE_UNITS:
        raise CaloganError(
            f"the generator takes {condition.name} in '{condition.unit}', expected "
            f"{' or '.join(map(repr, ANGLE_UNITS))}; give its values by `conditions`"
        )
    unit = ANGLE_UNITS[condition.unit]
    found = values / unit
    if condition.name == "phi":
        middle, turn = 0.5 * (condition.low + condition.high), 2 * np.pi / unit
        found = middle + np.remainder(found - middle + 0.5 * turn, turn) - 0.5 * turn
    return found


def _sample(generator: Sampler, conditions: Mapping[str, ArrayLike], n: int, seed: int) -> Showers:
    if n:
        return generator.sample(conditions, seed)
    nothing = np.zeros((0, generator.geometry.n_voxels), np.float32)
    return Showers(
        nothing,
        {c.name: nothing[:, 0] for c in generator.conditions},
        generator.geometry,
        units={c.name: c.unit for c in generator.conditions},
        labels=labels_of(generator.conditions),
    )


def _columns(showers: Showers) -> dict[str, tuple[NDArray[Any], str]]:
    """What a shower has beside its hits: name to values (n,) and unit."""
    found = {name: (values, showers.unit(name)) for name, values in showers.conditions.items()}
    if taken := found.keys() & {"hits", "weight", "dead"}:
        raise CaloganError(f"a condition is called '{taken.pop()}', which means something else")
    if showers.weights is not None:
        found["weight"] = (showers.weights, "")
    return found


def _dead(showers: Showers) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
    """Number of dead cells of each shower, (n,), and all their voxels; None if none are known."""
    if showers.dead is None:
        return None
    rows, voxels = np.nonzero(showers.dead)
    return np.bincount(rows, minlength=len(showers)), voxels.astype(np.int32)


def _dead_from(events: ak.Array, geometry: Geometry) -> NDArray[np.bool_] | None:
    """The cells that records call dead, (n, n_voxels); None if they do not say."""
    import awkward as ak

    if "dead" not in ak.fields(events):
        return None
    voxels = _numbers(ak.flatten(events["dead"], axis=1), "dead")
    if voxels.size and not 0 <= voxels.min() <= voxels.max() < geometry.n_voxels:
        raise CaloganError(
            f"dead has voxels {voxels.min()} to {voxels.max()}, geometry '{geometry.name}' has 0 "
            f"to {geometry.n_voxels - 1}"
        )
    dead = np.zeros((len(events), geometry.n_voxels), np.bool_)
    dead[np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["dead"]))), voxels] = True
    return dead


def _hits(showers: Showers) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Number of hits of each shower, (n,), and the fields of all hits, (n_hits,) each."""
    geometry = showers.geometry
    rows, voxels = np.nonzero(showers.energies)
    x, y, z = geometry.centres[voxels].astype(np.float32).T
    return np.bincount(rows, minlength=len(showers)), {
        "energy": showers.energies[rows, voxels],
        "x": x,
        "y": y,
        "z": z,
        "layer": geometry.layer_index[voxels].astype(np.int32),
        "voxel": voxels.astype(np.int32),
    }


def _place(names: Sequence[str]) -> set[str]:
    """The fields that say where hits are."""
    for place in PLACES:
        if {"energy", *place} <= set(names):
            return place
    raise CaloganError(
        f"hits have fields {list(names)}, expected 'energy' with 'voxel', or with 'x', 'y' and "
        "'layer' or 'z'"
    )


def _numbers(values: ak.Array, what: str) -> NDArray[Any]:
    """As a flat array of finite numbers."""
    import awkward as ak

    wrong = CaloganError(f"{what} is of type {values.type}, expected a number for each")
    try:
        found: NDArray[Any] = np.asarray(ak.to_numpy(values, allow_missing=False))
    except (ValueError, TypeError) as error:
        raise wrong from error
    whole = what in ("hits.voxel", "hits.layer", "dead")
    if found.ndim != 1 or found.dtype.kind not in ("iu" if whole else "iuf"):
        raise wrong
    finite = np.isfinite(found)
    if not finite.all():
        hint = "; give hits their 'voxel' or 'layer'" if what == "hits.z" else ""
        raise CaloganError(f"{what} has {int((~finite).sum())} values that are not finite{hint}")
    return found


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CaloganError(
            f"{name} is not installed, which this table needs: pip install 'calogan[tables]'"
        ) from error
