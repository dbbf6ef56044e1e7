"""The benchmarks run, and say what they wanted and what they got."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "scripts" / "bench.py"


@pytest.mark.slow
@pytest.mark.parametrize("subject", ["lift"])
def test_a_quick_run_measures_every_figure(subject: str) -> None:
    command = [sys.executable, str(BENCH), subject, "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = json.loads(done.stdout)[subject]
    assert found["scheduled"]
    assert all(timing["seconds"] > 0 for timing in found["timings"])
    goals = [figure for figure in found["figures"] if figure["goal"]]
    assert goals
    assert all(figure["value"] > 0 and figure["met"] in (True, False) for figure in goals)
