"""The documentation tells the truth: its Python runs and gives what it says; its links lead somewhere."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import pyffipar as pf
from pyffipar.language.clause_reading import _READERS
from pyffipar.language.clauses import BOUNDARIES, LOCATORS, OPERATORS

DOCS = Path(__file__).parents[1] / "docs"
INDEX = DOCS / "index.md"
PAGES = sorted(DOCS.glob("*.md"))
PROMISE = re.compile(r"#\s->\s?(.*)$", re.MULTILINE)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """Fenced blocks with the line on which each begins."""
    fences = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, fence.start(1)) + 1, fence[1]) for fence in fences]


def told(code: str, names: dict[str, Any], shown: Callable[[object], str]) -> list[str]:
    """What a block prints, and the values of expressions with a promise behind them, line by line."""
    found: list[str] = []
    lines = code.split("\n")
    for node in ast.parse(code).body:
        with redirect_stdout(io.StringIO()) as printed:
            if isinstance(node, ast.Expr) and PROMISE.search(lines[(node.end_lineno or 1) - 1]):
                value = eval(ast.unparse(node), names)  # noqa: S307 - our own documentation
                found += [] if value is None else [shown(value)]
            else:
                exec(ast.unparse(node), names)  # noqa: S102 - as above
        found += printed.getvalue().splitlines()
    return found


@every_page
def test_python_gives_what_it_promises(page: Path, shown: Callable[[object], str]) -> None:
    names: dict[str, Any] = {}
    for line, code in blocks(page.read_text(encoding="utf-8"), "python"):
        promised = [text.rstrip() for text in PROMISE.findall(code)]
        assert [text.rstrip() for text in told(code, names, shown)] == promised, f"{page.name}, line {line}"


@every_page
def test_no_block_escapes_execution(page: Path) -> None:
    """Python in a list, under another name or in a directive would not be found; files of embedding.md have a test."""
    fences = re.findall(r"^( *)(?:```+|~~~+|:::+)(\S[^\n]*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    languages = {language for _, language in fences}
    known = {"python", "c", "bash", "text", "{toctree}", "{eval-rst}", "{include}"}
    known |= {"{code-block}"} if page.name == "embedding.md" else set()
    assert {language.split()[0] for language in languages} <= known
    assert {language for language in languages if "py" in language} <= {"python", "{code-block} python"}
    assert not any(indent for indent, _ in fences)


def _anchor(heading: str) -> str:
    """A heading's name as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, part = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), f"{page.name}: {target}"
        if part:
            headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in map(_anchor, headings), f"{page.name}: {target}"


def test_every_page_is_in_the_index() -> None:
    """Sphinx refuses a page that is left out, too, but not on every machine is there a Sphinx."""
    trees = re.findall(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```$", INDEX.read_text(), re.MULTILINE | re.DOTALL)
    listed = [name for tree in trees for name in tree.split()]
    assert sorted(listed) == sorted(page.stem for page in PAGES if page != INDEX)


def test_every_public_name_is_in_the_reference_once() -> None:
    """Those that are told about in the reference are there, and nothing else is."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    named = [name for text in texts for name in re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE)]
    modules = {"compile_cache": ["folder", "entries", "clear", "Entry"], "kernels": ["prepare"]}
    inside = [f"{module}.{name}" for module, names in modules.items() for name in names]
    wanted = {*pf.__all__, *inside} - {"compile_cache"}
    assert sorted(name.removeprefix("pyffipar.") for name in named) == sorted(wanted)


def _variables() -> set[str]:
    """Environment variables that the package and its library read: all names in capitals where the environment is."""
    found: set[str] = set()
    for path in Path(str(pf.__file__)).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        literals -= {node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}  # `__all__` names them again
        names = {word for word in literals if isinstance(word, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", word)}
        reads = re.search(r"\benviron\b", text) is not None
        found |= {name for name in names if reads or name.startswith("PYFFIPAR_")}
    for folder in ("src", "kernels"):
        for path in (DOCS.parent / "cpp" / folder).glob("*.[ch]pp"):
            found |= set(re.findall(r"\bgetenv\(\s*\"(\w+)\"", path.read_text(encoding="utf-8")))
    return found - {"ARM", "HH"}  # a platform and a format, beside those in sources/libraries.py


def test_every_environment_variable_is_described_in_one_place() -> None:
    wanted = _variables()
    assert {"PYFFIPAR_NUM_THREADS", "PYFFIPAR_LIBRARY", "OMP_NUM_THREADS", "CC", "CPATH"} <= wanted
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (DOCS / "environment.md").read_text(encoding="utf-8")))
    assert named == wanted
    others = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, DOCS.parent / "SECURITY.md"])
    assert {*re.findall(r"\bPYFFIPAR_[A-Z_]*[A-Z]\b", others)} <= wanted


def test_the_language_is_described_whole() -> None:
    text = (DOCS / "language.md").read_text(encoding="utf-8").replace("\\|", "|")
    for clause in _READERS:
        assert re.search(rf"`[^`\n]*\b{clause}\(", text), f"no word about {clause}"
    for operator in (*OPERATORS, *LOCATORS):
        assert re.search(rf"`{re.escape(operator)}[`(]", text), f"no word about the operator {operator}"
    for mode in BOUNDARIES:
        assert f"| `{mode}" in text, f"no word about the boundary {mode}"


def test_blocks_in_c_are_declarations() -> None:
    """Those that show syntax with placeholders aside."""
    text = (DOCS / "language.md").read_text(encoding="utf-8")
    from pyffipar.language.prototype import read_prototypes
    from pyffipar.plans.roles import analyse

    read = [read_prototypes(code) for _, code in blocks(text, "c") if not code.startswith("return-type")]
    assert [analyse(prototype).split for prototypes in read for prototype in prototypes] == ["m"]
    assert pf.__version__
