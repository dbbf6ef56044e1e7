"""Programs to measure against: imported where they are installed, named where they are not, or fail."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from .harness import Case, Report


def peer(name: str, report: Report) -> Any:
    """A module; None where it cannot be imported, and then the report says so."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        report.missing.append(f"{name}: {error} (pip install --group bench)")
        return None


def peer_cases(name: str, report: Report, threads: int, make: Callable[[Any], Mapping[str, Case]]) -> dict[str, Case]:
    """A peer's cases, each of them tried once; none where it is missing or fails, and then the report says so.

    Parameters
    ----------
    name : str
        Of its module.
    report : Report
    threads : int
        How many it is told to use.
    make : callable
        Given the module; its cases.
    """
    module = peer(name, report)
    if module is None:
        return {}
    try:
        module.set_num_threads(threads)
        cases = dict(make(module))
        for case in cases.values():
            case()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a peer, the others are measured
        first = (str(error).splitlines() or [""])[0]
        report.missing.append(f"{name}: {type(error).__name__}: {first}")
        return {}
    return cases
