"""The README tells the truth: its Python gives what it says, its commands are whole and are the ones tested."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[1]
README = CHECKOUT / "README.md"
PROMISE = re.compile(r"#\s->\s?(.*)$")


def blocks(language: str) -> Iterator[tuple[int, str]]:
    """Fenced blocks with the line on which each begins, counted from 1."""
    text = README.read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def run(code: str, names: dict[str, Any], shown: Callable[[object], str]) -> tuple[list[str], list[str]]:
    """Execute a block; what it promised behind ``# ->``, and what it printed or its promised expressions were."""
    lines = code.split("\n")
    told: list[str] = []
    for node in ast.parse(code).body:
        promised = PROMISE.search(lines[int(node.end_lineno or node.lineno) - 1])
        source = ast.unparse(node)
        with redirect_stdout(io.StringIO()) as printed:
            if promised and isinstance(node, ast.Expr):
                told.append(shown(eval(source, names)))  # noqa: S307 - our own README
            else:
                exec(source, names)  # noqa: S102 - our own README
        told += printed.getvalue().splitlines()
    return [match[1] for match in map(PROMISE.search, lines) if match], told


def test_every_python_block_gives_what_it_promises(shown: Callable[[object], str]) -> None:
    names: dict[str, Any] = {}
    promises = 0
    for line, code in blocks("python"):
        promised, told = run(code, names, shown)
        assert [text.rstrip() for text in told] == [text.rstrip() for text in promised], f"README.md, line {line}"
        promises += len(promised)
    assert promises > 10


def test_the_first_example_has_twenty_lines() -> None:
    _, code = next(blocks("python"))
    assert len([text for text in code.split("\n") if text.strip()]) <= 20


def test_there_are_two_commands_of_one_line_each() -> None:
    commands = [code for _, code in blocks("bash")]
    assert len(commands) == 2
    assert all(command.count("\n") == 1 for command in commands)


def test_every_step_of_the_commands_can_be_split_and_names_files_that_exist() -> None:
    for _, code in blocks("bash"):
        assert subprocess.run(["bash", "-n"], input=code, text=True, check=False).returncode == 0  # noqa: S607
        for word in shlex.split(code):
            if word.endswith(".py"):
                assert (CHECKOUT / word).is_file()


def test_the_whole_check_runs_the_readmes_own_commands() -> None:
    """.ci/run takes the blocks out of this file, so there is no second copy to drift; here: that it still does."""
    script = CHECKOUT / ".ci" / "run"
    if not script.is_file():
        pytest.fail("this test belongs to a checkout: .ci/run is not there")
    text = script.read_text()
    match = re.search(r"^readme_commands\(\) \{ (?P<command>.*); \}$", text, re.MULTILINE)
    assert match, ".ci/run has no readme_commands"
    taken = subprocess.run(  # as .ci/run does
        ["bash", "-c", match["command"]],  # noqa: S607
        env={"checkout": str(CHECKOUT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert taken == "".join(code for _, code in blocks("bash"))
    assert re.search(r"bash .*\$work/readme\.sh", text), ".ci/run does not execute what it took"


def test_packages_the_readme_installs_are_those_the_whole_check_installs() -> None:
    command = next(code for _, code in blocks("bash"))
    install = re.search(r"apt-get install ([^&]*)", command)
    assert install
    packages = {word for word in install[1].split() if not word.startswith("-")}
    assert packages <= set((CHECKOUT / ".ci" / "run").read_text().split())


def test_every_clause_and_executor_the_readme_names_exists() -> None:
    from pyffipar.language.clause_reading import _READERS
    from pyffipar.options import EXECUTORS

    text = README.read_text(encoding="utf-8")
    clauses = re.findall(r"^\| `(.*?)` \|", text.split("| clause |")[1].split("\n\n")[0], re.MULTILINE)
    named = {word for cell in clauses for word in re.findall(r"([a-z]+)\(", cell)} - {"strerror"}
    assert named
    assert named <= set(_READERS)
    assert all(f"`{name}`" in text for name in EXECUTORS)
