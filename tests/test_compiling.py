"""Compiling: what is made, what is found again, what is refused, and what decides about it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.errors import CompileError
from pyffipar.sources import compilers, compiling
from pyffipar.sources.compile_cache import CACHE_VARIABLE
from pyffipar.sources.compiling import build, preprocess
from pyffipar.sources.origins import SourceOrigin
from pyffipar.sources.recipes import Paths, Recipe, make_recipe

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, not made yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def compile_source(
    source: str, flags: Sequence[str] = (), include: Paths = (), libraries: Paths = (), language: str = "c"
) -> Path:
    return build(make_recipe(source, flags=flags, include=include, libraries=libraries, language=language))


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path)).answer())


def test_a_compiled_function_runs(cache: Path) -> None:
    path = compile_source(SOURCE)
    assert path.parent.parent == cache
    assert answer(path) == 42


def test_cpp_compiles(cache: Path) -> None:
    source = '#include <vector>\nextern "C" int answer() { return std::vector<int>{41, 42}.back(); }\n'
    assert answer(compile_source(source, language="c++")) == 42


def test_the_same_source_is_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_source("#include <math.h>\n" + SOURCE)
    monkeypatch.setattr(compiling, "_make_new", lambda *_: pytest.fail("compiled again"))
    assert compile_source("#include <math.h>\n" + SOURCE) == first


def test_whatever_changes_the_code_changes_the_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [compile_source(SOURCE), compile_source(SOURCE + " "), compile_source(SOURCE, flags=["-DA=1"])]
    paths += [compile_source(SOURCE, flags=["-DA", "-D_1"]), compile_source(SOURCE, flags=["-march=native"])]
    paths += [compile_source(SOURCE, include=["/a"]), compile_source(SOURCE, libraries=["m"])]
    paths += [compile_source(SOURCE, flags=["-I/a"]), compile_source(SOURCE, flags=["-DA=1", "-DB"])]
    monkeypatch.setattr(compiling, "_cpu_model", lambda: "another")
    paths.append(compile_source(SOURCE, flags=["-march=native"]))
    monkeypatch.setenv("CPATH", "/somewhere")
    paths.append(compile_source(SOURCE))
    monkeypatch.setattr(compilers, "_version", lambda *_: "cc 99.1")
    paths.append(compile_source(SOURCE))
    monkeypatch.setenv("CC", "gcc -O1")
    paths.append(compile_source(SOURCE))
    assert len({path.parent.name.split("-")[0] for path in paths}) == len(paths)


def test_flags_reach_the_compiler_and_win(cache: Path) -> None:
    source = "int answer(void) { return ANSWER + (sizeof(long) == 0); }\n"
    assert answer(compile_source(source, flags=["-DANSWER=7", "-O0"])) == 7


def test_libm_is_there_unasked(cache: Path) -> None:
    source = "#include <math.h>\nvolatile double x = 42.4;\nint answer(void) { return (int)floor(cbrt(x * x * x)); }\n"
    assert answer(compile_source(source)) == 42


def test_openmp_needs_its_flag_and_nothing_else() -> None:
    source = """
        #include <omp.h>
        #include <stddef.h>
        double total(size_t n, const double *x, int *team) {
            double sum = 0;
            #pragma omp parallel for reduction(+: sum) num_threads(2)
            for (size_t i = 0; i < n; i++) { sum += x[i]; if (i == 0) *team = omp_get_num_threads(); }
            return sum;
        }
    """
    declaration = "double total(size_t n, const double x[n], int team[1]) split();"
    library = pf.compile(source, declaration, flags=("-fopenmp",))
    total, team = library.total(np.ones(1000))
    assert (total, team) == (1000.0, 2)


# Headers


def header(folder: Path, value: int, name: str = "value.h") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#define VALUE {value}\n")
    return folder


USING_HEADER = '#include "value.h"\nint answer(void) { return VALUE; }\n'


@pytest.mark.parametrize("how", ["include", "flag", "variable"])
def test_a_header_that_has_changed_is_compiled_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder = header(tmp_path / "own", 1)
    if how == "variable":
        monkeypatch.setenv("CPATH", str(folder))

    def compiled() -> Path:
        include, flags = [folder] if how == "include" else [], [f"-I{folder}"] if how == "flag" else []
        return compile_source(USING_HEADER, include=include, flags=flags)

    first = compiled()
    header(folder, 2)
    second = compiled()
    assert (answer(first), answer(second)) == (1, 2)
    header(folder, 1)
    monkeypatch.setattr(compiling, "_make_new", lambda *_: pytest.fail("compiled again"))
    assert compiled() == first  # switching back and forth costs nothing
    header(folder, 2)
    assert compiled() == second


def test_headers_that_headers_include_count_too(cache: Path, tmp_path: Path) -> None:
    folder = header(tmp_path / "own", 1, "deep/inner value.h")
    (folder / "value.h").write_text('#include "deep/inner value.h"\n')
    assert answer(compile_source(USING_HEADER, include=[folder])) == 1
    header(folder, 2, "deep/inner value.h")
    assert answer(compile_source(USING_HEADER, include=[folder])) == 2


def test_a_header_that_comes_to_lie_in_front_is_seen(cache: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "first", header(tmp_path / "second", 2)]
    folders[0].mkdir()
    assert answer(compile_source(USING_HEADER, include=folders)) == 2
    header(folders[0], 1)
    assert answer(compile_source(USING_HEADER, include=folders)) == 1


def test_a_header_that_is_gone_is_the_compilers_error(cache: Path, tmp_path: Path) -> None:
    folder = header(tmp_path / "own", 1)
    compile_source(USING_HEADER, include=[folder])
    (folder / "value.h").unlink()
    with pytest.raises(CompileError, match=r"value\.h: No such file"):
        compile_source(USING_HEADER, include=[folder])


def test_a_header_that_changes_while_it_is_compiled_serves_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = header(tmp_path / "own", 1)
    meddler = tmp_path / "cc"
    meddler.write_text(
        f'#!/bin/sh\n{shutil.which("cc")} "$@"\n[ "$1" = --version ] || echo "#define VALUE 2" > {folder}/value.h\n'
    )
    meddler.chmod(0o755)
    monkeypatch.setenv("CC", str(meddler))
    assert answer(compile_source(USING_HEADER, include=[folder])) == 1  # what it was when it was read
    assert answer(compile_source(USING_HEADER, include=[folder])) == 2
    assert len(list(cache.iterdir())) == 2


def test_relative_folders_are_those_of_the_caller(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header(tmp_path / "own", 3)
    monkeypatch.chdir(tmp_path)
    recipe = make_recipe(USING_HEADER, include=["own", Path("other")], libraries=["m", "./lib.a", Path("lib.so")])
    assert recipe.include == (str(tmp_path / "own"), str(tmp_path / "other"))
    assert recipe.libraries == ("m", str(tmp_path / "lib.a"), str(tmp_path / "lib.so"))
    assert answer(compile_source(USING_HEADER, include=["own"])) == 3


@pytest.mark.parametrize("variable", ["CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH"])
@pytest.mark.parametrize("value", ["", ":", ".", "./", "here"])
def test_the_current_folder_does_not_matter(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for folder in (tmp_path, tmp_path / "here"):
        folder.mkdir(exist_ok=True)
        (folder / "math.h").write_text("#error this is not the header meant\n")
        (folder / "libm.so").write_text("this is not the library meant")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    assert answer(compile_source('#include "math.h"\n' + SOURCE, libraries=["m"])) == 42


# Libraries


@pytest.fixture
def parts(tmp_path: Path, cc: str) -> Path:
    """A folder with a static and a shared library."""
    folder = tmp_path / "parts, with a comma"
    folder.mkdir()
    for kind, value in (("static", 5), ("shared", 6)):
        (folder / f"{kind}.c").write_text(f"int part{value}(void) {{ return {value}; }}\n")
    subprocess.run([cc, "-c", "-fPIC", "static.c"], cwd=folder, check=True)
    subprocess.run(["ar", "rc", "libstatic.a", "static.o"], cwd=folder, check=True)  # noqa: S607
    subprocess.run([cc, "-shared", "-fPIC", "shared.c", "-o", "libshared.so", "-Wl,-soname,libshared.so"], cwd=folder,
                   check=True)  # fmt: skip
    return folder


@pytest.mark.parametrize(("file", "value"), [("libstatic.a", 5), ("static.o", 5), ("libshared.so", 6)])
def test_libraries_are_linked_by_path(cache: Path, parts: Path, file: str, value: int) -> None:
    source = "int part(void) __asm__(NAME); int answer(void) { return 7 * part(); }\n"
    name = f'-DNAME="{"part5" if value == 5 else "part6"}"'
    assert answer(compile_source(source, flags=[name], libraries=[parts / file])) == 7 * value


def test_libraries_are_linked_by_name(cache: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "int part6(void); int answer(void) { return part6(); }\n"
    with pytest.raises(CompileError, match="cannot find -lshared"):
        compile_source(source, libraries=["shared"])
    monkeypatch.setenv("LIBRARY_PATH", str(parts))
    assert compile_source(source, libraries=["shared"]).is_file()
    library = pf.compile(
        "#include <zlib.h>\nunsigned long start(void) { return adler32(0, 0, 0); }",
        "unsigned long start(void);",
        libraries=["z"],
    )
    assert library.start() == 1


def test_a_static_library_that_has_changed_is_linked_again(cache: Path, parts: Path) -> None:
    source = "int part5(void); int answer(void) { return part5(); }\n"
    assert answer(compile_source(source, libraries=[parts / "static.o"])) == 5
    (parts / "static.c").write_text("int part5(void) { return 8; }\n")
    subprocess.run(["cc", "-c", "-fPIC", "static.c"], cwd=parts, check=True)  # noqa: S607
    assert answer(compile_source(source, libraries=[parts / "static.o"])) == 8


def test_a_library_that_is_not_there_is_told(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        compile_source(SOURCE, libraries=[tmp_path / "libnone.a"])
    assert str(caught.value) == f"the library {tmp_path}/libnone.a does not exist"


def test_a_library_anyone_can_write_is_not_linked(cache: Path, parts: Path) -> None:
    (parts / "libshared.so").chmod(0o777)
    with pytest.raises(CompileError, match=r"libshared\.so is not linked: .* can be written by every user"):
        compile_source(SOURCE, libraries=[parts / "libshared.so"])


# Refusals


def test_a_compilers_error_quotes_the_users_line(cache: Path) -> None:
    with pytest.raises(CompileError) as caught:
        compile_source("int good(void) { return 1; }\nint bad(void) { return oops; }\n")
    message = str(caught.value)
    assert message.startswith(f"{compilers.find_compiler(compilers.LANGUAGES['c']).command[0]} refused the source")
    assert "'oops' undeclared" in message
    assert "    2 | int bad(void) { return oops; }" in message
    assert "source.c:2:" in message
    assert str(cache) not in message.partition("command:")[0]
    assert "\ncompiler: " in message


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("int answer(void) { return later(); }", "later"),
        ("int later(void); int answer(void) { return later(); }", "later"),
    ],
)
def test_a_function_nobody_defines_is_an_error_now(cache: Path, source: str, word: str) -> None:
    with pytest.raises(CompileError, match=word):
        compile_source(source)


def test_a_failed_compile_leaves_nothing_behind(cache: Path) -> None:
    with pytest.raises(CompileError):
        compile_source("nonsense")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("text", ['"; touch pwned; #', "$(touch pwned)", "`touch pwned`", "\n; touch pwned"])
def test_no_shell_sees_source_or_flags(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    plain = [] if "\n" in text else [text]
    compile_source(f"/* {text} */\n" + SOURCE, flags=[f"-DX={word}" for word in plain], include=plain)
    with pytest.raises(CompileError):
        compile_source(SOURCE, libraries=[text])
    assert not list(tmp_path.rglob("pwned"))


def test_wrong_arguments_are_refused() -> None:
    for name in ("flags", "include", "libraries"):
        with pytest.raises(TypeError) as caught:
            make_recipe(SOURCE, **{name: "one"})
        assert str(caught.value) == f"{name} is the single value 'one'; give a sequence, such as ('one',)"
    with pytest.raises(ValueError, match=r"'fortran'.*'c' and 'c\+\+'"):
        make_recipe(SOURCE, language="fortran")


# Several at once


def test_threads_compiling_the_same_at_once_all_get_it(cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: compile_source(SOURCE), range(8)))
    assert len(set(paths)) == 1
    assert answer(paths[0]) == 42
    assert list(cache.iterdir()) == [paths[0].parent]


def test_processes_compiling_the_same_at_once_all_get_it(cache: Path) -> None:
    program = "import sys, ctypes; from pyffipar.sources.compiling import build\n"
    program += "from pyffipar.sources.recipes import Recipe\n"
    program += "sys.stdin.read(); print(ctypes.CDLL(str(build(Recipe(sys.argv[1])))).answer())"
    command = [sys.executable, "-c", program, SOURCE]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cache.parent)
        for _ in range(4)
    ]
    for process in running:  # all have imported and wait: now let them go together
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    assert [process.communicate()[0] for process in running] == ["42\n"] * 4
    assert len(list(cache.iterdir())) == 1


# Compilers


def test_cc_with_flags_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc '-DANSWER=6 * 7'")
    assert answer(compile_source("int answer(void) { return ANSWER; }")) == 42


def test_zig_compiles_when_there_is_no_other(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a package in its place that hands on to the compilers that are here: Zig itself is 400 MB."""
    package = tmp_path / "packages" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    tools = {name: shutil.which(name) for name in ("cc", "c++")}
    (package / "__main__.py").write_text(
        f"import os, sys\nprogram = {tools}[sys.argv[1]]\n"
        f"os.environ['PATH'] = {os.environ['PATH']!r}\nos.execv(program, [program, *sys.argv[2:]])\n"
    )
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError, match="ziglang is not installed"):
        compile_source(SOURCE)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    assert answer(compile_source(SOURCE)) == 42
    source = '#include <string>\nextern "C" int answer() { return std::string("four").size(); }\n'
    assert answer(compile_source(source, language="c++")) == 4
    assert [entry.command[1:4] for entry in pf.compile_cache.entries()] == [
        ("-m", "ziglang", "c++"),
        ("-m", "ziglang", "cc"),
    ]


# Preprocessing


def test_preprocessing_keeps_macros_and_places(cache: Path, tmp_path: Path) -> None:
    folder = header(tmp_path / "own", 5)
    text = preprocess(Recipe('#include "value.h"\nint answer = VALUE;\n', include=(str(folder),)))
    assert "#define VALUE 5\n" in text
    assert "int answer = 5;\n" in text
    assert f'"{folder}/value.h"' in text


def test_preprocessed_texts_are_kept_until_a_header_changes(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe('#include "value.h"\nint answer = VALUE;\n', include=[header(tmp_path / "own", 5)])
    first = preprocess(recipe)
    with monkeypatch.context() as patched:
        patched.setattr(compiling, "_make_new", lambda *_: pytest.fail("preprocessed again"))
        assert preprocess(recipe) == first
    header(tmp_path / "own", 6)
    assert "int answer = 6;" in preprocess(recipe)


def test_a_header_that_is_not_found_is_the_compilers_error(cache: Path) -> None:
    with pytest.raises(CompileError, match=r"nowhere/to/be\.h: No such file"):
        preprocess(Recipe("#include <nowhere/to/be.h>\n"))


def test_a_library_holds_what_it_was_made_of(tmp_path: Path) -> None:
    library = pf.compile(SOURCE, "int answer(void);", flags=["-O1"], include=[tmp_path], libraries=["m"])
    assert isinstance(library._origin, SourceOrigin)
    assert library._origin.recipe == Recipe(SOURCE, ("-O1",), (str(tmp_path),), ("m",), "c")
