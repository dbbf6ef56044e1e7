"""Every test begins as a process that has unpickled nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from travelling import DECLARATIONS, SOURCE

import pyffipar as pf
from pyffipar.options import UNPICKLE_VARIABLE
from pyffipar.sources import pickling


@pytest.fixture(autouse=True)
def _nothing_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins as a process that has unpickled nothing, and guards nothing."""
    monkeypatch.delenv(UNPICKLE_VARIABLE, raising=False)
    pickling._restored.clear()
    yield
    pf.set_options(unpickle=None)


@pytest.fixture
def compiled() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)
