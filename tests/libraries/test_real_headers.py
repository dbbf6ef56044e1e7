"""Real headers: every declaration of these tests agrees with them, and contracts without types do the same work."""

from __future__ import annotations

import ast
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.language.header_types import HeaderTypes
from pyffipar.language.headers import read_header
from pyffipar.sources.compiling import preprocess
from pyffipar.sources.recipes import Recipe

HERE = Path(__file__).parent

# Library, package, headers, and macros for them.
HEADERS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "test_zlib.py": ("z", "zlib1g-dev", ["zlib.h"], []),
    "test_gsl.py": ("gsl", "libgsl-dev", ["gsl/gsl_statistics_double.h", "gsl/gsl_sf.h", "gsl/gsl_errno.h"], []),
    "test_gsl_handles.py": ("gsl", "libgsl-dev", ["gsl/gsl_histogram.h", "gsl/gsl_spline.h"], []),
    "test_cblas.py": ("openblas", "libopenblas-dev", ["cblas.h"], []),
    "test_sodium.py": ("sodium", "libsodium-dev", ["sodium.h"], []),
    "test_proj_udunits.py": ("udunits2", "libudunits2-dev", ["udunits2.h", "converter.h"], []),
    "test_libm.py": ("m", "libc6-dev", ["math.h", "complex.h"], ["_GNU_SOURCE"]),
}


def declarations(file: str) -> list[str]:
    """Every declaration in a test's constants, typedefs left out: the header has them."""
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.JoinedStr)):
            exec(ast.unparse(node), names)  # noqa: S102 - constants of our own tests
    texts = [str(names[name]) for name in ("DECLARATIONS", "PROTOTYPE", "UDUNITS") if name in names]
    text = ";".join(texts).replace("{0}", "") + str(names.get("CLAUSES", ""))
    text = re.sub(r"(typedef struct|enum) \{.*?\}.*?;", "", text, flags=re.DOTALL)
    return [f"{part.strip()};" for part in text.split(";") if part.strip()]


@pytest.mark.parametrize("file", HEADERS)
def test_every_declaration_of_these_tests_agrees_with_the_header(need: Any, file: str) -> None:
    name, package, headers, defines = HEADERS[file]
    found = declarations(file)
    assert found
    library = need(name, package, header=headers, contracts="\n".join(found), defines=defines)
    assert len(list(library)) == len(found)


@pytest.mark.parametrize("file", HEADERS)
def test_a_wrong_type_is_seen_in_every_one(need: Any, file: str) -> None:
    """Each is made to return what none of them returns."""
    name, package, headers, defines = HEADERS[file]
    for declaration in declarations(file):
        wrong = re.sub(r"^.*?(?=\b\w+\()", "signed char ", declaration, count=1, flags=re.DOTALL)
        with pytest.raises(pf.PrototypeError, match=r": returns signed char here, but .* in /"):
            need(name, package, header=headers, contracts=wrong, defines=defines)


def test_zlib_checksums(need: Any, everywhere: dict[str, Any]) -> None:
    z = need("z", "zlib1g-dev", header="zlib.h", contracts="""
        crc32_combine(crc1, crc2, len2);
        crc32(crc, buf[len], len) carry(crc = Z_OK) reduction(crc32_combine(_, _, len)) chunk(max = 4096);
        compressBound;
    """)  # fmt: skip
    data = np.random.default_rng(1).bytes(100_003)
    assert z.crc32(0, data) == zlib.crc32(data)
    assert z.crc32.declaration.startswith("uLong crc32(uLong crc, const Bytef buf[len], uInt len)")
    assert z.compressBound(1000) == 1013


def test_gsl_statistics_of_columns(need: Any) -> None:
    section = "data[0 : n : stride], stride, n"
    gsl = need("gsl", "libgsl-dev", header=Path("/usr/include/gsl/gsl_statistics_double.h"), contracts=f"""
        gsl_stats_mean({section}) reduction(mean);
        gsl_stats_max({section}) reduction(max);
        gsl_stats_max_index({section}) reduction(argmax(data));
        double gsl_stats_sd({section}) split();
    """)  # fmt: skip
    table = np.random.default_rng(2).standard_normal((1000, 3))
    np.testing.assert_allclose(gsl.gsl_stats_mean(table, axis=0), table.mean(0))
    np.testing.assert_array_equal(gsl.gsl_stats_max_index(table, axis=0), table.argmax(0))
    np.testing.assert_allclose(gsl.gsl_stats_sd(table, axis=0), table.std(0, ddof=1))


def test_gsl_results_and_handles(need: Any) -> None:
    headers = ["gsl/gsl_sf_bessel.h", "gsl/gsl_histogram.h", "gsl/gsl_errno.h"]
    gsl = need("gsl", "libgsl-dev", header=headers, contracts="""
        gsl_sf_bessel_Jn_e(n, x, result[1]) status(GSL_SUCCESS, gsl_strerror) init(gsl_set_error_handler_off);
        uintptr_t gsl_histogram_calloc_uniform(n, xmin, xmax);
        gsl_histogram_increment;
        gsl_histogram_get;
        gsl_histogram_free;
    """)  # fmt: skip
    found = gsl.gsl_sf_bessel_Jn_e([0, 1], [[0.0], [1.5]])
    np.testing.assert_allclose(found["val"], [[1.0, 0.0], [0.5118276717, 0.5579365079]])
    handle = gsl.gsl_histogram_calloc_uniform(4, 0.0, 4.0)
    with pf.options(threads=1):
        gsl.gsl_histogram_increment(handle, [0.5, 0.6, 3.5])
    assert gsl.gsl_histogram_get(handle, np.arange(4, dtype=np.uintp)).tolist() == [2.0, 0.0, 0.0, 1.0]
    gsl.gsl_histogram_free(handle)


def test_cblas_with_its_own_enumerators(need: Any) -> None:
    blas = need("openblas", "libopenblas-dev", header="cblas.h", contracts="""
        openblas_set_num_threads(threads);
        cblas_dgemm(Order, TransA, TransB, m, n, k, alpha, A[0 : m : lda][k], lda, B[0 : k : ldb][n], ldb, beta,
                    C[0 : m : ldc][n], ldc)
            fixed(Order = CblasRowMajor, TransA = CblasNoTrans, TransB = CblasNoTrans, beta = 0) default(alpha = 1);
    """)  # fmt: skip
    blas.openblas_set_num_threads(1)
    a, b = np.random.default_rng(3).standard_normal((2, 30, 30))
    np.testing.assert_allclose(blas.cblas_dgemm(A=a, B=b), a @ b)


def test_sodium_with_its_own_lengths(need: Any) -> None:
    sodium = need("sodium", "libsodium-dev", header="sodium.h", contracts="""
        crypto_hash_sha256(out[crypto_hash_sha256_BYTES], in_[inlen], inlen) split() status(0) init(sodium_init);
    """)  # fmt: skip
    empty = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert sodium.crypto_hash_sha256(np.zeros(0, np.uint8)).tobytes() == empty


@pytest.mark.parametrize(
    ("name", "package", "header"),
    [
        ("z", "zlib1g-dev", "zlib.h"),
        ("gsl", "libgsl-dev", "gsl/gsl_sf.h"),
        ("gsl", "libgsl-dev", "gsl/gsl_statistics.h"),
        ("gsl", "libgsl-dev", "gsl/gsl_histogram2d.h"),
        ("openblas", "libopenblas-dev", "cblas.h"),
        ("sodium", "libsodium-dev", "sodium.h"),
        ("proj", "libproj-dev", "proj.h"),
        ("udunits2", "libudunits2-dev", "udunits2.h"),
        ("volk", "libvolk2-dev", "volk/volk.h"),
    ],
)
def test_as_many_functions_are_found_as_the_compiler_knows(
    need: Any, name: str, package: str, header: str, tmp_path: Path, cc: str
) -> None:
    need(name, package, header=header)
    found = read_header(preprocess(Recipe(f"#include <{header}>\n")))
    (tmp_path / "source.c").write_text(f"#include <{header}>\n")
    command = [cc, "-std=gnu11", "-aux-info", "seen", "-fsyntax-only", "source.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    seen = re.findall(r"^/\* .*?:\d+:\w+ \*/ (.*);", (tmp_path / "seen").read_text(), re.MULTILINE)
    assert set(found.functions) == {match[1] for text in seen if (match := re.search(r"(\w+) \((?!\*)", text))}
    types = HeaderTypes(found.types)
    unread = [one for one in found.types if types.node(one) is None]
    assert not [
        one for one in unread if "_Float" not in found.types[one].text and "__builtin" not in found.types[one].text
    ]
