"""What is shipped: extras that exist, versions that agree, and a library that shows nothing but its interface."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyffipar
from pyffipar import _native
from pyffipar.sources.libraries import exported_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

CHECKOUT = Path(__file__).parents[1]
PACKAGE = Path(str(pyffipar.__file__)).parent
EXTRA = re.compile(r"pyffipar\[([\w,]+)\]")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def library() -> Path:
    """Our own shared library, as it is loaded."""
    return Path(_native.library()._name)


def test_all_means_every_extra(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    named = EXTRA.fullmatch(everything)
    assert named
    assert set(named[1].split(",")) == set(extras) - {"all"}


def test_extras_that_messages_and_pages_name_exist(project: dict[str, Any]) -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*PACKAGE.rglob("*.py"), *(CHECKOUT / "docs").glob("*.md")]]
    named = {extra for text in texts for match in EXTRA.findall(text) for extra in match.split(",")}
    assert named
    assert named <= set(project["project"]["optional-dependencies"])


def test_only_numpy_and_pycparser_are_wanted(project: dict[str, Any]) -> None:
    wanted = {re.split(r"\W", requirement)[0] for requirement in project["project"]["dependencies"]}
    assert wanted == {"numpy", "pycparser"}


def test_the_oldest_versions_that_are_allowed_are_those_that_are_tested(project: dict[str, Any]) -> None:
    script = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    tested = re.search(r"^oldest=\((.*?)\)", script, re.MULTILINE)
    pythons = re.search(r"^pythons=\(([\d.]+)", script, re.MULTILINE)
    assert tested
    assert pythons
    wanted = [requirement.replace(">=", "==") for requirement in project["project"]["dependencies"]]
    assert [version.strip("'").removesuffix(".*") for version in tested[1].split()] == wanted
    assert project["project"]["requires-python"] == f">={pythons[1]}"


def test_versions_agree() -> None:
    cited = re.search(r"^version: (.*)$", (CHECKOUT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited
    assert cited[1] == pyffipar.__version__


def test_pre_commit_runs_the_versions_of_the_lint_group(project: dict[str, Any]) -> None:
    text = (CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = dict(re.findall(r"repo: \S+/(\S+)\n +rev: v(\S+)", text))
    pinned = dict(line.split("==") for line in project["dependency-groups"]["lint"] if "==" in line)
    assert {name: hooks[f"mirrors-{name}"] for name in ("clang-format", "mypy")} | {
        "ruff": hooks["ruff-pre-commit"]
    } == pinned


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
def test_the_library_shows_nothing_but_its_interface(library: Path) -> None:
    """Neither our templates nor libffi, which would take the place of another libffi in the process."""
    names = exported_names(str(library))
    assert set(_native.FUNCTIONS) <= names
    assert {name for name in names if not name.startswith("pyffipar_")} == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
def test_the_library_wants_only_what_every_system_has(library: Path) -> None:
    readelf = shutil.which("readelf")
    assert readelf is not None, "binutils come with the compiler that the tests need"
    told = subprocess.run([readelf, "-d", str(library)], capture_output=True, text=True, check=True).stdout
    assert "(RPATH)" not in told
    assert "(RUNPATH)" not in told
    wanted = {name.split(".so")[0] for name in re.findall(r"\(NEEDED\).*\[(.*)\]", told)}
    # libffi is shared where one compiles for oneself, and inside where a wheel is made for others.
    system = {"libc", "libm", "libstdc++", "libgcc_s", "libpthread", "libffi", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert wanted <= system
