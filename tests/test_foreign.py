"""Foreign functions on their way to other processes: found again with all that their clauses name."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.plans.foreign import Foreign, restore
from pyffipar.sources.origins import FileOrigin

SOURCE = r"""
#include <stddef.h>
static int ready;
void set_up(void) { ready++; }
int is_ready(int unused) { return ready + 0 * unused; }
double total(size_t n, const double *x) { double s = 0; while (n--) s += x[n]; return s; }
double join(double a, double b) { return a + b; }
int check(double x) { return x < 0 ? 7 : 0; }
const char *words(int code) { return code == 7 ? "seven" : "?"; }
static double twice_(double x) { return 2 * x; }
double (*twice)(double) = twice_;
"""
DECLARATIONS = """
    int is_ready(int unused) init(set_up);
    double total(size_t n, const double x[n]) reduction(merge(_, _));
    int check(double x) status(0, words);
    double (*twice)(double x);
"""


@pytest.fixture(scope="module")
def library() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS, callables={"merge": lambda one, other: one + other})


def again(foreign: Foreign) -> Foreign:
    copy: Foreign = pickle.loads(pickle.dumps(foreign, 5))
    return copy


@pytest.mark.parametrize("name", ["is_ready", "total", "check", "twice"])
def test_a_function_is_found_again_with_its_contract(library: pf.Library, name: str) -> None:
    foreign = getattr(library, name)._foreign
    for one in (again(foreign), again(foreign.nearby())):
        assert one.symbol == foreign.symbol
        assert one.contract.prototype.text == foreign.contract.prototype.text
        assert [role.word for role in one.contract.roles] == [role.word for role in foreign.contract.roles]


def test_a_merge_that_nobody_could_pickle_stays_behind(library: pf.Library) -> None:
    with pytest.raises(TypeError, match="merge"):
        pickle.dumps(library.total)
    assert again(library.total._foreign).companions.functions == {}
    x = np.arange(10_000.0)
    assert library.total.options(executor="processes", threads=1)(x) == library.total(x)


def test_the_librarys_words_come_along(library: pf.Library) -> None:
    assert again(library.check._foreign).describe(7) == "seven"
    assert again(library.total._foreign).describe(7) == ""


def test_another_process_sets_the_library_up_before_the_first_call(library: pf.Library, tmp_path: Path) -> None:
    data = tmp_path / "foreign.pickle"
    data.write_bytes(pickle.dumps(library.is_ready._foreign.nearby()))
    code = f"""
import ctypes, pickle
foreign = pickle.loads(open({str(data)!r}, "rb").read())
pickle.loads(open({str(data)!r}, "rb").read())
print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(foreign.symbol.address)(0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "1\n"


def test_processes_beside_this_one_load_the_very_file(library: pf.Library) -> None:
    assert library.total._foreign.nearby().origin == FileOrigin(library.path, library.path)


def test_a_library_loaded_by_name_is_loaded_by_its_file_nearby() -> None:
    foreign = pf.load("m", "double exp(double x);").exp._foreign
    nearby = foreign.nearby().origin
    assert isinstance(nearby, FileOrigin)
    assert nearby.name == nearby.path == foreign.symbol.library


def test_equal_data_is_read_once(library: pf.Library) -> None:
    assert again(library.check._foreign) is again(library.check._foreign)


def test_the_guard_is_asked(library: pf.Library) -> None:
    data = pickle.dumps(library.check._foreign)
    with pf.options(unpickle="refuse"), pytest.raises(pf.UnpickleError, match="are not unpickled here"):
        pickle.loads(data)


@pytest.mark.parametrize(
    ("declaration", "symbol", "message"),
    [
        ("double exp(double x); double sin(double x);", "exp", "declares 2 functions in the place of one"),
        ("typedef int t;", "exp", "declares 0 functions in the place of one"),
        ("double exp(double x);", "", "names no function"),
        ("double exp(double x);", 5, "describes a function by a int"),
        (None, "exp", "describes declarations by a NoneType"),
    ],
)
def test_forged_data_is_refused(declaration: str, symbol: str, message: str) -> None:
    from pyffipar.sources.pickling import FORMAT

    origin = pf.load("m", "double exp(double x);").exp._foreign.nearby().origin
    with pytest.raises(pf.UnpickleError, match=message):
        restore(FORMAT, origin, declaration, symbol)
    with pytest.raises(pf.UnpickleError, match="another version"):
        restore("other", origin, "double exp(double x);", "exp")
