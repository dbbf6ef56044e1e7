"""Every figure pyffipar claims, measured here and now as ratios within one run.

Examples
--------
::

    python scripts/bench.py lift             a scalar function over arrays
    python scripts/bench.py lift --json      the same as JSON
    python scripts/bench.py kernels          the built-in kernels against the memory and their peers
    python scripts/bench.py all --quick      small inputs: that it runs, not what it says
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module

from benchmarks import harness

SUBJECTS = ("lift", "kernels")


def main() -> int:
    """Run what the command line asks for; 0 even where a goal is missed, for it depends on the machine."""
    parser = argparse.ArgumentParser(
        description="Measure pyffipar against plain C, its peers and the machine's limits."
    )
    parser.add_argument("subject", choices=(*SUBJECTS, "all"))
    parser.add_argument("--quick", action="store_true", help="small inputs: that it runs, not what it says")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    options = parser.parse_args()
    harness.schedule()
    found = {}
    for subject in SUBJECTS if options.subject == "all" else (options.subject,):
        timings, figures = import_module(f"benchmarks.{subject}").run(quick=options.quick)
        found[subject] = harness.as_json(timings, figures)
        if not options.json:
            print(f"{subject}: {harness.scheduled()}\n{harness.show(timings, figures)}\n")
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
