"""Programs to measure against: imported where they are installed, named where they are not."""

from __future__ import annotations

import importlib
from typing import Any

from .harness import Report


def peer(name: str, report: Report) -> Any:
    """A module; None where it cannot be imported, and then the report says so."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        report.missing.append(f"{name}: {error} (pip install --group bench)")
        return None
