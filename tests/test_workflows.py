"""What is done on GitHub's machines agrees with the files that it is about."""

from __future__ import annotations

import ast
import fnmatch
import re
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

CHECKOUT = Path(__file__).parents[1]
WORKFLOWS = CHECKOUT / ".github" / "workflows"
in_a_checkout = pytest.mark.skipif(not WORKFLOWS.is_dir(), reason="an sdist has no workflows")


@in_a_checkout
def test_the_documentation_is_built_when_a_page_that_it_includes_changes() -> None:
    text = (WORKFLOWS / "docs.yml").read_text(encoding="utf-8")
    listed = re.search(r"^ +paths: \[(.*)\]$", text, re.MULTILINE)
    assert listed
    patterns = [pattern.strip().replace("**/", "*").replace("/**", "/*") for pattern in listed[1].split(",")]
    docs = CHECKOUT / "docs"
    included = [
        (docs / name).resolve().relative_to(CHECKOUT.resolve())
        for page in docs.glob("*.md")
        for name in re.findall(r"^```\{include\} (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert included
    for path in (*included, Path("docs/index.md"), Path("pyffipar/__init__.py")):
        assert any(fnmatch.fnmatch(path.as_posix(), pattern) for pattern in patterns), path


@in_a_checkout
def test_the_message_that_windows_must_give_is_the_builds_own() -> None:
    cmake = (CHECKOUT / "CMakeLists.txt").read_text(encoding="utf-8")
    branch = re.search(r"if\(WIN32\)\s+message\(FATAL_ERROR ([^)]*)\)\s+endif\(\)", cmake)
    assert branch
    message = "".join(re.findall(r'"([^"]*)"', branch[1]))
    text = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    wanted = re.search(r"PYFFIPAR_TOLD: >-\n((?: {12}\S.*\n)+)", text)
    assert wanted
    assert " ".join(wanted[1].split()) == message


@in_a_checkout
def test_actions_are_pinned_to_commits() -> None:
    used = [name for path in WORKFLOWS.glob("*.yml") for name in re.findall(r"uses: (.*)", path.read_text())]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", name) for name in used)
    assert len({name.split("@")[0] for name in used}) == len(set(used)), "one action in two versions"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def test_tests_of_wheels_import_no_more_than_their_group_brings(project: dict[str, Any]) -> None:
    """Some packages of the other groups do not exist for every platform that has a wheel."""
    settings = project["tool"]["cibuildwheel"]
    (group,) = settings["test-groups"]
    there = {re.split(r"[^\w-]", name)[0] for name in project["dependency-groups"][group]}
    there |= {re.split(r"[^\w-]", name)[0] for name in project["project"]["dependencies"]} | {"pyffipar"}
    there |= {"matrix", "samples"}  # of the tests themselves
    files = re.findall(r"\{project\}/(tests/\S+)", settings["test-command"])
    assert files
    shared = ["tests/conftest.py", "tests/matrix.py", "tests/shared/samples.py"]
    paths = [CHECKOUT / file for file in (*files, *shared)]
    for file in [path for given in paths for path in (given.glob("*.py") if given.is_dir() else [given])]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) <= there, file


def test_a_wheel_is_tested_on_every_version_that_the_project_names(project: dict[str, Any]) -> None:
    named = re.findall(r"Python :: 3\.(\d+)\b", "\n".join(project["project"]["classifiers"]))
    assert project["tool"]["cibuildwheel"]["build"].split() == [f"cp3{minor}-*" for minor in named]
