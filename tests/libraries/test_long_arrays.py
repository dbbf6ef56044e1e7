"""Lengths of 32 and 8 bits: arrays longer than they count are cut to fit, and never counted modulo something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyffipar as pf

SOURCE = r"""
#include <stddef.h>
#include <stdint.h>
long long marked(int n, const unsigned char *x) { long long s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }
long long counted(unsigned n, const unsigned char *x) {
    long long s = 0;
    for (unsigned i = 0; i < n; i++) s += x[i] != 0;
    return s;
}
int64_t place(int n, const unsigned char *x) {
    int best = 0;
    for (int i = 1; i < n; i++) if (x[i] > x[best]) best = i;
    return best;
}
long small(uint8_t n, const int *x) { long s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }
long tiny(int8_t n, const int *x) { long s = 0; for (int i = 0; i < n; i++) s += x[i]; return s; }
double trace(uint8_t n, const double *a) { double s = 0; for (int i = 0; i < n; i++) s += a[i * n + i]; return s; }
void rows(size_t m, uint8_t n, const double *a, double *y) {
    for (size_t i = 0; i < m; i++) { y[i] = 0; for (int j = 0; j < n; j++) y[i] += a[i * n + j]; }
}
"""
DECLARATIONS = """
    long long marked(int n, const unsigned char x[n]) reduction(+);
    long long counted(unsigned n, const unsigned char x[n]) reduction(+);
    int64_t place(int n, const unsigned char x[n]) reduction(argmax(x));
    long small(uint8_t n, const int x[n]) reduction(+);
    long tiny(int8_t n, const int x[n]) reduction(+);
    double trace(uint8_t n, const double a[n][n]);
    void rows(size_t m, uint8_t n, const double a[m][n], double y[m]);
"""


@pytest.fixture(scope="module")
def kernels() -> pf.Library:
    return pf.compile(SOURCE, DECLARATIONS)


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 256, 257, 511, 100_003])
def test_a_length_of_eight_bits(kernels: pf.Library, everywhere: dict[str, Any], length: int) -> None:
    x = np.arange(length, dtype=np.intc)
    assert kernels.small(x) == x.sum()
    assert kernels.tiny(x) == x.sum()


def test_a_length_that_is_not_cut_must_fit(kernels: pf.Library, everywhere: dict[str, Any]) -> None:
    assert kernels.trace(np.eye(255)) == 255
    with pytest.raises(OverflowError) as caught:
        kernels.trace(np.eye(256))
    assert str(caught.value) == "trace: n = 256 (from a) does not fit uint8_t, and calls are not cut along it"
    assert kernels.rows(np.ones((1000, 255))).tolist() == [255.0] * 1000
    with pytest.raises(OverflowError) as caught:
        kernels.rows(np.ones((3, 300)))
    assert str(caught.value) == "rows: n = 300 (from a) does not fit uint8_t, and calls are not cut along it"


def test_chunks_that_no_length_can_count(kernels: pf.Library) -> None:
    library = pf.load(kernels.path, "long small(uint8_t n, const int x[n]) reduction(+) chunk(step = 300);")
    with pytest.raises(OverflowError) as caught:
        library.small(np.ones(301, np.intc))
    assert str(caught.value) == "small: chunks of at least 300 items do not fit uint8_t n"


# Memory that was never written is one page of zeros, shown again and again: gigabytes of it cost nothing.
HUGE = """
import mmap
def huge(length, places):
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    data = np.frombuffer(memory, np.uint8)
    data[places] = np.arange(1, len(places) + 1)
    return data
"""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["native", "threads"])
@pytest.mark.parametrize(
    ("length", "name", "expected"),
    [
        ((1 << 31) + 5, "marked", 15),
        ((1 << 31) + 5, "place", (1 << 31) + 4),
        ((1 << 32) + 3, "counted", 5),
    ],
)
def test_more_items_than_32_bits_count(
    kernels: pf.Library, apart: Any, executor: str, length: int, name: str, expected: int
) -> None:
    places = [0, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, length - 1]
    measured = apart(f"""
{HUGE}
pf.set_options(executor={executor!r}, threads=2)
k = pf.load({kernels.path!r}, '''{DECLARATIONS[: DECLARATIONS.index("long small")]}''')
data = huge({length}, {places})
print(json.dumps(anonymous(lambda: int(k.{name}(data)))))
""")
    assert measured["value"] == expected
    assert measured["anonymous"] < 200 << 20
