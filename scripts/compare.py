"""Every way to get past the GIL, doing the same work: proved, measured and explained.

Examples
--------
::

    python scripts/compare.py --list                        what there is, and what can be had here
    python scripts/compare.py --quick                       all of it on small inputs
    python scripts/compare.py --only ctypes-cdll,ctypes-pydll
    python scripts/compare.py --out report                  report/index.html, *.png, roads.md, roads.json
    python scripts/compare.py --json > roads.json           JSON on standard output, tables on standard error
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from roads.common import catalogue
from roads.common.base import BuildError, Missing, Road
from roads.common.machine import describe
from roads.common.measure import CHUNKS, FULL, QUICK, Bench, Scale, measure, right_value
from roads.common.server import Server

WAIT_MS = 50
"""How long the server of job io waits before it answers."""

EXTRA = "the scripts' tables and pictures need {}; to have it: pip install 'pyffipar[roads]'"


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Every way to get past the GIL, doing the same work.")
    parser.add_argument(
        "--quick", action="store_true", help="small inputs, one run each: proofs hold, times mean little"
    )
    parser.add_argument("--only", metavar="A,B", help="these roads; --list has their names")
    parser.add_argument("--list", action="store_true", help="list the roads and what can be had here, and stop")
    parser.add_argument(
        "--json", action="store_true", help="JSON on standard output, everything else on standard error"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="write index.html, pictures, roads.md and roads.json there"
    )
    options = parser.parse_args(words)
    try:
        options.roads = catalogue.chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    return options


def need(name: str) -> ModuleType:
    """A module of the report; without what it rests on, an error that says how to have it."""
    try:
        return importlib.import_module(f"roads.common.{name}")
    except ModuleNotFoundError as error:
        raise SystemExit(EXTRA.format(error.name)) from error


def show_list(roads: Sequence[Road]) -> None:
    """What there is, and what of it can be had here."""
    with tempfile.TemporaryDirectory() as folder:
        for road in roads:
            try:
                road.command(Path(folder))
            except Missing as missing:
                state = f"absent: {missing.reason}. To have it: {missing.install}"
            except BuildError as error:
                state = f"failed: {error}"
            else:
                state = "available"
            print(f"{road.name}  [{road.group.value}]  {state}\n    {road.what}")


def compare(options: argparse.Namespace, scale: Scale) -> dict[str, Any]:
    """Measure all the roads that were asked for."""
    terminal = need("terminal")
    if options.out:
        need("pictures")  # rather now than after minutes
    machine = describe()
    roads: Sequence[Road] = options.roads
    rows = []
    console = terminal.console(errors=options.json)
    with (
        Server(WAIT_MS) as server,
        tempfile.TemporaryDirectory() as folder,
        terminal.progress(len(roads), console) as (tell, advance),
    ):
        bench = Bench(scale, machine["cores"], server, Path(folder), tell)
        for road in roads:
            tell(road.name)
            rows.append(measure(road, bench).as_json())
            advance()
    calls = max(machine["cores"], 2)
    settings = {**asdict(scale), "cores": machine["cores"], "calls": calls, "chunks": CHUNKS, "wait_ms": WAIT_MS}
    return {"machine": machine, "settings": settings, "roads": rows}


def report(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Show a result, and write it where it was asked for."""
    terminal, tables = need("terminal"), need("tables")
    console = terminal.console(errors=options.json)
    both = tables.tables(result)
    for table in both:
        terminal.show(table, console)
    terminal.show_remarks(both[0], console)
    text = json.dumps(result, indent=1)
    if options.json:
        print(text)
    if options.out:
        write(options.out, result, text)
        console.print(f"{options.out / 'index.html'} has tables and pictures")


def write(folder: Path, result: dict[str, Any], text: str) -> None:
    """The page, the pictures, the tables as Markdown, and the JSON."""
    drawn = need("pictures").pictures(result)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "roads.json").write_text(text, "utf-8")
    (folder / "roads.md").write_text(need("markdown").document(result), "utf-8")
    for picture in drawn:
        (folder / f"{picture.name}.png").write_bytes(picture.png)
    (folder / "index.html").write_text(need("page").page(result, need("tables").tables(result), drawn), "utf-8")


def surprises(result: dict[str, Any]) -> list[str]:
    """What failed, came out wrong, or was proved to be other than it should be."""
    found = [f"{row['name']}: {row['reason']}" for row in result["roads"] if row["status"] == "failed"]
    for row in result["roads"]:
        for proof, said in row["proofs"].items():
            if said["overlap"] != said["expected"]:
                found.append(f"{row['name']}: {proof} overlap is {said['overlap']}, expected {said['expected']}")
        for job, runs in row["jobs"].items():
            found += [f"{row['name']}: {job} gave {run['value']}" for run in runs if not right_value(job, run)]
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; 1 if a road failed, was wrong, or a proof came out unexpectedly."""
    options = arguments(words)
    if options.list:
        show_list(options.roads)
        return 0
    result = compare(options, QUICK if options.quick else FULL)
    report(options, result)
    wrong = surprises(result)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
