"""CoverageJSON as rows: one for each cell of a coverage, with its coordinates and the values of its parameters. Pure.

x is the easting or longitude and y the northing or latitude, whatever order the CRS has its axes in: so all servers
have it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from ddtas.data.facts import geo
from ddtas.data.wire.documents import as_array, as_object

TIME = "time"
COORDINATES = (TIME, "x", "y", "z")
_LABELS = {"t": TIME, "x": "x", "y": "y", "z": "z"}
_MOST_CELLS = 50_000_000
# What servers of weather services name the place of a coverage by, besides the `id` of the specification.
_PLACES = ("eumetnet:locationId", "id")

Step = Mapping[str, Any]
"""Coordinates by their labels: one, or several where an axis is composite."""


@dataclass(frozen=True)
class Parameter:
    """The values of one parameter.

    Attributes:
        axes: their names, the slowest first.
        shape: steps of each axis.
        values: one for each cell, the last axis running fastest.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    values: Sequence[Any]


@dataclass(frozen=True)
class Coverage:
    """A coverage.

    Attributes:
        axes: steps by the name of the axis.
        parameters: by name.
        units: by the name of the parameter, as the source has them.
        crs: of x and y; None where it is not told.
        place: the id of where it is, where the source tells it.
    """

    axes: Mapping[str, Sequence[Step]]
    parameters: Mapping[str, Parameter]
    units: Mapping[str, str]
    crs: str | None
    place: str | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """The cells, each with its coordinates and its values; none where there is no parameter."""
        if not self.parameters:
            return
        widest = max(self.parameters.values(), key=lambda one: len(one.values))
        order = [*widest.axes, *(name for name in self.axes if name not in widest.axes)]
        strides = {name: _strides(one, order) for name, one in self.parameters.items()}
        for steps in product(*(range(len(self.axes[name])) for name in order)):
            row: dict[str, Any] = {}
            for name, one in self.parameters.items():
                row[name] = one.values[sum(i * stride for i, stride in zip(steps, strides[name], strict=True))]
            for name, step in zip(order, steps, strict=True):
                row |= self.axes[name][step]
            yield row


def coverages(body: Mapping[str, Any]) -> list[Coverage]:
    """The coverages of a document: of a CoverageCollection each, with what they have in common.

    Raises:
        ValueError: it is no CoverageJSON, or has what cannot be read as rows; the text says what.
    """
    if body.get("type") == "Coverage":
        return [_coverage(body, {})]
    if body.get("type") == "CoverageCollection" and isinstance(body.get("coverages"), list):
        return [_coverage(as_object(one), body) for one in body["coverages"]]
    raise ValueError("it is no Coverage and no CoverageCollection")


def units_of(parameters: Any) -> dict[str, str]:
    """The symbols of the units of parameters, by their names; of those that have one."""
    symbols = {name: as_object(as_object(one).get("unit")).get("symbol") for name, one in as_object(parameters).items()}
    texts = {name: one.get("value") if isinstance(one, dict) else one for name, one in symbols.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str) and text}


def _coverage(body: Mapping[str, Any], collection: Mapping[str, Any]) -> Coverage:
    domain, ranges = body.get("domain"), body.get("ranges")
    if not isinstance(domain, dict) or not isinstance(ranges, dict):
        raise ValueError("a coverage has no domain or ranges of its own")
    axes = {name: _steps(name, axis) for name, axis in as_object(domain.get("axes")).items()}
    referencing = as_array(domain.get("referencing")) or as_array(collection.get("referencing"))
    places = (body.get(name) for name in _PLACES)
    return Coverage(
        axes=axes,
        parameters={name: _parameter(one, axes) for name, one in ranges.items() if name not in COORDINATES},
        units=units_of({**as_object(collection.get("parameters")), **as_object(body.get("parameters"))}),
        crs=next((name for one in referencing if (name := _crs(as_object(one)))), None),
        place=next((place for place in places if isinstance(place, str) and place), None),
    )


def _steps(name: str, axis: Any) -> list[Step]:
    match axis:
        case {"values": list(values), "dataType": "tuple", "coordinates": list(labels)}:
            names = [_LABELS.get(str(label), str(label)) for label in labels]
            if not all(isinstance(value, list) and len(value) == len(names) for value in values):
                raise ValueError("an axis of tuples has others")
            return [dict(zip(names, value, strict=True)) for value in values]
        case {"values": list(values)} if axis.get("dataType", "primitive") == "primitive":
            return [{_LABELS.get(name, name): value} for value in values]
        case {"start": int() | float(), "stop": int() | float(), "num": int(number)} if 0 < number <= _MOST_CELLS:
            step = (axis["stop"] - axis["start"]) / (number - 1) if number > 1 else 0
            return [{_LABELS.get(name, name): axis["start"] + i * step} for i in range(number)]
    raise ValueError("an axis has no values, or areas")


def _parameter(values: Any, axes: Mapping[str, Sequence[Step]]) -> Parameter:
    """One range: its axes are those of the domain, and what it leaves out has one step."""
    match values:
        case {"type": "NdArray", "values": list(cells)}:
            names, shape = tuple(as_array(values.get("axisNames"))), tuple(as_array(values.get("shape")))
        case _:
            raise ValueError("values are elsewhere, or in tiles")
    if len(set(map(str, names))) != len(names) or not all(isinstance(name, str) and name in axes for name in names):
        raise ValueError("values have axes that the domain does not have")
    if shape != tuple(len(axes[name]) for name in names) or prod(shape) != len(cells):
        raise ValueError("there are more or fewer values than the axes have steps")
    if any(len(steps) != 1 for name, steps in axes.items() if name not in names):
        raise ValueError("values leave an axis out that has several steps")
    return Parameter(names, shape, cells)


def _strides(parameter: Parameter, order: Sequence[str]) -> list[int]:
    """How far one step on each axis goes in its values; 0 on those that it leaves out."""
    strides, stride = dict.fromkeys(order, 0), 1
    for name, steps in zip(reversed(parameter.axes), reversed(parameter.shape), strict=True):
        strides[name] = stride
        stride *= steps
    return [strides[name] for name in order]


def _crs(connection: Mapping[str, Any]) -> str | None:
    if not {"x", "y"} <= {str(one) for one in as_array(connection.get("coordinates"))}:
        return None
    return geo.crs_name(as_object(connection.get("system")).get("id"))
