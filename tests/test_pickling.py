"""Functions and libraries travel as plain data: what arrives behaves the same, or says what it lacks or may not."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import functools
import multiprocessing
import operator
import os
import pickle
import platform
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyffipar as pf
from pyffipar.kernels.declarations import kernel
from pyffipar.options import UNPICKLE_VARIABLE
from pyffipar.sources import libraries, pickling
from pyffipar.sources.compile_cache import CACHE_VARIABLE
from pyffipar.sources.origins import FileOrigin, SourceOrigin, Unmovable

restore: Any = sys.modules["pyffipar.function"].restore
restore_library: Any = sys.modules["pyffipar.library"].restore_library

ZLIB = """
    uLong crc32_combine(uLong crc1, uLong crc2, long len2);
    uLong crc32(uLong crc, const Bytef buf[len], uInt len) carry(crc = 0) reduction(crc32_combine(_, _, len));
"""
SOURCE = r"""
#include <stddef.h>
#include <stdlib.h>
typedef struct { double x, y; } point;
enum { FINE = 7 };
double total(size_t n, const double *x) { double s = 0; for (size_t i = 0; i < n; i++) s += x[i]; return s; }
double norms(size_t n, const point *p) { double s = 0; for (size_t i = 0; i < n; i++) s += p[i].x * p[i].y; return s; }
int check(double x) { return x < 0 ? 3 : 7; }
const char *words(int code) { return code == 3 ? "a negative number" : "?"; }
static double thrice(double x) { return 3 * x; }
double (*fastest)(double) = thrice;
double *box_new(void) { return calloc(1, sizeof(double)); }
double *box_copy(const double *box) { double *copy = box_new(); *copy = *box; return copy; }
void box_free(double *box) { free(box); }
double boxed(struct box *box, double x) { return x + *(double *)box; }
double ready = 0;
void set_up(void) { ready = 5; }
double get(double x) { return x + ready; }
"""
DECLARATIONS = """
typedef double real;  typedef struct { real x, y; } point;  typedef char unused;
enum { BAD = 1, FINE = 7 };
real total(size_t n, const real x[n]) reduction(+);
double norms(size_t n, const point p[n]) reduction(+);
int check(double x) status(FINE, words);
double (*fastest)(double x);
double boxed(struct box *box, double x) private(box = box_copy, box_free);
double get(double x) init(set_up);
"""
TEXT = "double total(size_t n, const double x[n]) reduction(+);"
POINTS = np.array([(1.0, 2.0), (3.0, 4.0)], [("x", "f8"), ("y", "f8")])

# What is called to see that a function behaves the same.
CALLS: dict[str, Callable[[Any], Any]] = {
    "total": lambda f: f(np.arange(10_000.0)),
    "norms": lambda f: f(POINTS),
    "check": lambda f: f(np.ones(3)),
    "fastest": lambda f: f([1.0, 2.0]).tolist(),
    "boxed": lambda f: f(ctypes.pointer(ctypes.c_double(0.5)), [1.0, 2.0]).tolist(),
    "get": lambda f: f(1.0),
}


@pytest.fixture(autouse=True)
def _nothing_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins as a process that has unpickled nothing, and guards nothing."""
    monkeypatch.delenv(UNPICKLE_VARIABLE, raising=False)
    pickling._restored.clear()
    yield
    pf.set_options(unpickle=None)


@pytest.fixture
def compiled() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


def twin(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def build(cc: str, path: Path, source: str = SOURCE, *flags: str) -> Path:
    """A shared object of the test's own, replaced as an installer does it: by another file under the same name."""
    source_file = path.with_suffix(".c")
    source_file.write_text(source)
    made = path.with_suffix(".made")
    subprocess.run([cc, "-shared", "-fPIC", *flags, str(source_file), "-o", str(made)], check=True)
    made.replace(path)
    return path


def elsewhere(code: str, data: bytes, **environment: str) -> str:
    """What a process of its own prints that unpickles `data` as `f`."""
    program = "import pickle, sys, warnings\nimport numpy as np\nimport pyffipar as pf\n"
    program += "read = lambda: pickle.loads(sys.stdin.buffer.read())\n" + textwrap.dedent(code)
    command = [sys.executable, "-c", program]
    settings = {**os.environ, **environment}
    # In a folder without sources, which would be imported instead of the installed package.
    ended = subprocess.run(command, input=data, capture_output=True, env=settings, check=False, cwd="/")
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


# What arrives behaves the same


@pytest.mark.parametrize("name", CALLS)
def test_a_function_arrives_with_all_that_its_declaration_names(compiled: pf.Library, name: str) -> None:
    before = getattr(compiled, name)
    after = twin(before)
    assert CALLS[name](after) == CALLS[name](before)
    assert (after.__name__, after.library, after.declaration) == (name, before.library, before.declaration)


def test_the_words_of_a_status_arrive(compiled: pf.Library) -> None:
    with pytest.raises(pf.ChunkError, match="a negative number"):
        twin(compiled.check)(-1.0)


def test_only_the_definitions_that_are_needed_travel(compiled: pf.Library) -> None:
    texts = [
        restored._contract.prototype.source for restored in map(twin, (compiled.total, compiled.norms, compiled.check))
    ]
    assert texts[0] == "typedef double real;\nreal total(size_t n, const real x[n]) reduction(+);"
    assert texts[1].startswith("typedef double real;\ntypedef struct { real x, y; } point;\ndouble norms(")
    assert texts[2].startswith("enum { BAD = 1, FINE = 7 };\nint check(")


def test_foreign_functions_that_merge_come_along() -> None:
    z = pf.load("z", ZLIB)
    data = np.arange(3_000_000, dtype=np.uint32).view(np.uint8)
    assert twin(z.crc32)(0, data) == z.crc32(0, data)
    assert twin(z).crc32(0, data) == z.crc32(0, data)


def test_python_functions_that_merge_travel_by_name() -> None:
    text = "double total(size_t n, const double x[n]) reduction(join(_, _));"
    x = np.arange(100_000.0)
    for join in (operator.add, np.hypot, functools.partial(operator.add)):
        library = pf.compile(SOURCE, text, callables={"join": join, "unused": lambda: None})
        assert twin(library.total)(x) == library.total(x) == twin(library).total(x)


def test_options_arrive(compiled: pf.Library) -> None:
    chosen = twin(compiled.total.options(executor="serial", threads=3, timeout=60.0, progress=print))._options()
    assert (chosen.executor, chosen.threads, chosen.timeout, chosen.progress) == ("serial", 3, 60.0, print)


def test_what_arrived_can_travel_on(compiled: pf.Library) -> None:
    assert twin(twin(compiled.total)) is twin(compiled.total)
    z = pf.load("z", ZLIB)
    assert pickle.dumps(twin(z.crc32)) == pickle.dumps(z.crc32)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_will_do(compiled: pf.Library, protocol: int) -> None:
    assert pickle.loads(pickle.dumps(compiled.total, protocol))([1.0, 2.0]) == 3.0


def test_libraries_arrive_with_all_they_declare(compiled: pf.Library) -> None:
    compiled.declare("typedef real number;")
    compiled.declare("double box_free(struct box *box);")
    after = twin(compiled)
    assert [one.__name__ for one in after] == [one.__name__ for one in compiled]
    assert all(CALLS[name](getattr(after, name)) == CALLS[name](getattr(compiled, name)) for name in CALLS)
    after.declare("number ready(number x);")  # the typedefs are known there
    with pytest.raises(pf.PrototypeError, match="declared already"):
        after.declare("double total(double x);")


@pytest.mark.parametrize("how", ["name", "file name", "path", "path object", "CDLL"])
def test_a_library_is_searched_again_as_it_was_searched_first(how: str) -> None:
    path = libraries.search("z")
    sources: dict[str, Any] = {
        "name": "z", "file name": "libz.so.1", "path": path, "path object": Path(path),
        "CDLL": ctypes.CDLL("libz.so.1"),
    }  # fmt: skip
    adler = pf.load(sources[how], "uLong adler32(uLong adler, const Bytef buf[n], uInt n) split();").adler32
    data = pickle.dumps(adler)
    named = {"name": "z", "file name": "libz.so.1"}.get(how, adler.library)
    assert pickle.loads(data)._origin == FileOrigin(named, adler.library)
    assert int(elsewhere("print(read()(1, np.arange(9, dtype=np.uint8)))", data)) == adler(
        1, np.arange(9, dtype=np.uint8)
    )


def test_built_in_kernels_travel() -> None:
    assert twin(pf.sum) is pf.sum
    x = np.arange(1_000_000.0)
    for family in ("sum", "exact_sum", "moments", "histogram"):
        function = kernel(family, x.dtype)
        assert twin(function).declaration == function.declaration
        assert twin(function) is twin(function)
    assert twin(kernel("sum", x.dtype))(x) == pf.sum(x)


# Other processes


def test_workers_of_a_process_pool_call_what_they_are_sent(compiled: pf.Library) -> None:
    z = pf.load("z", ZLIB)
    data = [np.full(100_000, number, np.uint8) for number in range(4)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(z.crc32, [0] * 4, data))
        assert found == [z.crc32(0, one) for one in data]
        assert list(pool.map(compiled.total, [[1.0, 2.0], [3.0]])) == [3.0, 3.0]


def test_source_is_compiled_where_it_arrives(compiled: pf.Library, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    code = "f = read(); print(f([1.0, 2.0]), f.library)"
    told = elsewhere(code, pickle.dumps(compiled.total), **{CACHE_VARIABLE: str(empty)})
    assert told.split()[0] == "3.0"
    assert told.split()[1].startswith(str(empty))
    source = 'extern "C" double f(double x) { return N * x; }'
    cpp = pf.compile(source, "double f(double x);", flags=("-DN=4",), language="c++")
    assert elsewhere("print(read()(2.0))", pickle.dumps(cpp.f), **{CACHE_VARIABLE: str(empty)}).strip() == "8.0"


def test_source_that_cannot_be_compiled_there_names_the_host(compiled: pf.Library, tmp_path: Path) -> None:
    code = """
        try: read()
        except pf.CompileError as error: print(error)
    """
    told = elsewhere(
        code, pickle.dumps(compiled.total), CC="/nonexistent/cc", **{CACHE_VARIABLE: str(tmp_path / "none")}
    )
    assert told.startswith(f"host {platform.node()} cannot compile the source that a pickled function comes from: ")
    assert "/nonexistent/cc" in told


def test_a_host_without_the_library_is_named_with_where_it_looked(
    cc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(cc, tmp_path / "libmine.so")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    by_name, by_path = pf.load("mine", TEXT), pf.load(str(path), TEXT)
    data = [pickle.dumps(by_name.total), pickle.dumps(by_path.total), pickle.dumps(by_name)]
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nonexistent")
    for one in (data[0], data[2]):
        with pytest.raises(pf.LibraryError) as caught:
            pickle.loads(one)
        message = (
            f"host {platform.node()} cannot load library 'mine', which a pickled function comes from (from {path} "
        )
        assert str(caught.value).startswith(message)
        assert "no library 'mine' in /nonexistent, " in str(caught.value)
    path.unlink()
    code = """
        try: read()
        except pf.LibraryError as error: print(error)
    """
    told = elsewhere(code, data[1])
    assert told.startswith(f"host {platform.node()} cannot load library {str(path)!r}")
    assert f"{path} does not exist" in told


def test_a_function_that_the_library_lacks_there_names_the_host(cc: str, tmp_path: Path) -> None:
    path = build(cc, tmp_path / "libmine.so")
    data = pickle.dumps(pf.load(path, TEXT).total)
    build(cc, path, "double totals(void) { return 1; }")
    code = """
        warnings.simplefilter("ignore")
        try: read()
        except pf.LibraryError as error: print(error)
    """
    told = elsewhere(code, data)
    assert told.startswith(
        f"host {platform.node()}, where total is unpickled: {path} has no function 'total'; it has totals"
    )


@pytest.mark.parametrize("flag", ["-Wl,--build-id=sha1", "-Wl,--build-id=none"])
def test_another_build_of_the_library_is_told(cc: str, tmp_path: Path, flag: str) -> None:
    path = build(cc, tmp_path / "libmine.so", SOURCE, flag)
    data = pickle.dumps(pf.load(path, TEXT).total)
    code = """
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            f = read()
        print(f([1.0]), *[f"{one.category.__name__} {one.filename}: {one.message}" for one in told])
    """
    assert elsewhere(code, data).strip() == "1.0"
    before = libraries.fingerprint(str(path))
    assert before.startswith("sha256:" if flag.endswith("none") else "build-id:")
    build(cc, path, SOURCE.replace("s += x[i]", "s -= x[i]"), flag)
    told = elsewhere(code, data).strip()
    assert told.startswith("-1.0 LibraryChangedWarning <string>: ")
    assert before in told
    assert libraries.fingerprint(str(path)) in told
    refuse = """
        warnings.simplefilter("error", pf.LibraryChangedWarning)
        try: read()
        except pf.LibraryChangedWarning: print("refused")
    """
    assert elsewhere(refuse, data).strip() == "refused"


def test_a_file_changed_since_it_was_loaded_is_not_pickled(cc: str, tmp_path: Path) -> None:
    path = build(cc, tmp_path / "libmine.so")
    library = pf.load(path, TEXT)
    pickle.dumps(library.total)
    build(cc, path, SOURCE + "int more;")
    for thing in (library, library.total):
        with pytest.raises(pf.LibraryError, match=rf"cannot be pickled: {path} has been changed or removed since"):
            pickle.dumps(thing)
    path.unlink()
    with pytest.raises(pf.LibraryError, match="changed or removed"):
        pickle.dumps(library.total)
    assert library.total([1.0, 2.0]) == 3.0


def test_the_fingerprint_is_the_build_id_or_the_content(cc: str, tmp_path: Path) -> None:
    path = str(build(cc, tmp_path / "libmine.so", SOURCE, "-Wl,--build-id=0xabcdef0123"))
    assert libraries.fingerprint(path) == "build-id:abcdef0123"
    whole = Path(path).read_bytes()
    for content in (whole[:100], whole[:16] + b"\xff" * 48 + whole[64:], b"", b"text"):  # no ELF files any more
        odd = tmp_path / "odd"
        odd.write_bytes(content)
        assert libraries.fingerprint(str(odd)).startswith("sha256:")
    with pytest.raises(OSError, match="nonexistent"):
        libraries.fingerprint("/nonexistent")


# Made once


def test_equal_data_gives_the_same_function(compiled: pf.Library) -> None:
    for function in (compiled.total, compiled.total.options(threads=2), pf.load("z", ZLIB).crc32):
        data = pickle.dumps(function)
        assert pickle.loads(data) is pickle.loads(data)
    assert twin(compiled.total) is not twin(compiled.total.options(threads=2))


def test_a_worker_reads_a_declaration_once(compiled: pf.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    for module in ("pyffipar.plans.foreign", "pyffipar.library"):
        original = sys.modules[module].read_prototypes

        def counting(text: str, *names: Any, original: Any = original) -> Any:
            read.append(text)
            return original(text, *names)

        monkeypatch.setattr(sys.modules[module], "read_prototypes", counting)
    data = [pickle.dumps(thing) for thing in (compiled.total, compiled, compiled.norms)]
    for _ in range(100):
        for one in data:
            pickle.loads(one)
    assert len([text for text in read if text.strip()]) == 3


def test_threads_that_unpickle_at_once_get_the_same(compiled: pf.Library) -> None:
    data = pickle.dumps(compiled.total)
    barrier, found = threading.Barrier(8), []

    def load() -> None:
        barrier.wait()
        found.append(pickle.loads(data))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_what_is_remembered_is_bounded(compiled: pf.Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickling, "_MOST_RESTORED", 5)
    first = twin(compiled.total)
    for threads in range(1, 20):
        twin(compiled.total.options(threads=threads))
        assert twin(compiled.total) is first  # what is used stays
    assert len(pickling._restored) == 5


def test_libraries_share_functions_and_nothing_else(compiled: pf.Library) -> None:
    data = pickle.dumps(compiled)
    one, other = pickle.loads(data), pickle.loads(data)
    assert one.total is other.total
    one.declare("double set_up(void);")
    assert not hasattr(other, "set_up")
    assert not hasattr(pickle.loads(data), "set_up")


# Copies


def test_a_copy_of_a_function_is_the_function(compiled: pf.Library) -> None:
    for function in (compiled.total, compiled.total.options(threads=2)):
        assert copy.copy(function) is function
        assert copy.deepcopy([function])[0] is function


def test_a_copy_of_a_library_is_declared_in_apart(compiled: pf.Library) -> None:
    for other in (copy.copy(compiled), copy.deepcopy(compiled)):
        assert [*other] == [*compiled]
        other.declare("double set_up(void);")
        assert not hasattr(compiled, "set_up")
        assert twin(other).set_up.declaration == "double set_up(void);"


# What cannot travel


def refused(thing: Any) -> str:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(thing)
    return str(caught.value)


def test_python_functions_without_a_name_to_be_found_by_are_refused(compiled: pf.Library) -> None:
    def nested(one: float, other: float) -> float:
        return one + other

    for join in (nested, lambda one, other: one + other):
        text = "double total(size_t n, const double x[n]) reduction(join(_, _));"
        library = pf.compile(SOURCE, text, callables={"join": join})
        assert refused(library.total) == (
            f"total cannot be pickled: join, which merges its results, is {join.__qualname__}, which another process "
            "does not find by its name: define it with def at the top of a module"
        )
        assert refused(library).startswith(
            "library <compiled source> cannot be pickled: join, which merges results, is "
        )


def test_options_that_cannot_travel_are_named(compiled: pf.Library) -> None:
    message = refused(compiled.total.options(progress=lambda *_: None))
    assert message.startswith("total cannot be pickled: its option progress is <function test_options")
    assert message.endswith("Leave it out, and give it in the other process with options(progress=...)")


def test_prepared_calls_and_futures_say_why_not(compiled: pf.Library) -> None:
    assert refused(compiled.total.prepare([1.0])) == (
        "total: a prepared call is bound to arrays of this process, so it cannot be pickled: pickle the function, and "
        "prepare it there"
    )
    assert "so it cannot be pickled: prepare it in the other one" in refused(pf.kernels.prepare(pf.sum, np.ones(9)))
    future = compiled.total.submit([1.0])
    assert refused(future).startswith("a future stands for a call in this process, so it cannot be pickled")
    assert future.result() == 1.0


def test_the_program_itself_is_no_library_elsewhere() -> None:
    labs = pf.load(ctypes.CDLL(None), "long labs(long x);").labs
    assert refused(labs) == (
        "labs cannot be pickled: it comes from the running program itself, which only this process has. Load the "
        "library that has the function by its name"
    )


# Who may decide


CONSTRUCTED = """
#include <stdlib.h>
__attribute__((constructor)) static void loaded(void) { exit(9); }
double f(double x) { return x; }
"""


@pytest.fixture
def sent(cc: str, tmp_path: Path) -> bytes:
    """A function of a library that ends the process when it is loaded: replaced after it was pickled."""
    path = build(cc, tmp_path / "libdeadly.so", "double f(double x) { return x; }")
    data = pickle.dumps(pf.load(path, "double f(double x);").f)
    build(cc, path, CONSTRUCTED)
    return data


TRY = """
    try: read()
    except pf.UnpickleError as error: print(error)
"""


def test_a_refused_library_is_never_loaded(sent: bytes, tmp_path: Path) -> None:
    path = tmp_path / "libdeadly.so"
    assert elsewhere(TRY, sent, PYFFIPAR_UNPICKLE="refuse").strip() == (
        f"functions of {path} are not unpickled here: PYFFIPAR_UNPICKLE=refuse. Allow it with "
        f"set_options(unpickle=['{path}']), or load it here with pf.load"
    )
    for block in ("'refuse'", "['z', '/lib/libz.so']", "lambda request: False", "lambda request: 1"):
        assert "are not unpickled here: options" in elsewhere(f"with pf.options(unpickle={block}):{TRY}", sent)
    with pytest.raises(AssertionError):
        elsewhere(TRY, sent)  # it does end the process, once it is loaded


def test_a_refused_source_is_never_compiled(compiled: pf.Library, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for guard in ("refuse", "z:m"):
        told = elsewhere(TRY, pickle.dumps(compiled.total), PYFFIPAR_UNPICKLE=guard, **{CACHE_VARIABLE: str(cache)})
        assert told.startswith("functions of <compiled source> are not unpickled here: PYFFIPAR_UNPICKLE=")
    assert not cache.exists()


def admitted(thing: Any, guard: Any) -> bool:
    data = pickle.dumps(thing)
    with pf.options(unpickle=guard):
        try:
            pickle.loads(data)
        except pf.UnpickleError:
            return False
    return True


def test_lists_name_libraries_as_they_are_searched_or_by_their_file(compiled: pf.Library, tmp_path: Path) -> None:
    path = libraries.search("z")
    text = "uLong adler32(uLong adler, const Bytef buf[n], uInt n) split();"
    by_name, by_path = pf.load("z", text).adler32, pf.load(path, text).adler32
    link = tmp_path / "link.so"
    link.symlink_to(path)
    detour = f"{tmp_path}/../{tmp_path.name}/link.so"
    for entry in (path, Path(path), str(link), detour):
        assert admitted(by_name, [entry])
        assert admitted(by_path, (entry,))
    assert admitted(by_name, ["m", "z"])
    assert not admitted(by_path, ["z"])  # what is searched as z may be another file tomorrow
    for guard in ([], ["libz.so.1"], ["Z"], [""], ["."], {"/"}, [str(Path(path).parent)], ["/nonexistent/libz.so"]):
        assert not admitted(by_name, guard)
    assert not admitted(compiled.total, ["z", compiled.path])
    assert admitted(compiled.total, ["<compiled source>"])
    assert admitted(kernel("sum", np.dtype("f8")), ["pyffipar"])
    assert not admitted(kernel("sum", np.dtype("f8")), ["z"])


def test_merging_functions_are_asked_for_too() -> None:
    libm = pf.load("m", "double fmax(double x, double y);")
    text = "double total(size_t n, const double x[n]) reduction(fmax(_, _));"
    function = pf.compile(SOURCE, text, callables={"fmax": libm.fmax}).total
    assert admitted(function, ["m", "<compiled source>"])
    assert not admitted(function, ["<compiled source>"])


def test_a_callable_sees_what_is_asked_for_and_must_say_true(compiled: pf.Library) -> None:
    asked: list[pf.UnpickleRequest] = []

    def decide(request: pf.UnpickleRequest) -> bool:
        asked.append(request)
        return True

    adler = pf.load("z", "uLong adler32(uLong adler, const Bytef buf[n], uInt n) split();").adler32
    assert admitted(adler, decide)
    assert admitted(compiled.total, decide)
    assert admitted(compiled, decide)
    assert asked[0] == pf.UnpickleRequest("z", libraries.search("z"), "", adler.declaration)
    assert (asked[1].library, asked[1].path, asked[1].source) == ("<compiled source>", "", SOURCE)
    assert asked[1].declarations.endswith(compiled.total.declaration)
    assert asked[2].declarations == DECLARATIONS
    assert not admitted(adler, lambda _: "yes")
    with pf.options(unpickle=lambda _: 1 / 0), pytest.raises(ZeroDivisionError):
        twin(adler)


def test_the_guard_is_asked_every_time(compiled: pf.Library) -> None:
    twin(compiled.total)
    assert not admitted(compiled.total, "refuse")
    assert admitted(compiled.total, "allow")


def test_the_innermost_guard_decides_and_the_process_is_the_outermost(
    compiled: pf.Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pickle.dumps(compiled.total)

    def is_refused() -> bool:
        try:
            pickle.loads(data)
        except pf.UnpickleError:
            return True
        return False

    monkeypatch.setenv(UNPICKLE_VARIABLE, "refuse")
    assert is_refused()
    with pf.options(threads=2):
        assert is_refused()
        pf.set_options(unpickle="allow")
        assert not is_refused()
        pf.set_options(unpickle="refuse")  # counts in blocks that are entered already, in any thread
        assert is_refused()
        with pf.options(unpickle="allow"):
            assert not is_refused()
            with pf.options(threads=1), pf.options(unpickle="refuse"):
                assert is_refused()
            found: list[bool] = []
            thread = threading.Thread(target=lambda: found.append(is_refused()))
            thread.start()
            thread.join()
            assert found == [True]
    pf.set_options(unpickle=None)
    monkeypatch.setenv(UNPICKLE_VARIABLE, "")
    assert not is_refused()


@pytest.mark.parametrize("guard", [True, 3, b"allow", "z", "Allow", [3], [b"z"], object()])
def test_what_is_no_guard_is_refused(guard: Any) -> None:
    for way in (pf.set_options, pf.options):
        with pytest.raises(
            TypeError, match=r"unpickle = .*a collection of libraries' names and paths, a callable or None"
        ):
            way(unpickle=guard)


def test_a_guard_is_no_option_of_a_function(compiled: pf.Library) -> None:
    with pytest.raises(TypeError, match="unpickle is an option of the process or of a block"):
        compiled.total.options(unpickle="allow")


# Forged data


GOOD: tuple[Any, ...] = (
    FileOrigin("z", libraries.search("z")),
    "uLong zlibCompileFlags(void);",
    "zlibCompileFlags",
    {},
    {},
)


def forged(**changes: Any) -> tuple[Any, ...]:
    names = ("origin", "declaration", "symbol", "mergers", "changes")
    return (changes.get("version", 1), *(changes.get(name, good) for name, good in zip(names, GOOD, strict=True)))


def test_what_is_forged_below_is_good_else() -> None:
    assert restore(*forged())() == pf.load("z", GOOD[1]).zlibCompileFlags()


FORGED: dict[str, tuple[Any, ...]] = {
    "version": forged(version=2),
    "version of another kind": forged(version=[1] * 10**6),
    "no origin": forged(origin=("z", "/lib/libz.so")),
    "origin by name": forged(origin="z"),
    "origin of this process": forged(origin=Unmovable("x", "")),
    "declaration of another kind": forged(declaration=b"double f(double x);"),
    "huge declaration": forged(declaration="x" * (1 << 20) + ";" * 10),
    "zero in the declaration": forged(declaration="double f(double x);\0"),
    "no declaration": forged(declaration=""),
    "two declarations": forged(declaration="double sin(double x); double cos(double x);"),
    "only a type": forged(declaration="typedef int a;"),
    "symbol of another kind": forged(symbol=7),
    "empty symbol": forged(symbol=""),
    "zero in the symbol": forged(symbol="zlib\0Version"),
    "huge symbol": forged(symbol="z" * 10**6),
    "mergers of another kind": forged(mergers=[("g", max)]),
    "merger that cannot be called": forged(mergers={"g": "max"}),
    "merger without a name": forged(mergers={1: max}),
    "options of another kind": forged(changes=[("threads", 2)]),
    "unknown option": forged(changes={"shell": "rm"}),
    "wrong option": forged(changes={"threads": "2"}),
    "guard as option": forged(changes={"unpickle": "allow"}),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_functions_are_refused(name: str) -> None:
    with pytest.raises(pf.UnpickleError) as caught:
        restore(*FORGED[name])
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "told", [None, [], [("double f(double x);", {})], (("double f(double x);",),), ("ab",), ((b"", {}),), (("", None),)]
)
def test_forged_libraries_are_refused(told: Any) -> None:
    with pytest.raises(pf.UnpickleError):
        restore_library(1, GOOD[0], told)


@pytest.mark.parametrize(
    "values",
    [
        ("", "/lib/libz.so"), ("z", "libz.so"), ("z", ""), ("../../evil/libz.so", "/lib/libz.so"), ("./z", "/lib/z"),
        ("/evil/libz.so", "/lib/libz.so"), ("z\0", "/lib/libz.so"), ("z", "/lib/libz.so\0"), (b"z", "/lib/libz.so"),
        (None, "/"), ("z", Path("/lib/libz.so")), ("z", "/" * 10**6), ("z", "/lib/libz.so", 3), ("z" * 5000, "/z"),
    ],
)  # fmt: skip
def test_forged_files_are_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(pf.UnpickleError) as caught:
        FileOrigin(*values)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "told",
    [
        None, "int f;", {}, {"source": 3}, {"source": "", "flags": "-O2"}, {"source": "", "flags": ["-O2"]},
        {"source": "", "flags": (3,)}, {"source": "", "language": "rust"}, {"source": "", "command": "rm"},
        {"source": "", "flags": ("-O2\0",)}, {3: "source", "source": ""}, {"source": "x" * ((1 << 24) + 1)},
    ],
)  # fmt: skip
def test_forged_sources_are_refused(told: Any) -> None:
    make = SourceOrigin.__reduce__(SourceOrigin(pf.compile("int f;")._origin.recipe))[0]  # type: ignore[attr-defined]
    with pytest.raises(pf.UnpickleError) as caught:
        make(told)
    assert len(str(caught.value)) < 500


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner) | st.tuples(inner, inner),
    max_leaves=5,
)


@given(values=st.tuples(*[ANYTHING | st.just(good) for good in (1, *GOOD)]))
def test_whatever_else_is_forged_ends_in_a_clean_error_or_a_function(values: tuple[Any, ...]) -> None:
    with contextlib.suppress(pf.UnpickleError, pf.PrototypeError, pf.LibraryError):
        restore(*values)
