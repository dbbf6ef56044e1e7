"""The doctor: it tells what there is, tries every executor, and says of everything that is wrong how to mend it."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyffipar as pf
from pyffipar.options import EXECUTORS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

CHECKOUT = Path(__file__).parents[1]
SCRIPT = CHECKOUT / "scripts" / "doctor.py"
FAULTLESS: dict[str, str] = {"PYFFIPAR_NUM_THREADS": "", "OMP_NUM_THREADS": ""}


def doctor(*arguments: str, expect: int = 0, **environment: str) -> str:
    """What it prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], env={**os.environ, **FAULTLESS, **environment},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def fixes(**environment: str) -> dict[str, Any]:
    """The findings of a run that ends with status 1, by what is wrong."""
    found = json.loads(doctor("--json", expect=1, **environment))["what_to_fix"]
    return {finding["what"]: finding for finding in found}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules it is made of."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from doctoring import findings, looks, selftest

    class Parts:
        pass

    made: Any = Parts()
    made.findings, made.looks, made.selftest = findings, looks, selftest
    yield made
    for name in [name for name in sys.modules if name.split(".")[0] == "doctoring"]:
        del sys.modules[name]


def test_where_all_is_well_it_says_so_with_status_0(compile_cache: Path) -> None:
    told = json.loads(doctor("--json"))
    assert not [finding for finding in told["what_to_fix"] if finding["is_fault"]]
    assert {trial["executor"] for trial in told["self_test"]} == set(EXECUTORS)
    assert all(trial["is_good"] for trial in told["self_test"])
    assert told["pyffipar"]["version"] == pf.__version__
    assert told["library"]["simd_level"] in ("baseline", "avx2", "avx512")
    assert told["library"]["called"] == "as a built-in function"
    assert told["library"]["build_type"]
    assert told["cpus"]["usable"] >= 1
    assert told["cache"]["folder"] == str(compile_cache)
    assert "gcc" in told["compilers"]["c"]["version"].lower() or told["compilers"]["c"]["version"]
    assert [pool["num_threads"] for pool in told["pools"]["found"] if pool["user_api"] == "pyffipar"]


def test_the_text_has_every_section_and_ends_with_what_to_fix() -> None:
    told = doctor()
    titles = re.findall(r"^\S.*$", told, re.MULTILINE)
    assert titles == [
        "Python", "pyffipar", "Library", "CPUs", "Environment", "Pools", "Compilers", "Cache", "Extras", "Self test",
        "What to fix",
    ]  # fmt: skip
    assert "not said" not in told


def test_a_missing_library_is_a_fault_and_the_other_executors_are_tried() -> None:
    told = json.loads(doctor("--json", expect=1, PYFFIPAR_LIBRARY="/nowhere/libpyffipar.so"))
    (finding,) = [finding for finding in told["what_to_fix"] if finding["is_fault"]]
    assert "/nowhere/libpyffipar.so: no such file" in finding["what"]
    assert finding["command"] == "unset PYFFIPAR_LIBRARY"
    good = {trial["executor"] for trial in told["self_test"] if trial["is_good"]}
    assert {"serial", "threads"} <= good
    assert "native" not in good


def test_a_number_of_threads_that_is_none_is_a_fault() -> None:
    (finding,) = [f for what, f in fixes(PYFFIPAR_NUM_THREADS="many").items() if "'many'" in what]
    assert finding["command"] == "unset PYFFIPAR_NUM_THREADS"


def test_a_cache_that_others_can_write_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    (finding,) = [f for what, f in fixes(PYFFIPAR_CACHE_DIR=str(folder)).items() if str(folder) in what]
    assert finding["command"] == "unset PYFFIPAR_CACHE_DIR"


@pytest.mark.parametrize("name", ["file/below", "file"])
def test_a_cache_that_cannot_be_made_is_a_fault(tmp_path: Path, name: str) -> None:
    """The same as `pf.compile` says, without anything that was compiled."""
    (tmp_path / "file").touch()
    folder = tmp_path / name
    (finding,) = [f for what, f in fixes(PYFFIPAR_CACHE_DIR=str(folder)).items() if str(folder) in what]
    assert finding["is_fault"]
    assert finding["command"] == "unset PYFFIPAR_CACHE_DIR"


def test_looking_at_a_cache_that_is_not_there_yet_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "above").mkdir(mode=0o700)
    told = json.loads(doctor("--json", PYFFIPAR_CACHE_DIR=str(tmp_path / "above" / "new" / "cache")))
    assert told["cache"] == {
        "folder": str(tmp_path / "above" / "new" / "cache"), "entries": 0, "bytes": 0, "last_used": None,
    }  # fmt: skip
    assert list((tmp_path / "above").iterdir()) == []


def test_a_compiler_that_is_named_and_not_there_is_no_reason_to_install_one() -> None:
    told = json.loads(doctor("--json", CC="/no/cc", CXX=""))
    (finding,) = [finding for finding in told["what_to_fix"] if "compiler" in finding["what"]]
    assert finding["what"] == "CC=/no/cc names no compiler that can be started"
    assert finding["command"] == "unset CC  # or correct it"


@pytest.mark.parametrize(("missing", "named"), [("numpy", ["numpy"]), ("pyffipar", ["pyffipar"])])
def test_without_the_package_or_numpy_it_says_what_to_install(tmp_path: Path, missing: str, named: list[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {missing!r}:\n"
        f"            raise ModuleNotFoundError('No module named {missing}', name={missing!r})\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    found = json.loads(doctor("--json", expect=1, PYTHONPATH=str(tmp_path)))["what_to_fix"]
    assert [finding["what"].split()[0] for finding in found] == named
    assert all(finding["is_fault"] for finding in found)
    assert found[-1]["command"].startswith(f"{sys.executable} -m pip install {named[-1]}")
    for words in ((), ("--clear-cache",)):
        told = doctor(*words, expect=1, PYTHONPATH=str(tmp_path))
        assert told.startswith("What to fix\n  FAULT: ")


def test_what_could_be_better_is_no_fault() -> None:
    told = json.loads(doctor("--json", PYFFIPAR_NUM_THREADS="4096"))
    (finding,) = [finding for finding in told["what_to_fix"] if "4096 threads" in finding["what"]]
    assert not finding["is_fault"]
    assert finding["command"] == f"export PYFFIPAR_NUM_THREADS={told['cpus']['usable']}"


def test_the_cache_can_be_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PYFFIPAR_CACHE_DIR", str(folder))
    pf.compile("int one(void) { return 1; }")
    entries = len(pf.compile_cache.entries())
    assert json.loads(doctor("--json", PYFFIPAR_CACHE_DIR=str(folder)))["cache"]["entries"] == entries
    told = doctor("--clear-cache", PYFFIPAR_CACHE_DIR=str(folder))
    assert "int one(void) { return 1; }" in told
    assert f"\n{entries} entries" in told
    assert json.loads(doctor("--clear-cache", "--json", PYFFIPAR_CACHE_DIR=str(folder))) == {"removed": [], "bytes": 0}


def test_every_extra_of_the_project_is_known_with_its_modules(parts: Any) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        extra: {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "all"
    }
    assert {extra: {module.lower() for module in modules} for extra, modules in parts.looks.EXTRAS.items()} == wanted


def test_every_variable_of_the_package_is_looked_at(parts: Any) -> None:
    page = (CHECKOUT / "docs" / "environment.md").read_text(encoding="utf-8")  # a test compares it with the package
    own = set(re.findall(r"^\| `(PYFFIPAR_\w+)`", page, re.MULTILINE))
    assert own
    assert {*own, "OMP_NUM_THREADS", "CC", "CXX"} <= set(parts.looks.VARIABLES)


def test_a_missing_extra_is_told_with_its_command(
    monkeypatch: pytest.MonkeyPatch, parts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    import doctor as script

    monkeypatch.setattr(parts.looks, "EXTRAS", {"plot": ("matplotlib_that_is_not_there",)})
    lines = list(script._extras(parts.looks.extras()))
    assert lines == ["plot           without matplotlib_that_is_not_there: pip install 'pyffipar[plot]'"]
    monkeypatch.delitem(sys.modules, "doctor")


@pytest.fixture
def healthy(parts: Any) -> dict[str, Any]:
    """Facts with nothing to fix."""
    return {
        "library": {
            "build_type": "Release", "sanitizer": "none", "simd_level": "avx2", "simd_of_this_cpu": "avx2",
        },
        "pyffipar": {"folder": "/here", "installed": [{"version": "1", "folder": "/here", "is_imported": True}]},
        "python": {"free_threaded_build": False, "gil": True},
        "cpus": {"threads": 2, "usable": 2},
        "environment": {},
        "pools": {
            "found": [{"user_api": "openmp", "prefix": "libgomp"}, {"user_api": "blas", "prefix": "libopenblas"}]
        },
        "compilers": {"c": {"command": ["cc"], "version": "cc"}},
        "cache": {"folder": "/cache", "entries": 3, "bytes": 1000},
    }  # fmt: skip


CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("library", {"build_type": "Debug"}, "Debug build"),
    ("library", {"sanitizer": "thread"}, "the sanitizer thread"),
    ("library", {"simd_level": "baseline"}, "at level baseline, this CPU has avx2"),
    (
        "pyffipar",
        {"installed": [{"version": "7", "folder": "/there", "is_imported": False}]},
        "version 7 is installed in",
    ),
    ("python", {"free_threaded_build": True}, "runs with it"),
    ("cpus", {"threads": 3}, "3 threads on 2 CPUs"),
    ("pools", {"found": [{"user_api": "openmp", "prefix": p} for p in ("libgomp", "libiomp")]}, "2 OpenMP runtimes"),
    ("compilers", {"c": {"error": "no compiler found"}}, "no compiler for C"),
    ("cache", {"bytes": 2 << 30}, "holds 2.1 GB in 3 entries"),
]


@pytest.mark.parametrize(("section", "change", "told"), CHANGES, ids=[told for _, _, told in CHANGES])
def test_what_is_not_as_it_should_be_is_found(
    parts: Any, healthy: dict[str, Any], section: str, change: dict[str, Any], told: str
) -> None:
    assert parts.findings.findings(healthy, []) == []
    facts = copy.deepcopy(healthy)
    facts[section].update(change)
    (finding,) = parts.findings.findings(facts, [])
    assert told in finding.what
    assert finding.why
    assert finding.command
    assert not finding.is_fault


def test_openmps_variable_is_found_where_it_keeps_calls_to_fewer_threads(parts: Any, healthy: dict[str, Any]) -> None:
    healthy["cpus"]["threads"] = 1
    healthy["environment"] = {"OMP_NUM_THREADS": "1"}
    (finding,) = parts.findings.findings(healthy, [])
    assert finding.command == "export PYFFIPAR_NUM_THREADS=2"
    healthy["environment"]["PYFFIPAR_NUM_THREADS"] = "1"  # somebody wants it so
    assert parts.findings.findings(healthy, []) == []


def test_other_bits_and_errors_of_an_executor_are_faults(
    parts: Any, healthy: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bits(executor: str, *_: object) -> list[bytes]:
        if executor == "threads":
            raise TimeoutError("too long")
        return [b"other" if executor == "native" else b"same"]

    monkeypatch.setattr(parts.selftest, "_bits", bits)
    trials = parts.selftest.try_executors()
    assert trials[0].executor == "serial"
    found = parts.findings.findings(healthy, trials)
    assert all(finding.is_fault for finding in found)
    assert sorted(finding.what for finding in found) == [
        "native: other bits than serial's",
        "threads: TimeoutError: too long",
    ]
