"""The app's one HTML page, for the people of the municipality. Every value passes through ``_t``: none is trusted."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .contract import Evidence, RunInfo, Settings, Window
from .forecast import Forecast
from .model import Parameters, Series

STYLE = """
:root{color-scheme:light;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee3;--band:#cfe0f1;--deep:#1f5f9e}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);margin:0 auto;padding:1.5rem;max-width:72rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.soft{color:var(--soft)}.warn{background:#fdf0d5;border-left:4px solid #d99a1c;padding:.5rem .8rem}
img,svg{max-width:100%;height:auto}
.cols{display:flex;flex-wrap:wrap;gap:0 3rem;align-items:flex-start}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.95rem}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem;white-space:nowrap}
th,td{padding:.2rem .9rem .2rem 0;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child,.text th,.text td{text-align:left}th{font-weight:600}
svg text{font:13px system-ui,sans-serif;fill:var(--soft)}
.band{fill:var(--band)}.middle{fill:none;stroke:var(--deep);stroke-width:2.5}.grid{stroke:var(--line)}
"""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
"""No script at all, and no style but the one above: were something to slip through unescaped, it could not act."""

OPERATORS = {
    "mustBe": "=",
    "mustNotBe": "≠",
    "mustBeGreaterThan": ">",
    "mustBeGreaterOrEqualTo": "≥",
    "mustBeLessThan": "<",
    "mustBeLessOrEqualTo": "≤",
    "mustBeBetween": "between",
    "mustNotBeBetween": "not between",
}
UNITS = {"PBIAS": " %", "absPBIAS": " %"}
MEANING = {
    "cmax": ("mm", "largest storage capacity of the soil"),
    "bexp": ("-", "how much that capacity varies over the catchment"),
    "alpha": ("-", "part of the runoff that takes the quick way"),
    "Ks": ("1/d", "part of the slow reservoir that leaves in a day"),
    "Kq": ("1/d", "part of each quick reservoir that leaves in a day"),
}


def render(
    run: RunInfo,
    settings: Settings,
    parameters: Parameters,
    evidence: Mapping[str, Evidence],
    span: Window,
    forecast: Forecast,
    problem: str | None,
) -> str:
    """The page as HTML.

    :param span: first to last day of the data.
    :param problem: why the newest refresh of the data failed, if it did.
    """
    city = run.municipality or "this municipality"
    code = f" ({_t(run.municipality_code)})" if run.municipality_code else ""
    warning = f'<p class="warn">The data could not be refreshed: {_t(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Flood twin: {_t(city)}</title><style>{STYLE}</style></head><body>
<h1>Flood twin: {_t(city)}{code}</h1>
<p class="soft">installation {_t(run.installation)} in {_t(run.namespace)} · revision {_t(run.revision)} · data from
{_t(span)}</p>
{warning}
<h2>The next {_t(settings.horizon_days)} days</h2>
<p>Discharge if the weather of these days were that of {_t(_list(forecast.years))}, starting from how wet the
catchment is now. This is the range of what can happen, not a weather forecast.</p>
<div class="cols">{_chart(forecast)}{_forecast_table(forecast)}</div>
<h2>How well the twin follows the stream</h2>
<p><img src="plot.png" width="1560" height="820"
alt="Observed and modelled discharge over the whole record, with the rain above"></p>
{_evidence_table(run, evidence)}
<h2>Calibrated on this city's own data</h2>
{_parameter_table(parameters)}
<p class="soft">Objective {_t(settings.objective)}, {_t(settings.repetitions)} repetitions, seed {_t(run.seed)},
catchment of {_t(f"{settings.area_km2:g}")} km². The same as data: <a href="forecast">forecast</a> (JSON).</p>
</body></html>
"""


def _t(value: object) -> str:
    return escape(str(value), quote=True)


def _list(years: Sequence[int]) -> str:
    return str(years[0]) if len(years) == 1 else f"{', '.join(map(str, years[:-1]))} or {years[-1]}"


def flow(value: float) -> str:
    """A discharge [m3/s] for people: three significant digits, never in scientific notation."""
    digits = 3
    while digits < 9 and value > 0 and value < 10 ** (2 - digits):
        digits += 1
    return f"{value:.{digits}f}"


def _table(caption: str, head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "numbers") -> str:
    heads = "".join(f'<th scope="col">{_t(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_t(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<table class="{kind}"><caption>{_t(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _forecast_table(found: Forecast) -> str:
    rows = (
        (f"{day:%a %d %b %Y}", flow(low), flow(median), flow(high))
        for day, low, median, high in zip(found.dates, found.low, found.median, found.high, strict=True)
    )
    return _table("Discharge in m³/s", ("day", "low", "median", "high"), rows)


def _evidence_table(run: RunInfo, evidence: Mapping[str, Evidence]) -> str:
    tables = []
    for phase in ("calibration", "validation"):
        found = evidence.get(phase)
        if found is None:
            continue
        bounds: dict[str, list[str]] = {}
        for threshold in run.thresholds.get(phase, ()):
            sign = OPERATORS.get(threshold.operator, threshold.operator)
            bounds.setdefault(threshold.metric, []).append(f"{sign} {threshold.value}")
        rows = [
            (name, f"{value:.4g}{UNITS.get(name, '')}", ", ".join(bounds.pop(name, [])) or "–")
            for name, value in found.metrics.items()
        ]
        rows += [(name, "not computed", ", ".join(asked)) for name, asked in bounds.items()]
        if not rows:  # a calibration that is not judged
            continue
        when = ", ".join(str(window) for window in found.windows)
        tables.append(_table(f"{phase.capitalize()}: {when}", ("metric", "value", "threshold"), rows))
    return f'<div class="cols">{"".join(tables)}</div>' if tables else ""


def _parameter_table(parameters: Parameters) -> str:
    rows = ((name, f"{getattr(parameters, name):.4g}", unit, meaning) for name, (unit, meaning) in MEANING.items())
    return _table("Parameters of the model (HYMOD)", ("parameter", "value", "unit", "meaning"), rows, "text")


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 or 5 times a power of ten that is not below ``least``; 1 for zero."""
    if least <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= least)


def _chart(found: Forecast) -> str:
    """Band from low to high with the median in it, as SVG."""
    width, height, left, bottom, top = 640, 330, 70, 40, 15
    step = _round_step(float(found.high.max()) / 4)
    highest = 4 * step
    steps = max(found.low.size - 1, 1)

    def level(value: float) -> float:
        return height - bottom - (height - bottom - top) * value / highest

    def points(series: Series) -> list[str]:
        return [f"{left + (width - left - 10) * i / steps:.1f},{level(value):.1f}" for i, value in enumerate(series)]

    band = " ".join(points(found.high) + points(found.low)[::-1])
    lines = "".join(
        f'<line class="grid" x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{part * step:.6g}</text>'
        for part in range(5)
        for y in (level(highest * part / 4),)
    )
    days = found.dates
    return f"""<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"
aria-label="Forecast discharge in m³/s: low, median and high for each day, as in the table">{lines}
<polygon class="band" points="{band}"/><polyline class="middle" points="{" ".join(points(found.median))}"/>
<text x="{left}" y="{height - 14}">{_t(f"{days[0]:%d %b}")}</text>
<text x="{width - 10}" y="{height - 14}" text-anchor="end">{_t(f"{days[-1]:%d %b}")}</text>
<text x="{(left + width) / 2}" y="{height - 14}" text-anchor="middle">m³/s · line: median · band: low to high</text>
</svg>"""
