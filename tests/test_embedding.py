"""The package of docs/embedding.md, built from the page itself: wheel, empty environment, editable install."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import pyffipar

PAGE = Path(__file__).parents[1] / "docs" / "embedding.md"
FILE = re.compile(r'^```\{code-block\} \w+\n:caption: "`(\S+)`"\n\n(.*?)^```$', re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path) -> str:
    """What a program prints; all that it said if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pip(*arguments: str | Path, folder: Path, python: Path | None = None) -> None:
    """This environment's own pip, on another environment if need be, without a network."""
    chosen: list[str | Path] = ["--python", python] if python else []
    quiet = ["--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", *chosen, *arguments, *quiet, folder=folder)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files in a folder."""
    folder = tmp_path_factory.mktemp("smoothing")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The interpreter of an environment that has what this one has, and not the package."""
    run(sys.executable, "-m", "venv", "--without-pip", "environment", folder=tmp_path)
    (packages,) = tmp_path.glob("environment/lib/python*/site-packages")
    roots = [Path(str(module.__file__)).parents[1] for module in (pyffipar, np)]
    (packages / "peers.pth").write_text("\n".join(map(str, roots)))
    return tmp_path / "environment" / "bin" / "python"


def test_the_page_lists_the_files_it_shows(sources: Path) -> None:
    listing = re.search(r"^```text\nsmoothing/\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert listing
    inner = (line for line in listing[1].splitlines() if not line.endswith("/"))
    listed = {("smoothing/" if line.startswith(" " * 8) else "") + line.strip() for line in inner}
    found = {path.relative_to(sources).as_posix() for path in sources.rglob("*") if path.is_file()}
    assert listed == found - {"try.py"}


def test_its_wheel_serves_every_python_and_works_in_an_empty_environment(
    sources: Path, environment: Path, tmp_path: Path
) -> None:
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", tmp_path, sources, folder=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("smoothing-1.0-py3-none-")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("smoothing/")}
    assert packed == {f"smoothing/{name}" for name in ("__init__.py", "contracts.txt", "libsmoothing.so", "py.typed")}
    pip("install", "--no-deps", "--no-index", wheel, folder=tmp_path, python=environment)
    shutil.copy(sources / "try.py", tmp_path)  # away from the sources
    run(environment, "try.py", folder=tmp_path)


def test_an_editable_install_finds_the_library_too(sources: Path, environment: Path, tmp_path: Path) -> None:
    pip(
        "install", "--no-build-isolation", "--no-deps", "--no-index", "--editable", sources,
        folder=tmp_path, python=environment,
    )  # fmt: skip
    place = run(
        environment, "-c", "import smoothing; print(smoothing.__file__, smoothing.roughness([1, 3]))", folder=tmp_path
    )
    assert place.split() == [str(sources / "smoothing" / "__init__.py"), "4.0"]


def test_its_types_satisfy_a_strict_checker(sources: Path, tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed: it comes with the dependency group lint")
    (tmp_path / "use.py").write_text("from smoothing import smoothed\nreveal_type(smoothed([1.0]))\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", "/dev/null", "use.py"]
    shutil.copytree(sources / "smoothing", tmp_path / "smoothing")
    told = run(*command, folder=tmp_path)
    assert re.search(r"Revealed type is .*ndarray\[", told), told
