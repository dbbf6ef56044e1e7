"""A picture of what a subject found, through matplotlib."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import LogLocator, NullFormatter

from .harness import Figure, Report

# Okabe and Ito's colours, which the colour-blind tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
FARTHEST = 100  # times better than a goal: nothing at all, such as no byte more, is as far as that
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")


def draw(title: str, report: Report, path: Path, beside: Mapping[str, Any] | None = None) -> None:
    """Write a PNG: curves where there are some, else times if there are any, and how far every goal is met.

    Parameters
    ----------
    title : str
    report : Report
    path : Path
    beside : dict, optional
        What another machine found, as JSON has it: its curves are drawn dashed.
    """
    goals = [entry for entry in report.figures if entry.goal]
    panels: list[Callable[[Axes], None]] = []
    if report.curves:
        panels.append(lambda axes: _curves(axes, report, (beside or {}).get("curves", ())))
    elif report.timings:
        panels.append(lambda axes: _times(axes, report))
    if goals:
        panels.append(lambda axes: _goals(axes, goals))
    height = 1.5 + 0.28 * max(len(report.timings) if not report.curves else 12, len(goals))
    picture = Picture(figsize=(13, height), layout="constrained")
    for place, panel in enumerate(panels, start=1):  # none is left empty: its axes would show ticks of nothing
        panel(picture.add_subplot(1, len(panels), place))
    picture.suptitle(title)
    picture.savefig(path, dpi=110)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x", alpha=0.25, linewidth=0.6)
    axes.tick_params(labelsize=8)


def _times(axes: Axes, report: Report) -> None:
    """Medians with their spread."""
    timings = list(report.timings.values())
    values = [timing.seconds for timing in timings]
    axes.barh(
        [timing.name for timing in timings], values, xerr=[timing.spread * timing.seconds for timing in timings],
        color=[BLUE if timing.is_ours else GREY for timing in timings], error_kw={"linewidth": 0.8},
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("seconds; blue are pyffipar's")
    _tidy(axes)


def _goals(axes: Axes, goals: Sequence[Figure]) -> None:
    """Every figure over its goal, so that better is to the right."""
    for place, entry in enumerate(goals):
        goal = float(re.sub(r"[<>= ]", "", entry.goal))
        better = entry.value / goal if entry.goal.startswith(">=") else goal / max(entry.value, goal / FARTHEST)
        axes.plot([1, better], [place, place], color=BLUE if entry.met else ORANGE, linewidth=3)
        axes.plot(better, place, "o", color=BLUE if entry.met else ORANGE)
        axes.text(better, place - 0.25, f"{entry.value:.3g} {entry.unit} ({entry.goal})", fontsize=7, ha="center")
    axes.set_yticks(range(len(goals)), [entry.what for entry in goals])
    axes.invert_yaxis()
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("how many times better than its goal")
    _tidy(axes)


def _curves(axes: Axes, report: Report, others: Sequence[Mapping[str, Any]]) -> None:
    """Speed against one thread over threads: points measured, lines of the model; dashed of another machine."""
    for colour, curve in zip(COLOURS * 3, report.curves, strict=False):
        one = curve.seconds[0]
        axes.plot(curve.threads, [one / s for s in curve.seconds], "o", color=colour, label=curve.name)
        axes.plot(curve.threads, [one / s for s in curve.model], "-", color=colour, linewidth=1)
        for other in others:
            if other["name"] == curve.name:
                speed = [other["seconds"][0] / s for s in other["seconds"]]
                axes.plot(other["threads"], speed, "x--", color=colour, linewidth=0.8)
    most = max(max(curve.threads) for curve in report.curves)
    axes.plot([1, most], [1, most], color=GREY, linewidth=0.8, linestyle=":", label="as many times as threads")
    axes.set_xticks(sorted({count for curve in report.curves for count in curve.threads}))
    axes.set_xlabel("threads")
    axes.set_ylabel("times as fast as with one")
    axes.legend(frameon=False, fontsize=8)
    _tidy(axes)
