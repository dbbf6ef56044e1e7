#!/usr/bin/env python3
"""Every figure pyffipar claims, measured here and now as ratios within one run.

    bench.py lift                     a scalar function over arrays
    bench.py dispatch --json          what a call costs, as JSON
    bench.py scaling --png pictures   a PNG of every subject in a folder
    bench.py scaling --png pictures --beside 64.json
                                      curves of another machine in the picture
    bench.py skew --trace pictures    two of its calls as timelines, and why one is not faster
    bench.py all --quick              small inputs: that it runs, not what it says

Goals stand beside what was measured, met or not; the exit status is 0 either way, for it depends on the machine. Peers
that are not installed are named: pip install --group bench.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import harness

SUBJECTS = ("dispatch", "kernels", "lift", "skew", "oversubscribe", "scaling", "memory", "processes", "executors")
CURVED = "scaling"  # what has curves, which --beside draws again
TRACED = "skew"  # what --trace records
# With more threads than CPUs real-time threads run for a hundred milliseconds at a stretch: no program does that.
UNPINNED = frozenset({"oversubscribe", "memory", "processes", "executors"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_subjects(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subject", choices=(*SUBJECTS, "all"))
    parser.add_argument("--quick", action="store_true", help="small inputs: that it runs, not what it says")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="draw every subject, with matplotlib")
    parser.add_argument(
        "--beside", type=Path, metavar="FILE", help=f"what --json told on another machine: {CURVED}'s picture has both"
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FOLDER",
        help=f"record two calls of {TRACED}, draw them in timeline.png, tell why",
    )
    chosen = parser.parse_args(arguments)
    if wrong := _wrong(chosen):
        parser.error(wrong)
    if chosen.subject == "all":
        return _all(chosen)
    harness.schedule(realtime=chosen.subject not in UNPINNED)
    if chosen.subject in UNPINNED:
        harness.leave_unpinned()
    if chosen.trace:  # before threads are pinned
        timeline = import_module("benchmarks.timeline")
        for told in timeline.record(chosen.trace / "timeline.png", quick=chosen.quick):
            print(f"{told}\n", file=sys.stderr if chosen.json else sys.stdout)
    report = import_module(f"benchmarks.{chosen.subject}").run(quick=chosen.quick)
    if chosen.json:
        json.dump({chosen.subject: harness.as_json(report)}, sys.stdout, indent=2)
        print()
    else:
        print(f"{chosen.subject}: {harness.scheduled()}\n{harness.show(report)}\n")
    if chosen.png:
        _draw(chosen, report)
    return 0


def _subjects() -> str:
    """Every subject with the line that its module begins with."""
    lines = ["subjects:"]
    for subject in SUBJECTS:
        path = Path(__file__).with_name("benchmarks") / f"{subject}.py"
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(f"  {subject:<14} {told.partition(chr(10))[0]}")
    return "\n".join([*lines, f"  {'all':<14} Every one of them, in turn."])


def _unfit(folder: Path) -> str:
    """Why no picture can be drawn there."""
    if find_spec("matplotlib") is None:
        return "pictures are drawn with matplotlib, which is not there: pip install 'pyffipar[plot]'"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"it is no folder that can be written to: {error.strerror}"


def _wrong(chosen: argparse.Namespace) -> str:
    """What is wrong with the command line: it is said before anything is measured for minutes."""
    for option, folder in (("--png", chosen.png), ("--trace", chosen.trace)):
        if folder and (wrong := _unfit(folder)):
            return f"{option} {folder}: {wrong}"
    if chosen.trace and chosen.subject != TRACED:
        return f"--trace {chosen.trace}: it records calls of {TRACED}, not of {chosen.subject}"
    if chosen.trace and harness.cpus() < 2:
        return f"--trace {chosen.trace}: two threads that share work want two CPUs, and this program may use one"
    if chosen.beside:
        if chosen.subject not in (CURVED, "all"):
            return f"--beside {chosen.beside}: it is for {CURVED}, which has curves; {chosen.subject} has none"
        if not chosen.png:
            return f"--beside {chosen.beside}: it is drawn in a picture: say --png FOLDER, too"
        try:
            json.loads(chosen.beside.read_text(encoding="utf-8"))[CURVED]["curves"]
        except OSError as error:
            return f"--beside {chosen.beside}: it cannot be read: {error.strerror}"
        except (ValueError, LookupError, TypeError):
            return (
                f"--beside {chosen.beside}: it is not what `bench.py {CURVED} --json` prints: there are no curves in it"
            )
    return ""


def _all(chosen: argparse.Namespace) -> int:
    """Every subject in a process of its own: threads of one peer go on spinning while another is measured."""
    words = [word for word in ("quick", "json") if getattr(chosen, word)]
    command = [f"--{word}" for word in words] + (["--png", str(chosen.png)] if chosen.png else [])
    found: dict[str, Any] = {}
    status = 0
    for subject in SUBJECTS:
        beside = ["--beside", str(chosen.beside)] if chosen.beside and subject == CURVED else []
        done = subprocess.run(
            [sys.executable, __file__, subject, *command, *beside],
            stdout=subprocess.PIPE if chosen.json else None, text=True, check=False,
        )  # fmt: skip
        status = status or done.returncode
        if chosen.json:
            nothing = harness.Report(missing=[f"everything: {subject} ended with status {done.returncode}"])
            found |= {subject: harness.as_json(nothing)} if done.returncode else json.loads(done.stdout)
    if chosen.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    return status


def _draw(chosen: argparse.Namespace, report: harness.Report) -> None:
    """The subject's picture."""
    from benchmarks import pictures

    beside: Mapping[str, Any] = {}
    if chosen.beside:
        beside = json.loads(chosen.beside.read_text(encoding="utf-8"))[chosen.subject]
    path = chosen.png / f"{chosen.subject}.png"
    pictures.draw(f"{chosen.subject}: {harness.scheduled()}", report, path, beside)
    print(path, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
