"""Compiling: what is made, what is found again, what is refused, and who may not interfere."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyffipar import compiling
from pyffipar.compiling import compile_source
from pyffipar.errors import CompileError

SOURCE = "int answer(void) { return 42; }\n"
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, not made yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(folder))
    return folder


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path)).answer())


def test_compiled_function_runs(cache: Path) -> None:
    path = compile_source(SOURCE)
    assert path.parent == cache
    assert answer(path) == 42


def test_cpp_compiles(cache: Path) -> None:
    source = '#include <vector>\nextern "C" int answer() { return std::vector<int>{41, 42}.back(); }\n'
    assert answer(compile_source(source, language="c++")) == 42


def test_same_source_is_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_source(SOURCE)
    monkeypatch.setattr(compiling, "_build", pytest.fail)
    assert compile_source(SOURCE) == first


def test_whatever_changes_the_code_changes_the_name(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [compile_source(SOURCE), compile_source(SOURCE + " "), compile_source(SOURCE, flags=["-DA=1"])]
    paths += [compile_source(SOURCE, flags=["-DA", "-D_1"]), compile_source(SOURCE, flags=["-march=native"])]
    monkeypatch.setattr(compiling, "_cpu_model", lambda: "another")
    paths.append(compile_source(SOURCE, flags=["-march=native"]))
    monkeypatch.setattr(compiling, "_version", lambda *_: "cc 99.1")
    paths.append(compile_source(SOURCE))
    monkeypatch.setenv("CC", "gcc -O1")
    paths.append(compile_source(SOURCE))
    assert len(set(paths)) == len(paths)


def test_flags_reach_the_compiler_and_win(cache: Path) -> None:
    source = "int answer(void) { return ANSWER + (sizeof(long) == 0); }\n"
    assert answer(compile_source(source, flags=["-DANSWER=7", "-O0"])) == 7


def test_libm_is_there_unasked(cache: Path) -> None:
    source = "#include <math.h>\nvolatile double x = 42.4;\nint answer(void) { return (int)floor(cbrt(x * x * x)); }\n"
    assert answer(compile_source(source)) == 42


def test_compiler_error_quotes_the_users_line(cache: Path) -> None:
    with pytest.raises(CompileError) as caught:
        compile_source("int good(void) { return 1; }\nint bad(void) { return oops; }\n")
    message = str(caught.value)
    assert "'oops' undeclared" in message
    assert "    2 | int bad(void) { return oops; }" in message
    assert "source.c:2:" in message
    assert str(cache) not in message.partition("command:")[0]


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("int answer(void) { return later(); }", "later"),
        ("int later(void); int answer(void) { return later(); }", "later"),
    ],
)
def test_function_nobody_defines_is_an_error_now(cache: Path, source: str, word: str) -> None:
    with pytest.raises(CompileError, match=word):
        compile_source(source)


def test_failed_compile_leaves_nothing_behind(cache: Path) -> None:
    with pytest.raises(CompileError):
        compile_source("nonsense")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("text", ['"; touch pwned; #', "$(touch pwned)", "`touch pwned`", "\n; touch pwned"])
def test_no_shell_sees_source_or_flags(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    compile_source(f"/* {text} */\n" + SOURCE, flags=[f"-DX={text}"] if "\n" not in text else [])
    assert not list(tmp_path.rglob("pwned"))


def test_current_folder_does_not_matter(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "math.h").write_text("#error this is not the header meant\n")
    monkeypatch.chdir(tmp_path)
    assert answer(compile_source('#include "math.h"\n' + SOURCE)) == 42


def test_folder_and_file_are_the_users_alone_whatever_the_umask(cache: Path) -> None:
    before = os.umask(0)
    try:
        path = compile_source(SOURCE)
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_cache_others_can_write_is_refused(cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(CompileError, match=r"can be written by others .*PYFFIPAR_CACHE_DIR"):
        compile_source(SOURCE)


def test_cache_that_is_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CompileError, match="symbolic link"):
        compile_source(SOURCE)


def test_cache_that_is_a_file_is_refused(cache: Path) -> None:
    cache.write_text("")
    with pytest.raises(CompileError, match="cannot be made"):
        compile_source(SOURCE)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_cache_of_another_user_is_refused(cache: Path) -> None:
    cache.mkdir(mode=0o700)
    os.chown(cache, 12345, -1)
    with pytest.raises(CompileError, match="belongs to user 12345"):
        compile_source(SOURCE)


def test_relative_cache_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.CACHE_VARIABLE, "here")
    with pytest.raises(CompileError, match="absolute"):
        compile_source(SOURCE)


def test_planted_library_is_refused_and_left_alone(cache: Path, tmp_path: Path) -> None:
    path = compile_source(SOURCE)
    path.unlink()
    planted = tmp_path / "planted.so"
    planted.write_bytes(b"evil")
    path.symlink_to(planted)
    with pytest.raises(CompileError, match="symbolic link"):
        compile_source(SOURCE)
    assert planted.read_bytes() == b"evil"
    path.unlink()
    path.write_bytes(b"evil")
    path.chmod(0o666)
    with pytest.raises(CompileError, match="written by others"):
        compile_source(SOURCE)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_library_of_another_user_is_refused(cache: Path) -> None:
    os.chown(compile_source(SOURCE), 12345, -1)
    with pytest.raises(CompileError, match="belongs to user 12345"):
        compile_source(SOURCE)


def test_cache_follows_the_customs_of_the_platform(tmp_path: Path) -> None:
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    assert compiling._cache_folder(home) == tmp_path / "pyffipar"
    assert compiling._folder_name({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "pyffipar"
    assert compiling._folder_name(home | {compiling.CACHE_VARIABLE: "/own"}) == Path("/own")


def test_threads_compiling_the_same_at_once_all_get_it(cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: compile_source(SOURCE), range(8)))
    assert len(set(paths)) == 1
    assert answer(paths[0]) == 42
    assert list(cache.iterdir()) == [paths[0]]


def test_processes_compiling_the_same_at_once_all_get_it(cache: Path) -> None:
    program = "import sys, ctypes; from pyffipar.compiling import compile_source\n"
    program += "sys.stdin.read(); print(ctypes.CDLL(str(compile_source(sys.argv[1]))).answer())"
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


def test_no_compiler_names_what_was_tried(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompileError, match=r"cc, gcc, clang.*apt-get install gcc.*CC"):
        compile_source(SOURCE)


@pytest.mark.parametrize(
    ("named", "match"),
    [("/nonexistent/cc -m64", "CC=/nonexistent/cc -m64"), ("'cc", "cannot be split"), ("false", "status 1")],
)
def test_wrong_cc_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch, named: str, match: str) -> None:
    monkeypatch.setenv("CC", named)
    with pytest.raises(CompileError, match=match):
        compile_source(SOURCE)


def test_cc_with_flags_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc '-DANSWER=6 * 7'")
    assert answer(compile_source("int answer(void) { return ANSWER; }")) == 42


def test_wrong_arguments_are_refused(cache: Path) -> None:
    with pytest.raises(TypeError, match="sequence of strings"):
        compile_source(SOURCE, flags="-O2")
    with pytest.raises(ValueError, match=r"'fortran'.*'c' and 'c\+\+'"):
        compile_source(SOURCE, language="fortran")
