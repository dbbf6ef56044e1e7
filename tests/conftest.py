"""What all tests share: no test touches the user's own compile cache."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does; a hang ends at pytest's timeout.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

CHECKOUT = Path(__file__).parents[1].resolve()


def _prefer_installed() -> None:
    """Take the checkout off the search path if pyffipar is installed: `python -m pytest` puts it there, in front.

    The checkout holds no compiled library, and what is tested is what users get.
    """
    before = sys.path[:]
    sys.path[:] = [entry for entry in before if Path(entry).resolve() != CHECKOUT]
    if importlib.util.find_spec("pyffipar") is None:
        sys.path[:] = before


_prefer_installed()


def pytest_report_header() -> list[str]:
    """Say what is tested."""
    import pyffipar
    from pyffipar import _native, errors

    try:
        library = _native.build_info()
    except errors.NativeLibraryError as error:  # the tests that need it fail by themselves
        library = str(error)
    return [f"pyffipar: {Path(str(pyffipar.__file__)).parent}", f"native library: {library}"]


@pytest.fixture(scope="session")
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One compile cache for the whole run."""
    folder = tmp_path_factory.mktemp("compiled")
    folder.chmod(0o700)
    return folder


@pytest.fixture(autouse=True)
def _private_cache(monkeypatch: pytest.MonkeyPatch, compile_cache: Path) -> None:
    """Point pyffipar at it."""
    monkeypatch.setenv("PYFFIPAR_CACHE_DIR", str(compile_cache))


@pytest.fixture(scope="session")
def cc() -> str:
    """A C compiler: the suite cannot do without one."""
    found = shutil.which("cc")
    assert found is not None, "the tests need a C compiler called cc"
    return found
