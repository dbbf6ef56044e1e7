"""What does not travel, and what may not arrive: data says what it lacks, or who forbids it."""

from __future__ import annotations

import contextlib
import ctypes
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from travelling import DECLARATIONS, SOURCE, build, elsewhere, restore, restore_library, twin

import pyffipar as pf
from pyffipar.kernels.declarations import kernel
from pyffipar.options import UNPICKLE_VARIABLE
from pyffipar.sources import libraries
from pyffipar.sources.compile_cache import CACHE_VARIABLE
from pyffipar.sources.origins import FileOrigin, SourceOrigin, Unmovable

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
