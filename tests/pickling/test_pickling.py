"""Functions and libraries travel as plain data, and behave the same where they arrive."""

from __future__ import annotations

import copy
import ctypes
import functools
import multiprocessing
import operator
import pickle
import platform
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from travelling import CALLS, SOURCE, TEXT, ZLIB, build, elsewhere, twin

import pyffipar as pf
from pyffipar.kernels.declarations import kernel
from pyffipar.sources import libraries, pickling
from pyffipar.sources.compile_cache import CACHE_VARIABLE
from pyffipar.sources.origins import FileOrigin

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
