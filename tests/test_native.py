"""The boundary: finding our library, refusing the wrong one, declaring every function."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyffipar import _native
from pyffipar.errors import NativeLibraryError
from pyffipar.sources.compiling import build
from pyffipar.sources.recipes import Recipe


@pytest.fixture
def unloaded() -> Iterator[None]:
    """Forget the loaded library during the test."""
    _native._load.cache_clear()
    yield
    _native._load.cache_clear()


def override(monkeypatch: pytest.MonkeyPatch, path: object) -> None:
    monkeypatch.setenv(_native.LIBRARY_VARIABLE, str(path))


def test_library_is_loaded_once_by_any_number_of_threads(unloaded: None) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = set(pool.map(lambda _: id(_native.library()), range(32)))
    assert len(loaded) == 1


def test_every_function_is_declared() -> None:
    library = _native.library()
    for name, signature in _native.FUNCTIONS.items():
        function = getattr(library, name)
        assert function.restype is signature.result.ctype
        assert function.argtypes == tuple(parameter.ctype for parameter in signature.parameters)


def test_versions_agree() -> None:
    assert _native.library().pyffipar_abi_version() == _native.ABI_VERSION


def test_library_says_how_it_was_built() -> None:
    assert "\n" not in _native.build_info()
    assert _native.build_info().strip()


def test_last_error_tells_why_a_call_was_refused() -> None:
    function = ctypes.c_void_p()
    types = (ctypes.c_int32 * 1)(_native.Type.I32)
    status = _native.library().pyffipar_function_create(None, _native.Type.VOID, types, 1, 0, ctypes.byref(function))
    assert status == _native.Status.INVALID
    assert _native.last_error()


def test_wrong_argument_is_refused_before_the_call() -> None:
    with pytest.raises(ctypes.ArgumentError):
        _native.library().pyffipar_run(3, 0)


@pytest.mark.parametrize("mirror", _native.STRUCTS.values())
def test_misspelt_member_is_an_error(mirror: type[ctypes.Structure]) -> None:
    with pytest.raises(AttributeError):
        mirror().lenght = 3


def test_import_needs_no_library(tmp_path: Path) -> None:
    program = "import pyffipar, pyffipar._native as n; print(n.Status.DONE)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={_native.LIBRARY_VARIABLE: "/nonexistent/libpyffipar.so", **search_path()},
    )
    assert result.stdout.strip() in ("0", "Status.DONE")


def search_path() -> dict[str, str]:
    """Where a subprocess finds what this process found."""
    return {"PYTHONPATH": str(Path(_native.__file__).parents[2])}


def test_missing_library_names_every_file_tried_and_how_to_build(
    unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(_native.LIBRARY_VARIABLE, raising=False)
    folders = [tmp_path / "source", tmp_path / "compiled"]
    monkeypatch.setattr(sys.modules["pyffipar"], "__path__", [str(folder) for folder in folders])
    with pytest.raises(NativeLibraryError) as caught:
        _native.library()
    for folder in folders:
        assert f"{folder / _native._file_name()}: no such file" in str(caught.value)
    assert "pip install ." in str(caught.value)


def test_library_in_a_later_folder_of_the_package_is_found(
    unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = Path(_native.library()._name)
    _native._load.cache_clear()
    monkeypatch.delenv(_native.LIBRARY_VARIABLE, raising=False)
    (tmp_path / _native._file_name()).symlink_to(found)
    monkeypatch.setattr(sys.modules["pyffipar"], "__path__", [str(tmp_path / "empty"), str(tmp_path)])
    assert _native.library()._name == str(tmp_path / _native._file_name())


def test_a_failure_to_load_is_not_remembered(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        override(patch, "/nonexistent/libpyffipar.so")
        with pytest.raises(NativeLibraryError):
            _native.library()
    assert _native.library().pyffipar_abi_version() == _native.ABI_VERSION


def test_variable_goes_before_the_package_and_is_named_when_wrong(
    unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    override(monkeypatch, tmp_path / "none.so")
    with pytest.raises(NativeLibraryError, match=r"none\.so: no such file\nPYFFIPAR_LIBRARY names this file"):
        _native.library()


def test_file_that_is_no_library_is_refused(unloaded: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "libpyffipar.so"
    path.write_text("not a library, but long enough to have been one" * 10)
    override(monkeypatch, path)
    with pytest.raises(NativeLibraryError, match=r"libpyffipar\.so: .*(invalid ELF header|not a mach-o|slice)"):
        _native.library()


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("int other(void) { return 0; }", "no pyffipar library"),
        ("int pyffipar_abi_version(void) { return 999; }", "ABI version 999, this package wants"),
        (f"int pyffipar_abi_version(void) {{ return {_native.ABI_VERSION}; }}", "no pyffipar_build_info"),
    ],
)
def test_wrong_library_is_refused(unloaded: None, monkeypatch: pytest.MonkeyPatch, source: str, match: str) -> None:
    override(monkeypatch, build(Recipe(source)))
    with pytest.raises(NativeLibraryError, match=match):
        _native.library()


def test_failed_rebuild_of_an_editable_install_is_our_error(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise subprocess.CalledProcessError(2, ["cmake", "--build", "."])

    monkeypatch.delenv(_native.LIBRARY_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", fail)
    with pytest.raises(NativeLibraryError, match=r"could not be rebuilt.*cmake"):
        _native.library()
