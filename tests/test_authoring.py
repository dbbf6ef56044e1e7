"""Contracts that come with a header or a source: `load(header=...)` and ``#pragma pyffipar``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.sources import compiling

SOURCE = r"""
#include <stddef.h>
#define API __attribute__((visibility("default")))
#define LIMIT 100
typedef double real;

#pragma pyffipar double total(size_t n, const double x[n]) \
                 reduction(+)   /* and
    so on */ \
                 chunk(max = LIMIT);
API real total(size_t n, const real *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

  #  pragma pyffipar reduction(max) // brackets are there already

double biggest(size_t n, const double x[n]) { double y = x[0]; while (n--) if (x[n] > y) y = x[n]; return y; }

#pragma pyffipar
double twice(double x) { return 2 * x; }
"""


def test_pragmas_in_a_source_declare_its_functions() -> None:
    library = pf.compile(SOURCE)
    assert [function.__name__ for function in library] == ["total", "biggest", "twice"]
    declaration = " ".join(library.total.declaration.split())
    assert declaration == "double total(size_t n, const double x[n]) reduction(+) chunk(max = LIMIT);"
    x = np.arange(1000.0)
    assert library.total(x) == x.sum()
    assert library.biggest(x) == 999.0
    assert library.twice(3.0) == 6.0


def test_declarations_that_are_given_replace_pragmas() -> None:
    library = pf.compile(SOURCE, "double twice(double x);")
    assert [function.__name__ for function in library] == ["twice"]


def test_a_source_without_pragmas_declares_nothing() -> None:
    assert list(pf.compile("int answer(void) { return 42; }")) == []


def test_pragmas_in_a_cpp_source() -> None:
    library = pf.compile(
        r"""
        #include <cstddef>
        #include <numeric>
        #include <vector>
        template <typename T> T doubled(const std::vector<T> &x) { return 2 * x.at(0); }
        extern "C" {
        #pragma pyffipar double total(size_t n, const double x[n]) reduction(+);
        double total(std::size_t n, const double *x) noexcept { return std::accumulate(x, x + n, 0.0); }
        }
        #pragma pyffipar twice(x)
        extern "C" double twice(double x) { return doubled(std::vector<double>{x}); }
        """,
        language="c++",
    )
    assert library.total(np.ones(10)) == 10.0
    assert library.twice([1.0, 2.0]).tolist() == [2.0, 4.0]


def test_pragmas_in_an_included_header_count_and_know_their_file(tmp_path: Path) -> None:
    header = tmp_path / "own.h"
    header.write_text("\n#pragma pyffipar f(n, x[n]) \\\n  reduction(+)\ndouble f(int n, const double *x);\n")
    source = '#include "own.h"\ndouble f(int n, const double *x) { return n ? x[0] + f(n - 1, x + 1) : 0; }\n'
    assert pf.compile(source, include=[tmp_path]).f([1.0, 2.0, 3.0]) == 6.0
    header.write_text(header.read_text().replace("+", "sum"))
    with pytest.raises(pf.PrototypeError) as caught:
        pf.compile(source, include=[tmp_path])
    assert str(caught.value) == (
        f"{header}: unknown reduction sum; there are +, *, min, max, &, |, ^, &&, ||, mean, hypot, first, last, "
        "concat, argmin(array), argmax(array), and functions as in g(_, _): earlier and later partial\n"
        "  line 3:   reduction(sum)\n"
        "                      ^"
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_errors_in_a_pragma_show_its_line_in_the_source(ending: str) -> None:
    lines = ["#include <stddef.h>", "", "  #pragma pyffipar total(n, x[n]) \\", "     split(m)", "", ""]
    lines += ["double total(size_t n, const double *x) { return n ? x[0] : 0; }", ""]
    with pytest.raises(pf.PrototypeError) as caught:
        pf.compile(ending.join(lines))
    assert str(caught.value) == "total has no parameter m\n  line 4:      split(m)\n                     ^"


def test_a_pragma_made_by_a_macro_is_read() -> None:
    source = '#define SUMS _Pragma("pyffipar reduction(%s)")\nSUMS\nint f(int n, const int x[n]) { return n; }\n'
    assert pf.compile(source % "+").f([1, 1]) == 2
    with pytest.raises(pf.PrototypeError, match="unknown reduction sum"):
        pf.compile(source % "sum")


def test_a_merger_may_be_given_with_a_source() -> None:
    source = "#pragma pyffipar f(n, x[n]) reduction(pick(_, _))\nint f(int n, const int *x) { return x[n - 1]; }\n"
    assert pf.compile(source, callables={"pick": max}).f(np.array([3, 1, 2], np.intc)) == 2
    with pytest.raises(pf.PrototypeError) as caught:
        pf.compile(source)
    assert (caught.value.line, caught.value.column) == (1, 39)


# Headers


@pytest.fixture
def library(tmp_path: Path) -> str:
    """A library; its header is own.h in `tmp_path`."""
    (tmp_path / "own.h").write_text(
        '#include <stddef.h>\n#include "more.h"\n#ifdef WIDE\n#define real double\n#else\n#define real float\n#endif\n'
        "#pragma pyffipar total(n, x[n]) reduction(+)\nreal total(size_t n, const real *x);\n"
    )
    (tmp_path / "more.h").write_text("#pragma pyffipar\ndouble twice(double x);\n")
    source = "#include <stddef.h>\ndouble twice(double x) { return 2 * x; }\n"
    source += "double total(size_t n, const double *x) { return n ? x[0] + total(n - 1, x + 1) : 0; }"
    return pf.compile(source).path


def test_a_headers_own_pragmas_declare_its_functions(library: str, tmp_path: Path) -> None:
    own = pf.load(library, header="own.h", include=[tmp_path], defines=["WIDE"])
    assert [function.declaration for function in own] == [
        "double twice(double x);", "double total(size_t n, const double x[n]) reduction(+);"
    ]  # fmt: skip
    assert own.total([1.0, 2.0]) == 3.0


def test_contracts_replace_a_headers_pragmas(library: str, tmp_path: Path) -> None:
    own = pf.load(library, header="own.h", contracts="twice;", include=[tmp_path])
    assert [function.__name__ for function in own] == ["twice"]


@pytest.mark.parametrize("how", ["name", "path", "absolute", "relative"])
def test_headers_are_found_by_name_and_by_path(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    headers: dict[str, str | Path] = {
        "name": "own.h",
        "path": Path("own.h"),
        "absolute": f"{tmp_path}/own.h",
        "relative": "./own.h",
    }
    header = headers[how]
    include = [tmp_path] if how == "name" else []
    assert pf.load(library, header=header, contracts="twice(x);", include=include).twice(2.0) == 4.0
    if how == "name":
        with pytest.raises(pf.CompileError, match=r"own\.h: No such file"):  # not in the current folder by itself
            pf.load(library, header=header, contracts="twice(x);")


def test_several_headers_are_one(library: str, tmp_path: Path) -> None:
    headers: list[str | Path] = [tmp_path / "own.h", "math.h"]
    assert pf.load("m", header=headers, contracts="hypot(x, y);").hypot(3.0, 4.0) == 5.0
    with pytest.raises(pf.PrototypeError, match=r"^hypott: .*own\.h and math\.h declares no such function"):
        pf.load("m", header=headers, contracts="hypott(x, y);")


def test_macros_reach_the_header(library: str, tmp_path: Path) -> None:
    for defines, spelled in (((), "float"), (("WIDE",), "double"), (("WIDE=1", "OTHER=2"), "double")):
        own = pf.load(library, header="own.h", include=[tmp_path], defines=defines)
        assert own.total.declaration.startswith(f"{spelled} total(")


def test_a_header_is_preprocessed_again_only_when_it_changes(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def declared() -> list[str]:
        return [function.__name__ for function in pf.load(library, header=tmp_path / "own.h")]

    assert declared() == ["twice", "total"]
    with monkeypatch.context() as patched:
        patched.setattr(compiling, "_make_new", lambda *_: pytest.fail("preprocessed again"))
        assert declared() == ["twice", "total"]
    (tmp_path / "more.h").write_text("double twice(double x);\n")
    assert declared() == ["total"]


def test_plain_declarations_go_beside_contracts(library: str, tmp_path: Path) -> None:
    own = pf.load(library, "double total(size_t n, const double x[n]) split();", header=tmp_path / "own.h",
                  contracts="twice;")  # fmt: skip
    assert [function.__name__ for function in own] == ["total", "twice"]


def test_definitions_between_contracts_stay(tmp_path: Path) -> None:
    own = pf.load(
        "m", header="math.h", contracts="enum { TWO = 2 };\ntypedef double mine;\nmine pow(x, y) fixed(y = TWO);"
    )
    assert own.pow(3.0) == 9.0


def test_wrong_arguments_are_refused(library: str) -> None:
    with pytest.raises(TypeError) as caught:
        pf.load(library, contracts="twice;")
    assert str(caught.value) == "contracts, include and defines are about a header: name it in header="
    for name in ("", "a>b", 'a"b', "a\nb", "a\\b"):
        with pytest.raises(ValueError, match="is no name of a header"):
            pf.load(library, header=name)
    with pytest.raises(TypeError, match="defines is the string"):
        pf.load(library, header="math.h", defines="WIDE")


def test_a_header_that_is_not_there_is_told(library: str) -> None:
    with pytest.raises(pf.CompileError, match=r"nowhere\.h: No such file"):
        pf.load(library, header="nowhere.h", contracts="twice;")
