"""The order of the modules: each imports only from below, and what touches C or NumPy stays where it belongs."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pyffipar"

# Modules and folders of them, lowest first: each imports from lower levels only, and inside a folder none in a circle.
LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "system", "kinds", "partition"}),
    frozenset({"language", "options", "_native"}),
    frozenset({"sources", "threadpools"}),
    frozenset({"plans", "submitting"}),
    frozenset({"timelines"}),
    frozenset({"watching"}),
    frozenset({"executors"}),
    frozenset({"carrying", "recall", "preparing", "streaming"}),
    frozenset({"lazy", "memory"}),
    frozenset({"function", "stubs"}),
    frozenset({"library"}),
    frozenset({"kernels", "declaring"}),
    frozenset({"__init__"}),
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}

MAY_USE_CTYPES = {
    "system/addresses",
    "system/floating",
    "language/scalars",
    "sources/symbols",
    "sources/introspection",
    "sources/function_sources",
    "plans/handles",
    "plans/callbacks",
    "_native/__init__",
    "_native/mirror",
    "_native/built_ins",
    "executors/serial",
    "executors/threads",
    "executors/native",
    "executors/repertoire",
    "kernels/direct",
}
MAY_USE_NUMPY = {"language/scalars", "language/names"}  # of the language: what ties types of C to dtypes
LONGEST = 400  # lines; beyond that a file holds two subjects

MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES} - {PACKAGE})


def name_of(path: Path) -> str:
    """The module's place in the package: ``plan``, ``executors/serial``."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def room_of(name: str) -> str:
    """The entry of LEVELS that a module belongs to: a folder counts as one."""
    return name.split("/", maxsplit=1)[0]


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of what a module imports, wherever in it; under TYPE_CHECKING too."""
    here = ["pyffipar", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """Rooms of this package that a module imports from."""
    dotted = (name.split(".") for name in imports(path))
    return {parts[1] for parts in dotted if parts[0] == "pyffipar" and len(parts) > 1}


def neighbours(path: Path) -> set[str]:
    """Modules of its own folder that a module imports."""
    dotted = (name.split(".") for name in imports(path))
    return {parts[2] for parts in dotted if parts[:2] == ["pyffipar", path.parent.name] and len(parts) > 2}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_has_a_level(path: Path) -> None:
    assert room_of(name_of(path)) in LEVEL, "new module: give it a level above all that it imports"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_imports_only_from_below(path: Path) -> None:
    room = room_of(name_of(path))
    for other in own_imports(path):
        if other == room and path.parent != PACKAGE:
            continue
        # __version__ and the like come from the package itself, which stands on top: nothing below may want them.
        assert other in LEVEL, f"{name_of(path)} imports {other}, which is no module"
        assert LEVEL[other] < LEVEL[room], f"{name_of(path)} imports {other}, which is not below it"


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES} - {PACKAGE}), ids=lambda folder: folder.name
)
def test_modules_of_a_folder_do_not_import_in_a_circle(folder: Path) -> None:
    modules = {path.stem: path for path in folder.glob("*.py")}
    graph = {name: neighbours(path) & modules.keys() for name, path in modules.items() if name != "__init__"}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_ctypes_stays_at_the_boundary(path: Path) -> None:
    uses = any(name.split(".")[0] == "ctypes" for name in imports(path))
    assert not uses or name_of(path) in MAY_USE_CTYPES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_language_knows_nothing_of_numpy(path: Path) -> None:
    uses = any(name.split(".")[0] == "numpy" for name in imports(path))
    assert not uses or room_of(name_of(path)) != "language" or name_of(path) in MAY_USE_NUMPY


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_boundary_names_our_library(path: Path) -> None:
    uses = any(name.rpartition(".")[2] == "_native" or "pyffipar._native." in name for name in imports(path))
    assert not uses or room_of(name_of(path)) in {"_native", "executors", "kernels", "threadpools"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) < LONGEST


def test_levels_name_only_what_there_is() -> None:
    rooms = {room_of(name_of(path)) for path in MODULES}
    assert set(LEVEL) <= rooms, f"remove from LEVELS: {set(LEVEL) - rooms}"
