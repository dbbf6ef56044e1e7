"""Preprocessed headers: what they declare and where; the C library's own ones, and C++."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyffipar.language.headers import Declared, Header, Place, read_header
from pyffipar.sources.compiling import preprocess
from pyffipar.sources.recipes import Recipe

STANDARD = (
    *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "limits", "locale", "math", "setjmp"),
    *("signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string", "tgmath", "time", "wchar"),
    *("pthread", "unistd", "sys/types", "sys/stat", "sys/socket", "fcntl", "dirent", "regex", "netdb"),
)


def functions(text: str) -> dict[str, str]:
    return {name: declared.text for name, declared in read_header(text).functions.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("double f(double x);", "double f(double x)"),
        ("extern double f (double __x) __attribute__ ((__nothrow__ , __leaf__)) __attribute__((const));",
         "double f (double __x)"),
        ("__extension__ extern __inline __attribute__((gnu_inline)) int f(const int *__restrict a) { return *a; }",
         "int f(const int * a)"),
        ("static inline int f(void) { if (1) { return '}' + \"}{\"[0]; } }", "int f(void)"),
        ("struct s f(struct s *p);", "struct s f(struct s *p)"),
        ("struct s f(struct s *p) { return *p; }", "struct s f(struct s *p)"),
        ("__const char *f(__signed__ char x[3]);", "const char *f(signed char x[3])"),
        ("int f(int (*g)(int, double), void (*h)(void));", "int f(int (*g)(int, double), void (*h)(void))"),
        ('extern "C" int f(std::size_t n) noexcept;', "int f( size_t n)"),
        ("[[nodiscard]] int f(int n);", "int f(int n)"),
        ("int f\n(int a,\n int b)\n;", "int f (int a, int b)"),
    ],
)  # fmt: skip
def test_a_function_is_read_without_what_says_nothing(text: str, expected: str) -> None:
    before, behind = "int before(void); ", " int behind(void);"
    assert functions(before + text + behind) == {
        "before": "int before(void)", "f": expected, "behind": "int behind(void)"
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "int x;",
        "int x = f(3);",
        "int x[] = { 1, 2, 3 };",
        "int (*pointer)(int n);",
        "int (*table[])(int n) = { f, g };",
        "typedef int (*callback)(int n);",
        "typedef int callback(int n);",
        "struct s { int (*f)(int n); };",
        "struct s { int a; } one = { 1 };",
        "enum e { A = sizeof(int), B };",
        'const char *text = "int g(int n);";',
        "char sign = '(';",
        '_Static_assert(sizeof(int) == 4, "four");',
        "MACRO(left, over);",
        "template <typename T> struct box { T get() const { return x; } T x; };",
        "template <typename T> T twice(T x) { return x + x; }",
        "class A : public B { A(int n) : n(n) {} int n; };",
        "bool operator==(const A& a, const A& b) { return true; }",
        "A::A(int n) : n(n) { g(); }",
        "auto one = [](int n) { return n; };",
        'const char *raw = R"x(int g(int n); "{ )x";',
        "int big = 1'000'000;",
    ],
)
def test_what_is_no_function_hides_none(text: str) -> None:
    found = functions(f"{text}\nint f(int n);\n{text}\nint h(int n) {{ return n; }}")
    assert {"f", "h"} <= set(found) <= {"f", "h", "twice"}


def test_linkage_blocks_are_looked_through() -> None:
    text = 'extern "C" {\nint f(void);\nextern "C++" { int g(void); }\n}\nnamespace n { int h(void); }\nint i(void);'
    assert list(functions(text)) == ["f", "g", "h", "i"]


def test_types_are_found_by_all_their_names() -> None:
    header = read_header(
        "typedef unsigned long size_t, *size_p; typedef struct point { double x[3]; } point_t, *point_p;"
        "struct tag { int a; }; union u { int a; }; enum e { A, B = 3, C = (1 << 2) };"
        "typedef enum { D, E } de; typedef int (*callback)(int a, double b); typedef double vector[3], matrix[3][3];"
        "typedef double function(double x); typedef struct opaque opaque; struct forward; struct tag *g(struct tag *p);"
    )
    assert set(header.types) == {
        *("size_t", "size_p", "point_t", "point_p", "struct point", "struct tag", "union u", "enum e", "de"),
        *("callback", "vector", "matrix", "function", "opaque"),
    }
    assert header.types["point_p"].text == "typedef struct point { double x[3]; } point_t, *point_p"
    assert set(header.enumerators) == set("ABCDE")
    assert header.enumerators["C"].text == "enum e { A, B = 3, C = (1 << 2) }"


def test_macros_are_known_until_they_are_undefined() -> None:
    text = "#define N 3\n#define EMPTY\n#define TWICE(x) ((x) + (x))\n#define GONE 1\n#undef GONE\n#define CALL(x) x\n"
    header = read_header(text + "#undef CALL\n#define N_OF (N + 1)\n")
    assert header.macros == {"N": "3", "EMPTY": "", "N_OF": "(N + 1)"}
    assert header.calls == {"TWICE"}


def test_places_are_those_of_the_files() -> None:
    text = (
        '# 1 "main.c"\n# 0 "<built-in>"\n#define A 1\n# 1 "main.c"\n# 1 "/a \\"b\\\\c.h" 1\nint f(void);\n\n'
        'int\ng(void);\n# 7 "main.c" 2\nint h(void);\n#define B 2\nint i(void);\n'
    )
    found = read_header(text).functions
    assert found["f"].place == Place('/a "b\\c.h', 1)
    assert found["g"].place == Place('/a "b\\c.h', 3)
    assert found["h"].place == Place("main.c", 7)
    assert str(found["i"].place) == "main.c:9"


def test_labels_are_read() -> None:
    header = read_header('int f(int n) __asm__ ("" "real_f") __attribute__((x)); int g(int n) asm("g");')
    assert header.functions["f"] == Declared("int f(int n)", Place("", 0), "real_f")
    assert header.functions["g"].label == "g"


PRAGMAS = """# 1 "a.c"
#pragma pyffipar one
int f(int n);
#pragma omp parallel
#pragma pyffipar
#pragma pyffipar   three  x

int g(int n) {
#pragma pyffipar inside
return n; }
#pragma pyffipar above data
int x;
struct s {
#pragma pyffipar within
int a; };
extern "C" {
#pragma pyffipar block
int h(int n) { return n; }
}
#pragma pyffiparty
#pragma pyffipar last
"""


def test_pragmas_belong_to_the_function_directly_below() -> None:
    found = [(pragma.text, pragma.name or None, pragma.place.line) for pragma in read_header(PRAGMAS).pragmas]
    assert found == [
        ("one", "f", 1), ("", "g", 4), ("three  x", "g", 5), ("inside", None, 8), ("above data", None, 10),
        ("within", None, 13), ("block", "h", 16), ("last", None, 20),
    ]  # fmt: skip


def test_of_several_declarations_a_pragma_is_about_the_one_below_it() -> None:
    text = "int f(int n);\n#pragma pyffipar reduction(+)\nint f(int m) { return m; }\n"
    header = read_header(text)
    assert header.functions["f"].text == "int f(int n)"
    assert header.pragmas[0].function is not None
    assert header.pragmas[0].function.text == "int f(int m)"
    assert read_header('int f(int n); int f(int n) __asm__("g"); int f(int m);').functions["f"].label == "g"


def test_headers_of_the_system_may_be_left_out() -> None:
    system = '# 1 "/usr/include/x.h" 1 3 4\nint g(void);\nint {{ broken\n'
    text = f'# 1 "a.c"\nint f(void);\n{system}# 3 "a.c" 2\nint h(void);\n'
    assert list(read_header(text, system=False).functions) == ["f", "h"]
    assert "g" in read_header(text).functions


PIECES = (
    *(
        "int f(int n)",
        "{",
        "}",
        "(",
        ")",
        ";",
        "[",
        "]",
        "=",
        '"',
        "'",
        "\\",
        "\n",
        "/",
        "enum e",
        "struct s",
        "typedef",
    ),
    *("#pragma pyffipar x\n", 'extern "C"', "__attribute__((", "operator", "#define A", '# 1 "a" 3\n', "1'0", "asm"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join) | st.text(max_size=200))
@settings(max_examples=500)
def test_no_text_is_more_than_taken_apart(text: str) -> None:
    found = read_header(text)
    assert all(declared.text == " ".join(declared.text.split()) for declared in found.functions.values())


def test_long_tables_and_deep_brackets_take_no_time() -> None:
    table = "static const int table[] = { " + "1, 2, (3), " * 100_000 + "};"
    deep = f"int deep({'(' * 500}x{')' * 500});"
    wide = f"int wide({'int a, ' * 50_000}int b);"
    started = time.perf_counter()
    assert set(functions(f"{table} {deep} {wide} int f(void);")) >= {"f", "wide"}
    assert time.perf_counter() - started < 30


def header(name: str, language: str = "c") -> Header:
    return read_header(preprocess(Recipe(f"#include <{name}>\n", language=language)))


@pytest.mark.parametrize("name", STANDARD)
def test_the_c_librarys_headers_are_read(name: str) -> None:
    """Every function that the compiler's own symbol table would know; here: nothing is swallowed, nothing made up."""
    found = header(f"{name}.h")
    for function, declared in found.functions.items():
        assert declared.text.count("(") == declared.text.count(")")
        assert "{" not in declared.text
        assert f"{function} (" in declared.text.replace(f"{function}(", f"{function} (")
        assert "__attribute__" not in declared.text


def test_math_is_all_there() -> None:
    found = header("math.h")
    for name in ("sin", "hypot", "fma", "lgamma", "frexp", "cbrtf", "nextafterl", "jn", "ilogb"):
        assert name in found.functions
    assert found.functions["hypot"].text == "double hypot (double __x, double __y)"
    assert found.functions["hypot"].place.path.endswith("mathcalls.h")
    assert "M_PI" in found.macros
    assert "fpclassify" in found.calls
    assert {"float_t", "double_t"} <= set(found.types)


@pytest.mark.parametrize("name", STANDARD)
def test_as_many_functions_are_found_as_the_compiler_knows(name: str, tmp_path: Path, cc: str) -> None:
    """GCC writes down every function that it has seen a declaration of."""
    (tmp_path / "source.c").write_text(f"#include <{name}.h>\n")
    command = [cc, "-std=gnu11", "-aux-info", "seen", "-fsyntax-only", "source.c"]
    if subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("only GCC has -aux-info")
    seen = re.findall(r"^/\* .*?:\d+:\w+ \*/ (.*);", (tmp_path / "seen").read_text(), re.MULTILINE)
    names = {match[1] for text in seen if (match := re.search(r"(\w+) \((?!\*)", text))}
    assert set(header(f"{name}.h").functions) == names
