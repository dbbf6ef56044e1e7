"""The five pictures, through matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .base import Group
from .markdown import MOVERS

# Okabe and Ito's colours, which the colour-blind tell apart.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#666666"
OF_GROUP = {
    Group.HOLDS.value: ORANGE,
    Group.RELEASES.value: BLUE,
    Group.NONE.value: GREEN,
    Group.PROCESSES.value: PURPLE,
}
TIMELINES = ("ctypes-pydll", "ctypes-cdll", "pyffipar-threads", "pyffipar-native")
OF_MOVER = {"mp-forkserver": ORANGE, "mp-forkserver-shared": PURPLE, "ctypes-cdll": BLUE}
DPI = 110


@dataclass(frozen=True)
class Picture:
    """A picture and its words.

    Attributes
    ----------
    name : str
        Of its file, without the ending.
    title, caption : str
        What it is, and what there is to see.
    png : bytes
        The picture.
    """

    name: str
    title: str
    caption: str
    png: bytes


Row = dict[str, Any]


def pictures(result: dict[str, Any]) -> list[Picture]:
    """Those for which a result has figures."""
    rows = [row for row in result["roads"] if row["status"] == "measured"]
    drawn = []
    for name, title, caption, draw in PICTURES:
        figure = draw(rows)
        if figure is not None:
            memory = io.BytesIO()
            figure.savefig(memory, dpi=DPI, format="png", bbox_inches="tight")
            drawn.append(Picture(name, title, caption, memory.getvalue()))
    return drawn


def _tidy(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, alpha=0.25, linewidth=0.6)


def timeline(rows: list[Row]) -> Figure | None:
    """When native calls of two threads ran: a staircase, or bars side by side."""
    known = {row["name"]: row for row in rows if "spans" in row["extras"]}
    names = [name for name in TIMELINES if name in known] or list(known)[:4]
    if not names:
        return None
    figure = Figure(figsize=(8, 1 + 0.95 * len(names)))
    first: Axes | None = None
    for place, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, place + 1, sharex=first)
        first = first or axes
        spans = known[name]["extras"]["spans"]
        for start, stop, thread in spans["spans"]:
            colour = OF_GROUP[known[name]["group"]]
            axes.broken_barh(
                [(1e3 * start, 1e3 * (stop - start))], (thread - 0.4, 0.8), color=colour, edgecolor="white"
            )
        threads = sorted({int(thread) for _, _, thread in spans["spans"]})
        axes.set_yticks(threads, [f"thread {thread + 1}" for thread in threads], fontsize=8)
        axes.set_ylim(-0.6, max(threads[-1], 1) + 0.6)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(f"{name}: both inside for {1e3 * spans['together']:.1f} ms", loc="left", fontsize=9)
        axes.tick_params(labelbottom=place + 1 == len(names))
    figure.supxlabel("milliseconds", fontsize=9)
    figure.subplots_adjust(hspace=0.75)
    return figure


def http(rows: list[Row]) -> Figure | None:
    """Seconds for all requests against workers."""
    known = [row for row in rows if row["jobs"].get("io")]
    if not known:
        return None
    figure = Figure(figsize=(8, 4.2))
    axes = figure.add_subplot()
    families: dict[bool, list[str]] = {True: [], False: []}
    for row in known:
        overlaps = row["proofs"]["requests"]["overlap"]
        families[overlaps].append(row["name"])
        runs = row["jobs"]["io"]
        axes.plot(
            [run["workers"] for run in runs],
            [run["seconds"] for run in runs],
            "o-",
            color=BLUE if overlaps else ORANGE,
            alpha=0.55,
            markersize=3.5,
            linewidth=1.2,
        )
    for overlaps, text in ((False, "one after the other"), (True, "overlapping")):
        if families[overlaps]:
            axes.plot(
                [], [], "o-", color=BLUE if overlaps else ORANGE, label=f"{text} ({len(families[overlaps])} roads)"
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    counts = sorted({run["workers"] for row in known for run in row["jobs"]["io"]})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    _tidy(axes, "workers", "seconds for all requests")
    axes.legend(frameon=False, fontsize=8)
    return figure


def cores(rows: list[Row]) -> Figure | None:
    """Cores kept busy by job cpu with most workers."""
    known = [row for row in rows if row["jobs"].get("cpu")]
    if not known:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.23 * len(known)))
    axes = figure.add_subplot()
    busy = [row["jobs"]["cpu"][-1]["cores"] for row in known]
    axes.barh([row["name"] for row in known], busy, color=[OF_GROUP[row["group"]] for row in known], height=0.72)
    axes.invert_yaxis()
    axes.axvline(1, color=GREY, linewidth=1, linestyle=":")
    axes.tick_params(axis="y", labelsize=8)
    for place, value in enumerate(busy):
        axes.text(value + 0.02, place, f"{value:.2f}", va="center", fontsize=7, color=GREY)
    _tidy(axes, "cores busy", "")
    for group, colour in OF_GROUP.items():
        axes.plot([], [], "s", color=colour, label=group)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.06 + 0.6 / len(known)), ncols=4)
    return figure


def moving(rows: list[Row]) -> Figure | None:
    """The same sum on two workers, however the array gets to them."""
    known = {row["name"]: row["extras"]["moving"] for row in rows if "moving" in row["extras"]}
    if not known:
        return None
    figure = Figure(figsize=(8, 4.2))
    axes = figure.add_subplot()
    for name, label in MOVERS.items():
        if name in known:
            runs = known[name]
            axes.plot(
                [8 * run["size"] / 1e6 for run in runs],
                [1e3 * run["seconds"] for run in runs],
                "o-",
                color=OF_MOVER[name],
                label=label,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    _tidy(axes, "array, MB", "milliseconds")
    axes.legend(frameon=False, fontsize=8)
    return figure


def wait(rows: list[Row]) -> Figure | None:
    """What the switch interval changes, and what it does not."""
    known = [(row, row["extras"]["sweep"]) for row in rows if row["extras"].get("sweep")]
    if not known:
        return None
    figure = Figure(figsize=(8, 3.6))
    left, right = figure.subplots(1, 2)
    for row, sweep in known:
        colour = OF_GROUP[row["group"]]
        intervals = [1e3 * point["interval"] for point in sweep]
        left.plot(intervals, [1e3 * point["wait"] for point in sweep], "o-", color=colour, label=row["name"])
        best = max(point["calls"] for point in sweep)
        right.plot(intervals, [point["calls"] / best for point in sweep], "o-", color=colour, label=row["name"])
    left.set_xscale("log")
    left.set_yscale("log")
    right.set_xscale("log")
    right.set_ylim(0, 1.1)
    _tidy(left, "switch interval, ms", "a waking thread waits, ms")
    _tidy(right, "switch interval, ms", "throughput, of its best")
    left.legend(frameon=False, fontsize=8)
    figure.subplots_adjust(wspace=0.3)
    return figure


PICTURES: tuple[tuple[str, str, str, Callable[[list[Row]], Figure | None]], ...] = (
    (
        "timeline",
        "Native calls of two threads",
        (
            "Each bar is one call of C. Where the GIL is held the calls form a staircase: none begins before the "
            "last one has ended. Where it is released, both threads are inside."
        ),
        timeline,
    ),
    (
        "http",
        "HTTP requests against workers",
        (
            "The server answers each request after a fixed wait. Roads whose calls hold the GIL, or block an "
            "event loop, gain nothing from more workers."
        ),
        http,
    ),
    (
        "cores",
        "Cores busy",
        "CPU time over wall time while the job cpu runs with as many workers as there are cores.",
        cores,
    ),
    (
        "moving",
        "Getting an array to the workers",
        "The same C function adds up the same array on two workers; what differs is how the numbers reach them.",
        moving,
    ),
    (
        "wait",
        "What the switch interval does",
        (
            "Two threads compute, a third one naps and wants to go on: it waits for about one interval. How much "
            "is computed hardly depends on it."
        ),
        wait,
    ),
)
