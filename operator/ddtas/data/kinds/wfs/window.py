"""Asks for the features of a period, where a server shows that it filters by times (Filter Encoding 2.0).

Some servers answer a filter on times with nothing, and say that all is well; others take no notice of it. So the server
counts first: the features within and those outside must together be all.
"""

from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from ddtas.data.contract import FieldType
from ddtas.data.delivery.reading import Selection
from ddtas.data.kinds.wfs.reader import Service
from ddtas.data.kinds.wfs.schema import Schema

_NAMESPACE = "http://www.opengis.net/fes/2.0"
_WORTH = 5000  # features; what has fewer is read whole
_WIDER = timedelta(days=1)  # on each side: a server may take a time for one of another zone, or of a whole day
_FORMATS = {FieldType.DATE: "%Y-%m-%d", FieldType.TIMESTAMP: "%Y-%m-%dT%H:%M:%SZ"}


async def window(service: Service, name: str, schema: Schema, selection: Selection) -> dict[str, str]:
    """The parameter of GetFeature that asks for the period of a selection; none where all has to be read.

    Args:
        service: to ask.
        name: of the feature type.
        schema: of it; a property that it does not call a time is compared as a text.
        selection: what is read.

    Raises:
        SourceError: as `Service.hits`.
    """
    condition = _condition(schema, selection)
    if condition is None:
        return {}
    every = await service.hits(name)
    if every is None or every <= _WORTH:
        return {}
    inside = await service.hits(name, _filter(condition))
    outside = await service.hits(name, _filter(f"<fes:Not>{condition}</fes:Not>")) if inside is not None else None
    if inside is None or outside is None or inside + outside != every:
        return {}
    return _filter(condition)


def _condition(schema: Schema, selection: Selection) -> str | None:
    time = selection.time
    form = _FORMATS.get(schema.fields.get(time.name) or FieldType.STRING) if time is not None else None
    if time is None or form is None:
        return None
    bounds = []
    if selection.start is not None:
        bounds.append(_compared("GreaterThanOrEqualTo", time.name, selection.start - _WIDER, form))
    if selection.end is not None:
        bounds.append(_compared("LessThanOrEqualTo", time.name, selection.end + _WIDER, form))
    if len(bounds) == 2:
        return f"<fes:And>{''.join(bounds)}</fes:And>"
    return bounds[0] if bounds else None


def _compared(operator: str, name: str, moment: datetime, form: str) -> str:
    return (
        f"<fes:PropertyIs{operator}><fes:ValueReference>{escape(name)}</fes:ValueReference>"
        f"<fes:Literal>{moment.astimezone(UTC):{form}}</fes:Literal></fes:PropertyIs{operator}>"
    )


def _filter(condition: str) -> dict[str, str]:
    return {"filter": f'<fes:Filter xmlns:fes="{_NAMESPACE}">{condition}</fes:Filter>'}
