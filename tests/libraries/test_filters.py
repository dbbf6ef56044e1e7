"""Filters: outputs whose used length is returned, in order and in place; halos, with every rule for the ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

SOURCE = r"""
#include <stddef.h>
int positive(int n, const double *x, double *y) {
    int k = 0;
    for (int i = 0; i < n; i++) if (x[i] > 0) y[k++] = x[i];
    return k;
}
size_t split_signs(size_t n, const double *x, double *y, long *where) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) if (x[i] < 0) { y[k] = x[i]; where[k++] = (long)i; }
    return k;
}
size_t doubled(size_t n, const unsigned char *x, unsigned char *y) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) { y[k++] = x[i]; if (x[i] == '"') y[k++] = '"'; }
    return k;
}
size_t liar(size_t n, const double *x, double *y) { (void)x; (void)y; return n + 1; }
void blur(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i - 2] + 10 * x[i - 1] + 100 * x[i] + 1000 * x[i + 1];
}
void valid(size_t n, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] + 10 * x[i + 1] + 100 * x[i + 2];
}
void rows(size_t m, size_t n, const double *x, double *y) {
    for (size_t i = 0; i < m; i++) for (size_t j = 0; j < n; j++)
        y[i * n + j] = x[(i - 1) * n + j] + 10 * x[i * n + j] + 100 * x[(i + 1) * n + j];
}
"""
DECLARATIONS = """
    int positive(int n, const double x[n], double y[n]) reduction(concat: y) {0};
    size_t split_signs(size_t n, const double x[n], double y[n], long where[n]) reduction(concat: y, where)
        chunk(max = 1000000);
    size_t doubled(size_t n, const unsigned char x[n], unsigned char y[2*n]) reduction(concat: y) {0};
    size_t liar(size_t n, const double x[n], double y[n]) reduction(concat: y) {0};
    void valid(size_t n, const double x[n + 2], double y[n]) {0};
"""
unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def path() -> str:
    return pf.compile(SOURCE).path


@pytest.fixture(scope="module")
def kernels(path: str) -> pf.Library:
    return pf.load(path, DECLARATIONS.format(""))


@pytest.fixture(scope="module")
def pieces(path: str) -> pf.Library:
    return pf.load(path, DECLARATIONS.format("chunk(max = 5)"))


@given(x=hnp.arrays(np.float64, st.integers(0, 60), elements=st.integers(-3, 3)))
@unhurried
def test_what_is_kept_stays_in_order(pieces: pf.Library, everywhere: dict[str, Any], x: Array) -> None:
    assert pieces.positive(x).tolist() == x[x > 0].tolist()
    out = np.full(x.size, 9.0)
    kept = pieces.positive(x, out=out)
    assert np.shares_memory(kept, out) or not kept.size
    text = np.where(x > 1, ord('"'), ord("a")).astype(np.uint8)
    assert pieces.doubled(text).tobytes() == text.tobytes().replace(b'"', b'""')


def test_two_outputs_are_joined_alike(path: str, everywhere: dict[str, Any]) -> None:
    x = np.random.default_rng(1).standard_normal(1000)
    whole = pf.load(path, DECLARATIONS.format(""))
    values, where = whole.split_signs(x)
    assert values.tolist() == x[x < 0].tolist()
    assert len(where) == len(values)


def test_a_count_that_cannot_be_is_an_error(pieces: pf.Library, everywhere: dict[str, Any]) -> None:
    with pytest.raises(pf.ChunkError) as caught:
        pieces.liar(np.zeros(12))
    assert str(caught.value) == "liar on n = 0 … 5 returned 6, but its chunk of y has 5 elements"


def test_a_filter_is_not_lifted(pieces: pf.Library) -> None:
    with pytest.raises(ValueError, match=r"^positive: concat gives results of different lengths, so it is not lifted$"):
        pieces.positive(np.zeros((3, 4)))


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_joining_needs_no_second_copy(path: str, apart: Any, executor: str) -> None:
    measured = apart(f"""
pf.set_options(executor={executor!r}, threads=2)
k = pf.load({path!r}, '''{DECLARATIONS.format("")}''')
x = np.tile([1.0, -1.0], 4_000_000)
print(json.dumps(grown(lambda: k.positive(x).size)))
""")
    assert measured["value"] == 4_000_000
    assert measured["traced"] < 66 << 20  # the 64 MB the result may take, and nothing of that size beside them


# How np.pad says what each boundary means.
PADDED: dict[str, dict[str, Any]] = {
    "reflect": {"mode": "symmetric"},
    "mirror": {"mode": "reflect"},
    "nearest": {"mode": "edge"},
    "wrap": {"mode": "wrap"},
    "constant(2.5)": {"mode": "constant", "constant_values": 2.5},
    "constant": {"mode": "constant", "constant_values": 0},
}
every_boundary = pytest.mark.parametrize("boundary", PADDED)
DTYPES: tuple[Any, ...] = (np.float64, np.float32, np.int16, np.dtype(">f8"))


@every_boundary
@given(data=st.data(), length=st.integers(0, 40), largest=st.integers(1, 50))
@unhurried
def test_every_boundary_is_the_padded_array(
    path: str, everywhere: dict[str, Any], boundary: str, data: st.DataObject, length: int, largest: int
) -> None:
    library = pf.load(
        path,
        f"void blur(size_t n, const double x[-2 : n + 3], double y[n]) boundary({boundary}) chunk(max = {largest});",
    )
    dtype = data.draw(st.sampled_from(DTYPES))
    x = np.random.default_rng(length).integers(0, 9, (2, length)).astype(dtype)
    x = x[:, :: data.draw(st.sampled_from((1, -1)))]
    found = library.blur(x)
    if not length:
        assert found.shape == (2, 0)
        return
    padded = np.stack([np.pad(row.astype(np.float64), (2, 1), **PADDED[boundary]) for row in x])
    expected = padded[:, :-3] + 10 * padded[:, 1:-2] + 100 * padded[:, 2:-1] + 1000 * padded[:, 3:]
    assert found.tolist() == expected.tolist()


@every_boundary
def test_rows_beyond_the_first_and_last(path: str, everywhere: dict[str, Any], boundary: str) -> None:
    declaration = f"""void rows(size_t m, size_t n, const double x[-1 : m + 2][n], double y[m][n])
        split(m) boundary({boundary}) chunk(max = 3);"""
    image = np.random.default_rng(1).integers(0, 9, (10, 7)).astype(np.float64)
    padded = np.pad(image, ((1, 1), (0, 0)), **PADDED[boundary])
    expected = padded[:-2] + 10 * padded[1:-1] + 100 * padded[2:]
    library = pf.load(path, declaration)
    np.testing.assert_array_equal(library.rows(image), expected)
    np.testing.assert_array_equal(library.rows(np.asfortranarray(image)), expected)


@pytest.mark.parametrize("executor", ["native", "threads"])
def test_a_boundary_copies_the_ends_only(path: str, apart: Any, executor: str) -> None:
    measured = apart(f"""
pf.set_options(executor={executor!r}, threads=2)
k = pf.load({path!r}, "void blur(size_t n, const double x[-2 : n + 3], double y[n]) boundary(reflect);")
x, out = np.ones(8_000_000), np.empty(8_000_000)
print(json.dumps(grown(lambda: float(k.blur(x, out=out)[-1]))))
""")
    assert measured["value"] == 1111.0
    assert measured["traced"] < 12 << 20
    assert measured["resident"] < 32 << 20


@given(length=st.integers(2, 50))
@unhurried
def test_without_a_boundary_the_caller_passes_the_longer_array(
    pieces: pf.Library, everywhere: dict[str, Any], length: int
) -> None:
    x = np.random.default_rng(length).integers(0, 9, length).astype(np.float64)
    assert pieces.valid(x).tolist() == (x[:-2] + 10 * x[1:-1] + 100 * x[2:]).tolist()
