"""What all tests share: no test touches the user's own compile cache."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

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


@pytest.fixture(scope="session")
def shown() -> Callable[[object], str]:
    """How an interpreter shows a value; NumPy's numbers as NumPy 2 has them, since 1 leaves their types out."""
    return _shown


def _shown(value: object) -> str:
    import numpy as np

    if type(value) in (tuple, list) and isinstance(value, (tuple, list)):
        inside = ", ".join(map(_shown, value)) + "," * (type(value) is tuple and len(value) == 1)
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    text = repr(value)
    if not isinstance(value, np.generic) or text.startswith("np."):
        return text
    return f"np.{bool(value)}_" if isinstance(value, np.bool_) else f"np.{type(value).__name__}({text})"


def _load_matrix() -> ModuleType:
    """One call of every kind of function: `matrix.py` beside this file, which is no test."""
    specification = importlib.util.spec_from_file_location("matrix", Path(__file__).with_name("matrix.py"))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["matrix"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a `case` on every one of the matrix, or on those that a mark names."""
    if "case" in metafunc.fixturenames:
        cases = _load_matrix().CASES
        if mark := metafunc.definition.get_closest_marker("cases"):
            cases = {name: cases[name] for name in mark.args or cases.keys() - mark.kwargs["without"]}
        metafunc.parametrize("case", cases.values(), ids=cases)


def pytest_report_header() -> list[str]:
    """Say what is tested."""
    import pyffipar
    from pyffipar import _native, errors

    try:
        library = _native.build_info()
    except errors.NativeLibraryError as error:  # the tests that need it fail by themselves
        library = str(error)
    return [f"pyffipar: {Path(str(pyffipar.__file__)).parent}", f"native library: {library}"]


@pytest.fixture(scope="session", autouse=True)
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One compile cache for the whole run, and for every process that it starts."""
    folder = tmp_path_factory.mktemp("compiled")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYFFIPAR_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def cc() -> str:
    """A C compiler: the suite cannot do without one."""
    found = shutil.which("cc")
    assert found is not None, "the tests need a C compiler called cc"
    return found
