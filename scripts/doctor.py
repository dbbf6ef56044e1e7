#!/usr/bin/env python3
"""What pyffipar runs on, whether it works, and what to fix.

Exit status 1 if something does not work; what could merely be better does not count.

    doctor.py                 versions, library, CPUs, pools, compilers, cache, extras; a self test of every executor
    doctor.py --json          the same as JSON
    doctor.py --clear-cache   remove everything that pf.compile has kept, and say what that was
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from doctoring.findings import Finding, absences, findings

if TYPE_CHECKING:
    from doctoring.selftest import Trial

Facts = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, try, tell; 1 if there is a fault."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.add_argument("--clear-cache", action="store_true", help="remove everything that pf.compile has kept")
    chosen = parser.parse_args(arguments)
    if lacking := absences():
        return _tell_absences(lacking, is_json=chosen.json)
    if chosen.clear_cache:
        return clear_cache(is_json=chosen.json)
    from doctoring.looks import look  # these want what may have been missing
    from doctoring.selftest import try_executors

    facts = look()
    trials = try_executors()
    found = findings(facts, trials)
    if chosen.json:
        whole = {**facts, "self_test": [asdict(t) for t in trials], "what_to_fix": [asdict(f) for f in found]}
        json.dump(whole, sys.stdout, indent=2, default=str)
        print()
    else:
        print("\n".join(report(facts, trials, found)))
    return int(any(finding.is_fault for finding in found))


def _tell_absences(lacking: Sequence[Finding], *, is_json: bool) -> int:
    """Without these there is nothing else to tell."""
    if is_json:
        json.dump({"what_to_fix": [asdict(finding) for finding in lacking]}, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(_what_to_fix(lacking)))
    return 1


def clear_cache(*, is_json: bool) -> int:
    """Remove all entries and say which; 1 if the cache is not to be trusted."""
    import pyffipar as pf

    try:
        removed = pf.compile_cache.clear()
    except pf.CompileError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(entry.size for entry in removed)
    if is_json:
        json.dump({"removed": [str(entry.folder) for entry in removed], "bytes": size}, sys.stdout, indent=2)
        print()
    else:
        for entry in removed:
            print(f"removed {entry.folder}  {entry.first_line}")
        print(f"{len(removed)} entries, {_size(size)}")
    return 0


def report(facts: Facts, trials: Sequence[Trial], found: Sequence[Finding]) -> Iterator[str]:
    """All of it as text."""
    for title, section in SECTIONS.items():
        yield title
        key = title.lower().replace(" ", "_")
        lines = [facts[key]["error"]] if set(facts[key]) == {"error"} else section(facts[key])
        yield from (f"  {line}" for line in lines)
    yield "Self test"
    for trial in trials:
        verdict = "good" if trial.is_good else f"BAD: {trial.text}"
        yield f"  {trial.executor:<10} {trial.seconds * 1e3:8.1f} ms  {verdict}"
    yield ""
    yield from _what_to_fix(found)


def _what_to_fix(found: Sequence[Finding]) -> Iterator[str]:
    yield "What to fix"
    if not found:
        yield "  nothing"
    for finding in found:
        yield f"  {'FAULT' if finding.is_fault else 'better'}: {finding.what}"
        yield f"    why: {finding.why}"
        yield f"    do:  {finding.command}"


def _python(facts: Facts) -> Iterator[str]:
    gil = "with the GIL" if facts["gil"] else "without the GIL"
    build = " (free-threaded build)" if facts["free_threaded_build"] else ""
    yield f"{facts['implementation']} {facts['version']} {gil}{build}, NumPy {facts['numpy']}"
    yield f"{facts['executable']}"
    yield f"{facts['system']}, {facts['machine']}"


def _package(facts: Facts) -> Iterator[str]:
    yield f"{facts['version']} from {facts['folder']}"
    for other in facts["installed"]:
        if not other["is_imported"]:
            yield f"installed: {other['version']} in {other['folder']}"


def _library(facts: Facts) -> Iterator[str]:
    yield f"{facts['file']}, ABI {facts['abi']}"
    yield f"{facts['compiler']}, build type {facts['build_type']}, libffi {facts['libffi']}"
    yield f"register call {facts['register_call']}, sanitizer {facts['sanitizer']}"
    yield f"kernels at level {facts['simd_level']}, this CPU has {facts['simd_of_this_cpu']}"
    yield f"called {facts['called']}"


def _cpus(facts: Facts) -> Iterator[str]:
    allowed = facts["affinity"]
    affinity = f"{len(allowed)} allowed ({', '.join(map(str, allowed))})" if allowed else "no affinity"
    cgroup = ", kept there by a cgroup's quota" if facts["is_limited_by_cgroup"] else ""
    yield f"{facts['machine']} in the machine, {affinity}, {facts['usable']} usable at once{cgroup}"
    yield facts.get("error") or f"calls use {facts['threads']} threads unless they say otherwise"


def _environment(facts: Facts) -> Iterator[str]:
    yield from (f"{name}={value}" for name, value in facts.items())
    if not facts:
        yield "no variable is set that changes what calls do"


def _pools(facts: Facts) -> Iterator[str]:
    for pool in facts["found"]:
        yield f"{pool['user_api']:<9} {pool['num_threads']:>3} threads  {pool['filepath']}"


def _compilers(facts: Facts) -> Iterator[str]:
    for name, found in facts.items():
        yield f"{name:<4} {found.get('error') or ' '.join(found['command']) + ': ' + found['version']}"


def _cache(facts: Facts) -> Iterator[str]:
    yield f"{facts['folder']}: {facts['entries']} entries, {_size(facts['bytes'])}"


def _extras(facts: Facts) -> Iterator[str]:
    for extra, modules in facts.items():
        missing = [module for module, version in modules.items() if version is None]
        there = ", ".join(f"{module} {version}" for module, version in modules.items() if version is not None)
        lacks = f"without {', '.join(missing)}: pip install 'pyffipar[{extra}]'" if missing else ""
        yield f"{extra:<14} {'; '.join(filter(None, (there, lacks)))}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


SECTIONS = {
    "Python": _python, "pyffipar": _package, "Library": _library, "CPUs": _cpus, "Environment": _environment,
    "Pools": _pools, "Compilers": _compilers, "Cache": _cache, "Extras": _extras,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
