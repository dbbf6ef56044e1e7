"""Functions called on files: what is written is whole, and every mistake has a message and a status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf

SCRIPT = Path(__file__).parents[1] / "scripts" / "call.py"
HYPOT = "double hypot(double x, double y);"
CRC32 = """
    uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));
"""
SOURCE = r"""
#include <stddef.h>
#include <time.h>
void both(size_t n, const double *x, double *twice, float *half) {
    for (size_t i = 0; i < n; i++) { twice[i] = 2 * x[i]; half[i] = (float)(x[i] / 2); }
}
void add_to(size_t n, double *x, double by) { for (size_t i = 0; i < n; i++) x[i] += by; }
int checked(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) { if (x[i] < 0) return -7; y[i] = x[i]; }
    return 0;
}
void crawl(size_t n, const double *x, double *y) {
    struct timespec nap = {0, 20000000};
    for (size_t i = 0; i < n; i++) { nanosleep(&nap, NULL); y[i] = x[i]; }
}
size_t positive(size_t n, const double *x, double *kept) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) if (x[i] > 0) kept[count++] = x[i];
    return count;
}
double scaled(double threads, double out) { return threads * out; }
double _Complex turned(double _Complex z);
double _Complex turned(double _Complex z) { return z * 1.0i; }
void *same(void *handle) { return handle; }
int is_null(const void *handle) { return handle == NULL; }
"""
ADD_TO = "void add_to(size_t n, double x[n], double by) inout(x);"
BOTH = "void both(size_t n, const double x[n], double twice[n], float half[n]);"
CHECKED = "int checked(size_t n, const double x[n], double y[n]) status(0);"
CRAWL = "void crawl(size_t n, const double x[n], double y[n]) chunk(max = 1);"
POSITIVE = "size_t positive(size_t n, const double x[n], double kept[n]) reduction(concat: kept);"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def library() -> str:
    """A shared library with the functions above."""
    return pf.compile(SOURCE).path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the script in an empty folder."""

    def start(*words: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        assert not list(tmp_path.glob(".*.part"))
        return done

    return start


@pytest.fixture
def x(tmp_path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Some numbers, and the same in x.npy and x.raw."""
    values = np.random.default_rng(1).standard_normal(12_000)
    np.save(tmp_path / "x.npy", values)
    values.tofile(tmp_path / "x.raw")
    return values


def test_zlib_sums_up_a_raw_file(run: Run, tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(3_000_001)
    (tmp_path / "disk.img").write_bytes(data)
    told = run("z", CRC32, "--function", "crc32", "--crc", 0, "--buf", "disk.img:u1", "--threads", 3)
    assert told.stdout == f"{zlib.crc32(data)}\n"
    told = run("z", CRC32, "--function", "crc32", "--crc", "0x0", "--buf", "disk.img:u1", "--json")
    assert json.loads(told.stdout)["results"] == {"return": zlib.crc32(data)}


@pytest.mark.parametrize("executor", ["native", "threads", "serial", "processes"])
def test_libm_maps_a_file_to_a_file(run: Run, tmp_path: Path, x: Any, executor: str) -> None:
    told = run("m", HYPOT, "--x", "x.npy", "--y", 1.5, "--out", "h.npy", "--executor", executor)
    assert told.stdout == "h.npy  float64 (12000,)\n"
    assert np.load(tmp_path / "h.npy").tobytes() == pf.load("m", HYPOT).hypot(x, 1.5).tobytes()


def test_arrays_broadcast_and_raw_files_have_shapes(run: Run, tmp_path: Path, x: Any) -> None:
    run("m", HYPOT, "--x", "x.raw:<f8:120,100", "--y", "[0, 1e3]", "--out", "h.npy", expect=2)
    run("m", HYPOT, "--x", "x.raw:<f8:120,50,2", "--y", "[0, 1e3]", "--out", "h.npy")
    wanted = pf.load("m", HYPOT).hypot(x.reshape(120, 50, 2), [0, 1e3])
    assert np.array_equal(np.load(tmp_path / "h.npy"), wanted)


def test_other_names_than_npy_take_raw_bytes(run: Run, tmp_path: Path, x: Any) -> None:
    run("m", HYPOT, "--x", "x.raw:float64", "--y", 0, "--out", "h.bin")
    assert np.array_equal(np.fromfile(tmp_path / "h.bin"), abs(x))


def test_several_results_go_to_several_files(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    told = run(library, BOTH, "--x", "x.npy", "--out", "twice=a.npy", "--out", "half=b.npy", "--json")
    results = json.loads(told.stdout)["results"]
    assert results["half"] == {"file": "b.npy", "dtype": "<f4", "shape": [12_000]}
    assert np.array_equal(np.load(tmp_path / "a.npy"), 2 * x)
    assert np.array_equal(np.load(tmp_path / "b.npy"), (x / 2).astype(np.float32))


def test_small_arrays_can_be_printed(run: Run, library: str) -> None:
    told = run(library, BOTH, "--x", "[1, 2.5]", "--out", "twice=-", "--out", "half=-")
    assert told.stdout == "twice = [2.0, 5.0]\nhalf = [0.5, 1.25]\n"


def test_results_of_unknown_length_are_written_too(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    run(library, POSITIVE, "--x", "x.npy", "--out", "kept.npy")
    assert np.array_equal(np.load(tmp_path / "kept.npy"), x[x > 0])


def test_empty_arrays_are_written_too(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.empty((0, 3)))
    (tmp_path / "none.raw").touch()
    run("m", HYPOT, "--x", "none.npy", "--y", 1, "--out", "h.npy")
    assert np.load(tmp_path / "h.npy").shape == (0, 3)
    run("m", HYPOT, "--x", "none.raw:f8", "--y", 1, "--out", "h.npy")
    assert np.load(tmp_path / "h.npy").shape == (0,)


@pytest.mark.parametrize("source", ["x.npy", "x.raw:f8"])
def test_an_array_that_is_updated_is_a_new_file(run: Run, tmp_path: Path, x: Any, library: str, source: str) -> None:
    out = "new" + source.partition(":")[0][1:]
    run(library, ADD_TO, "--x", source, "--by", 1, "--out", f"x={out}")
    read = np.load if out.endswith(".npy") else np.fromfile
    assert np.array_equal(read(tmp_path / out), x + 1)
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)
    assert np.array_equal(np.fromfile(tmp_path / "x.raw"), x)


def test_an_array_is_updated_in_place_where_that_is_said(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    np.save(tmp_path / "b.npy", 2.0)
    (tmp_path / "bad.npy").write_text("[1, 2]")
    run(library, ADD_TO, "--x", "x.npy", "--by", 1, "--out", "x=x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), x + 1)
    told = run(library, ADD_TO, "--x", "x.npy", "--by", "b.npy", "--out", "x=b.npy", expect=2)
    assert "--out x=b.npy: that is the file that --by b.npy reads" in told.stderr
    told = run(library, ADD_TO, "--x", "bad.npy", "--by", 1, "--out", "x=y.npy", expect=2)
    assert "--x bad.npy: the file is no .npy file" in told.stderr
    told = run(library, ADD_TO, "--x", "x.npy", "--by", 1, expect=2)
    assert "x is updated in place: say where the updated one goes, --out x=FILE" in told.stderr


def test_numbers_of_all_kinds(run: Run, library: str) -> None:
    told = run(library, "double _Complex turned(double _Complex z);", "--z", "1+2j")
    assert told.stdout == "(-2+1j)\n"
    told = run(library, "double _Complex turned(double _Complex z);", "--z", "1+2j", "--json")
    assert json.loads(told.stdout)["results"] == {"return": [-2.0, 1.0]}
    for word, wanted in (("NULL", 1), ("0x10", 0)):
        assert run(library, "int is_null(const void *handle);", "--handle", word).stdout == f"{wanted}\n"


def test_a_parameter_called_like_an_option_can_be_set(run: Run, library: str) -> None:
    told = run(library, "double scaled(double threads, double out);", "--set", "threads=3", "--set", "out=0.5")
    assert told.stdout == "1.5\n"


def test_declarations_can_come_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "zlib.txt").write_text(CRC32)
    (tmp_path / "data").write_bytes(b"123456789")
    assert run("z", "@zlib.txt", "--function", "crc32", "--crc", 0, "--buf", "data:u1").stdout == f"{0xCBF43926}\n"


def test_help_lists_the_parameters() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "m", HYPOT, "--help"], capture_output=True, text=True, check=True
    )
    assert "parameters of hypot" in done.stdout
    assert "double x" in done.stdout


def test_explaining_calls_and_writes_nothing(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    told = run(library, ADD_TO, "--x", "x.npy", "--by", 1, "--explain")
    assert "cut: along n" in told.stdout
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)


def test_progress_is_drawn_beside_the_result(run: Run, x: Any) -> None:
    told = run("m", HYPOT, "--x", "x.npy", "--y", 0, "--out", "h.npy", "--progress")
    assert "hypot" in told.stderr
    assert told.stdout == "h.npy  float64 (12000,)\n"


WRONG: list[tuple[list[object], str]] = [
    (["nowhere", HYPOT, "--x", 1, "--y", 1], "nowhere"),
    (["m", "double hypot(double x,", "--x", 1], "call.py: "),
    (["m", "double nothing(double x);", "--x", 1], "nothing"),
    (["m", HYPOT, "--x", 1], "y"),
    (["m", HYPOT, "--z", 1], "unrecognized arguments: --z"),
    (["m", HYPOT, "--x", "x.npy", "--y", 1], "return has 12000 elements: say --out return=FILE"),
    (["m", HYPOT, "--x", "missing.npy", "--y", 1, "--out", "h.npy"], "No such file"),
    (["m", HYPOT, "--x", "missing", "--y", 1], "double x takes a number, which this is not"),
    (["m", HYPOT, "--x", "missing", "--y", 1], "there is no such file; wanted is a number, FILE.npy"),
    (["m", "int abs(int j);", "--j", "1.5"], "int j takes an integer, which this is not, or an array of them"),
    (["m", HYPOT, "--x", "bad.npy", "--y", 1], "no .npy file: it begins with b'plain ', not with b'\\x93NUMPY'"),
    (["m", HYPOT, "--x", "bad.npy", "--y", 1], "if it holds raw numbers, say bad.npy:DTYPE"),
    (["m", HYPOT, "--x", "empty.npy", "--y", 1], "--x empty.npy: the file is empty"),
    (["m", "@nowhere.h", "--x", 1], "@nowhere.h: the declaration is to be read from 'nowhere.h': No such file"),
    (["m", "@x.npy", "--x", 1], "@x.npy: the declaration is to be read from 'x.npy', which is no text"),
    (["m", HYPOT, "--x", "x.npy", "--y", 1, "--out", "x.npy"], "--out return=x.npy: that is the file that --x x.npy"),
    (["m", HYPOT, "--x", 1, "--y", "x.raw:f8", "--out", "./link.raw"], "that is the file that --y x.raw:f8 reads"),
    (["m", HYPOT, "--x", 1, "--y", 1, "--out", "z=y.npy"], "--out z=y.npy: NAME=FILE is wanted; results are return"),
    (["m", HYPOT, "--x", "x.npy", "--y", 1, "--out", "folder"], "--out folder: it cannot be written: it is a folder"),
    (["m", HYPOT], "hypot wants --x (double x), --y (double y)"),
    (["m", "double ldexp(double threads, int e);", "--e", 1], "ldexp wants --set threads= (double threads)"),
    (["m", HYPOT, "--x", "x.raw", "--y", 1], "which dtype has it? Say x.raw:DTYPE"),
    (["m", HYPOT, "--x", "x.raw:f9", "--y", 1], "NumPy knows no dtype f9"),
    (["m", HYPOT, "--x", "odd.raw:f8", "--y", 1], "3 bytes are no whole number of float64"),
    (["m", HYPOT, "--x", "x.raw:f8:7,3", "--y", 1], "the file has 96000 bytes, (7, 3) of float64 are 168"),
    (["m", HYPOT, "--x", "[1, two]", "--y", 1], "no list of numbers"),
    (["m", HYPOT, "--x", 1, "--y", 1, "--out", "./a=b.npy", "--out", "d.npy"], "return goes to ./a=b.npy already"),
    (["m", HYPOT, "--x", "x.npy", "--y", 1, "--out", "no/h.npy"], "no file can be made in the folder no: No such file"),
    (["m", HYPOT, "--x", 1, "--y", 1, "--threads", 0], "threads = 0; at least 1 is wanted"),
    (["m", HYPOT, "--set", "q=1"], "--set q=1: NAME=VALUE is wanted; parameters are x, y"),
    (["z", CRC32, "--crc", 0], "which one? Say --function; there are crc32_combine, crc32"),
    (["z", CRC32, "--function", "crc64"], "--function crc64: declared are crc32_combine, crc32"),
    (["m", "int abs(int j);", "--j", 2**40], "1099511627776"),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[told for _, told in WRONG])
def test_mistakes_have_a_message_and_status_2(run: Run, tmp_path: Path, x: Any, words: list[object], told: str) -> None:
    (tmp_path / "odd.raw").write_bytes(b"123")
    (tmp_path / "bad.npy").write_text("plain text")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "link.raw").symlink_to("x.raw")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    done = run(*words, expect=2)
    assert told in done.stderr
    assert ".part" not in done.stderr
    assert "allow_pickle" not in done.stderr
    assert np.array_equal(np.load(tmp_path / "x.npy"), x)
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_call_leaves_the_old_file_and_status_1(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    (tmp_path / "y.npy").write_text("old")
    told = run(library, CHECKED, "--x", "x.npy", "--out", "y.npy", expect=1)
    assert "returned -7" in told.stderr
    assert (tmp_path / "y.npy").read_text() == "old"


def test_a_call_out_of_time_leaves_nothing_and_status_124(run: Run, tmp_path: Path, x: Any, library: str) -> None:
    told = run(library, CRAWL, "--x", "x.npy", "--out", "y.npy", "--timeout", 0.1, expect=124)
    assert "not done after 0.1 s" in told.stderr
    assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_that_is_ended_leaves_nothing(tmp_path: Path, x: Any, library: str, number: int, status: int) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), library, CRAWL, "--x", "x.npy", "--out", "y.npy"], cwd=tmp_path,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".y.npy.*.part")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == status, told
    assert "Traceback" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npy", "x.raw"]


def test_a_size_that_no_array_tells_is_named_with_its_option(run: Run, library: str) -> None:
    told = run(library, "void both(size_t n, double x[n], double twice[n], float half[n]);", expect=2)
    assert "size_t n is missing" in told.stderr
    assert told.stderr.endswith("; say --n\n")
