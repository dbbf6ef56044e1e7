"""The demo: it runs on given files and on the system's own, and a wrong bit is told by its exit status."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "demo.py"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    np.random.default_rng(1).integers(0, 256, 3_000_001, np.uint8).tofile(path)
    return path


def test_given_files_are_worked_on(demo: ModuleType, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main([str(file), str(file), "--threads", "3", "--repeats", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"6 MiB of {file}, {file}; 3 threads; median of 1\n")
    rows = [line for line in told.split("\n") if " equal " in line]
    assert len(rows) == 5 * len(demo.EXECUTORS)
    assert all(row.endswith("right") for row in rows)
    assert "All bits are equal." in told


def test_the_systems_own_files_are_found_and_kept(
    demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--size", "2", "--repeats", "1"]) == 0
    (kept,) = (tmp_path / "cache").rglob("*.*")
    assert kept.stat().st_size == 2 << 20
    before = kept.stat().st_mtime_ns
    assert demo.main(["--size", "2", "--repeats", "1"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert "2 MiB of files of the system" in capsys.readouterr().out


def test_too_few_files_are_repeated(demo: ModuleType, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(bytes(range(100)))
    demo.collect(iter([small]), 1050, tmp_path / "all")
    assert (tmp_path / "all").read_bytes() == (bytes(range(100)) * 11)[:1050]


def test_a_wrong_bit_is_told_by_the_exit_status(
    demo: ModuleType, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    works = list(demo.works(demo.load([str(file)], 0)))
    wrong = demo.Work(works[0].name, works[0].function, works[0].arguments, lambda result: int(result) == 1)
    monkeypatch.setattr(demo, "works", lambda _: [wrong])
    assert demo.main([str(file), "--repeats", "1"]) == 1
    told = capsys.readouterr().out
    assert told.count("WRONG") == len(demo.EXECUTORS)
    assert "SOME RESULTS DIFFER." in told


def test_an_executor_with_other_bits_is_named(
    demo: ModuleType, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def options(self, executor: str, threads: int) -> object:
            return lambda: np.float64(-0.0 if executor == "native" else 0.0)

    monkeypatch.setattr(demo, "works", lambda _: [demo.Work("zero", Odd(), (), lambda result: result == 0)])
    assert demo.main([str(file), "--repeats", "1"]) == 1
    rows = capsys.readouterr().out.split("\n")
    assert [" DIFFER " in row for row in rows if "right" in row] == [name == "native" for name in demo.EXECUTORS]


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--repeats", "-1"], ["--size", "0"]])
def test_numbers_below_one_are_refused(demo: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        demo.main(arguments)
    assert caught.value.code == 2


def test_too_small_a_file_is_refused(demo: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(b"tiny")
    with pytest.raises(SystemExit, match="4 bytes are too few: at least 1048576 are wanted"):
        demo.main([str(tmp_path / "tiny")])
