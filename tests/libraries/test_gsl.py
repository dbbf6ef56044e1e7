"""GSL's statistics: functions of one shape with merges of their own, columns without copies; special functions."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

SECTION = "const double data[0 : n : stride], size_t stride, size_t n"
DECLARATIONS = f"""
    double gsl_stats_mean({SECTION}) reduction(mean);
    double gsl_stats_max({SECTION}) reduction(max);
    double gsl_stats_min({SECTION}) reduction(min);
    size_t gsl_stats_max_index({SECTION}) reduction(argmax(data));
    size_t gsl_stats_min_index({SECTION}) reduction(argmin(data));
    void gsl_stats_minmax(double min[1], double max[1], {SECTION}) reduction(min: min) reduction(max: max);
    double gsl_stats_tss({SECTION}) split();
    double gsl_stats_median(double data[0 : n : stride], size_t stride, size_t n) inout(data) split();
    double gsl_stats_covariance(const double data1[0 : n : stride1], size_t stride1,
                                const double data2[0 : n : stride2], size_t stride2, size_t n) split();

    enum {{ GSL_SUCCESS, GSL_EDOM }};
    typedef struct {{ double val; double err; }} gsl_sf_result;
    int gsl_sf_bessel_Jn_e(int n, double x, gsl_sf_result result[1])
        status(GSL_SUCCESS, gsl_strerror) init(gsl_set_error_handler_off);
    int gsl_sf_lngamma_e(double x, gsl_sf_result result[1]) status(GSL_SUCCESS, gsl_strerror);
"""
unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def gsl(need: Any) -> pf.Library:
    library: pf.Library = need("gsl", "libgsl-dev", DECLARATIONS)
    return library


@pytest.fixture(scope="module")
def pieces(gsl: pf.Library) -> pf.Library:
    """The same functions, cut every seven items."""
    statistics = DECLARATIONS[: DECLARATIONS.index("double gsl_stats_tss")]
    return pf.load(gsl.path, statistics.replace(";", " chunk(max = 7);"))


class Whole:
    """GSL called on everything at once, by plain ctypes."""

    def __init__(self, library: pf.Library) -> None:
        self._library = ctypes.CDLL(library.path)

    def __call__(self, name: str, data: Array, result: Any = ctypes.c_double) -> Any:
        function = getattr(self._library, name)
        function.restype = result
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        data = np.ascontiguousarray(data, np.float64)
        return function(data.ctypes.data, 1, data.size)


@pytest.fixture(scope="module")
def whole(gsl: pf.Library) -> Whole:
    return Whole(gsl)


# Few different values, so that there are ties; NaN, which GSL treats as larger and smaller than all.
values = st.sampled_from((0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan, 3.25))


@given(data=hnp.arrays(np.float64, st.integers(1, 60), elements=values))
@unhurried
def test_extremes_and_their_places(pieces: pf.Library, whole: Whole, everywhere: dict[str, Any], data: Array) -> None:
    if np.isnan(data).any():  # GSL says nothing about where it finds which NaN; pyffipar: the first, like NumPy
        assert np.isnan(pieces.gsl_stats_max(data))
        assert np.isnan(pieces.gsl_stats_min(data))
        return
    assert pieces.gsl_stats_max(data) == whole("gsl_stats_max", data)
    assert pieces.gsl_stats_min(data) == whole("gsl_stats_min", data)
    assert pieces.gsl_stats_minmax(data) == (data.min(), data.max())
    assert pieces.gsl_stats_max_index(data) == whole("gsl_stats_max_index", data, ctypes.c_size_t) == data.argmax()
    assert pieces.gsl_stats_min_index(data) == whole("gsl_stats_min_index", data, ctypes.c_size_t) == data.argmin()


@given(data=hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)))
@unhurried
def test_means_of_unequal_chunks_are_weighted(
    pieces: pf.Library, whole: Whole, everywhere: dict[str, Any], data: Array
) -> None:
    expected = whole("gsl_stats_mean", data)
    np.testing.assert_allclose(pieces.gsl_stats_mean(data), expected, rtol=1e-13, atol=1e-9)


def test_large_arrays_too(gsl: pf.Library, whole: Whole, everywhere: dict[str, Any]) -> None:
    data = np.random.default_rng(1).standard_normal(300_001)
    np.testing.assert_allclose(gsl.gsl_stats_mean(data), whole("gsl_stats_mean", data), rtol=1e-12)
    assert gsl.gsl_stats_minmax(data) == (data.min(), data.max())
    assert gsl.gsl_stats_max_index(data) == whole("gsl_stats_max_index", data, ctypes.c_size_t)
    halves = np.tile(data, 2)
    assert gsl.gsl_stats_max_index(halves) == data.argmax(), "of equal maxima the first"


def test_what_does_not_merge_is_called_whole(gsl: pf.Library, whole: Whole, everywhere: dict[str, Any]) -> None:
    data = np.random.default_rng(2).standard_normal((4, 10_001))
    assert gsl.gsl_stats_tss(data).tolist() == [whole("gsl_stats_tss", row) for row in data]
    work = data.copy()
    assert gsl.gsl_stats_median(work).tolist() == np.median(data, axis=1).tolist()
    np.testing.assert_array_equal(np.sort(work), np.sort(data))  # a selection reorders, within each row
    expected = [np.cov(one, two)[0, 1] for one, two in zip(data, data[::-1], strict=True)]
    np.testing.assert_allclose(gsl.gsl_stats_covariance(data, data[::-1]), expected)


def test_a_total_sum_of_squares_is_not_guessed_to_be_a_sum(gsl: pf.Library) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        gsl.declare(f"double gsl_stats_tss_m({SECTION}, double mean);")
    assert str(caught.value) == (
        "gsl_stats_tss_m: would be cut along n, but it returns double and does not say how partial results merge: "
        "say reduction(+) or another operator, or split() to call it whole\n"
        f"  line 1: double gsl_stats_tss_m({SECTION}, double mean);\n"
        "                 ^"
    )
    # About a given mean it is a sum, and then it can be cut.
    gsl.declare(f"double gsl_stats_tss_m({SECTION}, double mean) reduction(+);")
    data = np.arange(1000.0)
    np.testing.assert_allclose(gsl.gsl_stats_tss_m(data, data.mean()), gsl.gsl_stats_tss(data))


def views(table: Array) -> dict[str, Array]:
    """Rows to lift over that lie in memory in every manner."""
    return {
        "columns": table.T,
        "every third row": table[::3],
        "every third element": table[:, ::3],
        "backwards": table[:, ::-1],
        "columns backwards": table.T[:, ::-2],
        "one row shown often": np.broadcast_to(table[0], (5, table.shape[1])),
        "one element shown often": np.broadcast_to(table[:, :1], table.shape),
        "single": table.astype(np.float32).T,
        "swapped": table.T.astype(">f8"),
    }


@pytest.mark.parametrize("how", views(np.zeros((3, 3))))
def test_rows_however_they_lie(gsl: pf.Library, everywhere: dict[str, Any], how: str) -> None:
    rows = views(np.random.default_rng(3).integers(-1000, 1000, (600, 50)).astype(np.float64))[how]
    plain = np.array(rows, np.float64, order="C")
    np.testing.assert_allclose(gsl.gsl_stats_mean(rows), plain.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(gsl.gsl_stats_max_index(rows), plain.argmax(axis=1))
    expected = [np.cov(row, row[::-1])[0, 1] for row in plain]
    np.testing.assert_allclose(gsl.gsl_stats_covariance(rows, rows[:, ::-1]), expected, rtol=1e-9, atol=1e-6)


def test_columns_are_walked_in_place(gsl: pf.Library, capsys: pytest.CaptureFixture[str]) -> None:
    table = np.zeros((1000, 8))
    gsl.gsl_stats_mean.explain(table.T)
    assert "copies: 0 bytes\n" in capsys.readouterr().out
    gsl.gsl_stats_mean.explain(table.T[:, ::-1])
    assert "copies: 64000 bytes of data (not contiguous), chunk by chunk\n" in capsys.readouterr().out


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_columns_take_no_memory(gsl: pf.Library, apart: Any, executor: str) -> None:
    """64 MB, column by column, in place and through buffers: nothing of that size is ever made."""
    found = apart(f"""
pf.set_options(executor={executor!r}, threads=2)
g = pf.load({gsl.path!r}, "double gsl_stats_max({SECTION}) reduction(max);")
table = np.ones((1_000_000, 8))
print(json.dumps([grown(lambda: g.gsl_stats_max(rows).tolist()) for rows in (table.T, table.T[:, ::-1])]))
""")
    for measured in found:
        assert measured["value"] == [1.0] * 8
        assert measured["traced"] < 6 << 20
        assert measured["resident"] < 16 << 20


class Result(ctypes.Structure):
    _fields_ = (("val", ctypes.c_double), ("err", ctypes.c_double))


def test_special_functions_fill_structs(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    plain = ctypes.CDLL(gsl.path).gsl_sf_bessel_Jn_e
    orders, x = np.arange(5, dtype=np.intc), np.linspace(0, 30, 400)
    found = gsl.gsl_sf_bessel_Jn_e(orders[:, None], x)
    assert found.dtype.names == ("val", "err")
    assert found.shape == (5, 400)
    for place in [(0, 0), (1, 7), (4, 399)]:
        one = Result()
        plain(ctypes.c_int(int(orders[place[0]])), ctypes.c_double(x[place[1]]), ctypes.byref(one))
        assert tuple(found[place].tolist()) == (one.val, one.err)
    alone = gsl.gsl_sf_bessel_Jn_e(2, 1.5)
    assert (alone["val"], alone["err"]) == tuple(gsl.gsl_sf_bessel_Jn_e(2, np.array([1.5]))[0].tolist())


def test_a_failed_call_is_told_in_the_librarys_words(gsl: pf.Library, everywhere: dict[str, Any]) -> None:
    x = np.full((3, 4), 1.5)
    x[2, 1] = 0.0  # a pole of the gamma function
    with pytest.raises(pf.ChunkError) as caught:
        gsl.gsl_sf_lngamma_e(x)
    assert str(caught.value) == "gsl_sf_lngamma_e at (2, 1) returned 1 (input domain error)"
    assert caught.value.function == "gsl_sf_lngamma_e"
    failure = caught.value.failures[0]
    assert (failure.item, failure.value, failure.text) == ((2, 1), 1, "returned 1 (input domain error)")
    np.testing.assert_allclose(gsl.gsl_sf_lngamma_e(x[:2])["val"], -0.12078223763524522)
