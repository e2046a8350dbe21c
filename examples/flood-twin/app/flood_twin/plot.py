"""The picture that lets a person judge the twin: observed against modelled discharge, with the rain above."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .contract import Evidence, Window
from .data import DAY, Record
from .model import Series

OBSERVED, MODELLED, RAIN = "#1a1a1a", "#d1495b", "#4a7fb5"
PERIODS = {"calibration": "#dfe9d8", "validation": "#fbe8c8"}
"""Pale, so that both lines stay readable over them, and told apart in grey too (they are labelled as well)."""


def render(
    record: Record, modelled: Series, title: str, windows: Mapping[str, Window], evidence: Mapping[str, Evidence]
) -> bytes:
    """A PNG of the whole record, 1,560 by 820 pixels.

    :param modelled: shape (days,) [m3/s].
    :param windows: periods to mark, by phase; the windows of the evidence, where there are any, go before them.
    :param evidence: what was found in each phase; its NSE stands in the legend. It is not computed anew here: what the
        municipality's verdict rests on are these numbers.
    """
    # Not pyplot: its global state is not for servers.
    figure = Figure(figsize=(12, 6.3), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    rain, flow = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3.4))
    days: Any = record.dates
    figure.suptitle(title.replace("$", r"\$"), x=0.01, ha="left", fontsize=14, fontweight="bold")

    rain.bar(days, record.precipitation, width=1.0, color=RAIN)
    rain.invert_yaxis()
    rain.set_ylabel("rain [mm/d]")

    observed_line = flow.plot(days, record.observed, color=OBSERVED, linewidth=1.1, label="observed")
    modelled_line = flow.plot(days, modelled, color=MODELLED, linewidth=1.1, alpha=0.9, label="modelled")
    patches = []
    marked: list[Window] = []
    for phase, colour in PERIODS.items():
        found = evidence.get(phase)
        window = found.windows[0] if found and found.windows else windows.get(phase)
        if window is None:
            continue
        label = f"{phase}, {window}"
        if found and "NSE" in found.metrics:
            label += f": NSE {found.metrics['NSE']:.2f}"
        for axis in (rain, flow):
            patch = axis.axvspan(window.start, window.end + DAY, color=colour, linewidth=0, zorder=0, label=label)
        patches.append(patch)
        marked.append(window)
        _name(flow, phase, window)
    if marked and (first := min(window.start for window in marked)) > record.start:
        _name(flow, "warm-up, not scored", Window(record.start, first - DAY))
    top = float(np.nanmax(np.stack([modelled, record.observed])))
    # Room above the highest peak for the names of the periods.
    flow.set_ylim(0.0, top * 1.12 or 1.0)
    flow.set_ylabel("discharge [m³/s]")
    flow.legend(
        handles=[*observed_line, *modelled_line, *patches],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.09),
        ncols=4,
        frameon=False,
        fontsize=10,
    )
    # matplotlib.dates has no type hints.
    dates: Any = matplotlib.dates
    locator = dates.AutoDateLocator()
    flow.xaxis.set_major_locator(locator)
    flow.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    flow.set_xlim(days[0], days[-1] + DAY)
    for axis in (rain, flow):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#00000018", linewidth=0.7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _name(axes: Axes, text: str, window: Window) -> None:
    """Write the name of a period at the top of its middle."""
    middle: Any = window.start + (window.end + DAY - window.start) / 2
    axes.text(
        middle,
        0.97,
        text,
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="top",
        fontsize=11,
        color="#555",
        clip_on=True,
    )
