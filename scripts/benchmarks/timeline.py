"""Where the time of shared work goes: two calls on the rows of `skew`, recorded, drawn, and told in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib.figure import Figure as Picture

import pyffipar as pf

from . import skew

# Two fifths of the rows are four fifths of the work: who has them is alone in the end.
CLAUSES = {"chunk(min = 400, max = 400)": " chunk(min = 400, max = 400)", "no clause": ""}


def record(picture: Path, *, quick: bool) -> Iterator[str]:
    """Call with chunks that are too large, and with those of a declaration that says nothing; draw both in one picture.

    Yields
    ------
    str
        The clause and what the timeline says, for each.
    """
    most = skew.MOST // 10 if quick else skew.MOST
    cy, counts = np.linspace(0.0, 1.4, skew.ROWS), np.empty(skew.ROWS, np.int64)
    drawn = Picture(figsize=(8.1, 3.1), layout="constrained")
    axes = drawn.subplots(2, 1, sharex=True)
    for place, (title, clause) in zip(axes, CLAUSES.items(), strict=True):
        declaration = skew.DECLARATION.replace(";", f"{clause};")
        rows = pf.compile(skew.SOURCE, declaration, flags=("-fopenmp",)).rows.options(threads=skew.THREADS)
        rows(cy, skew.WIDTH, most, out=counts)  # starts the worker, and wakes it
        with pf.trace() as trace:
            rows(cy, skew.WIDTH, most, out=counts)
        trace.plot(place)
        place.set_title(title, loc="left", fontsize="small")
        yield f"{title}:\n{trace}"
    axes[0].set_xlabel("")
    drawn.savefig(picture, dpi=100)
