"""The compile cache: what it says about itself, what it forgets, and everything that was planted in it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pyffipar as pf
from pyffipar.errors import CompileError
from pyffipar.sources import compile_cache, compiling
from pyffipar.sources.compile_cache import CACHE_VARIABLE
from pyffipar.sources.compiling import build, preprocess
from pyffipar.sources.recipes import Recipe

SOURCE = "\n  int answer(void) { return 42; }\nint other(void) { return 1; }\n"
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
OTHER = 12345
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can give files away and act as somebody else")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, not made yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def compiled(source: str = SOURCE) -> Path:
    return build(Recipe(source))


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path)).answer())


# Listing and clearing


def test_there_is_nothing_to_list_before_the_first_compile(cache: Path) -> None:
    assert compile_cache.folder() == cache
    assert compile_cache.entries() == []
    assert compile_cache.clear() == []
    assert not cache.exists()


def test_an_entry_says_what_it_is(cache: Path) -> None:
    before = time.time()
    path = compiled("#include <math.h>\n" + SOURCE)
    (entry,) = compile_cache.entries()
    assert entry.product == path
    assert entry.folder == path.parent
    assert path.parent.name.startswith(f"{entry.key}-")
    assert entry.source == "#include <math.h>\n" + SOURCE
    assert entry.first_line == "#include <math.h>"
    assert entry.size == sum(file.stat().st_size for file in path.parent.iterdir())
    assert abs(entry.last_used - before) < 60
    assert entry.compiler == subprocess.check_output([entry.command[0], "--version"], text=True).split("\n")[0]
    assert {"-O3", "-shared", "source.c"} <= set(entry.command)
    assert "/usr/include/math.h" in entry.dependencies
    assert sorted(file.name for file in path.parent.iterdir()) == ["compiled.so", "entry.json", "source.c"]


def test_first_lines_leave_out_empty_ones(cache: Path) -> None:
    compiled()
    preprocess(Recipe("\n\n"))
    assert {entry.first_line for entry in compile_cache.entries()} == {"int answer(void) { return 42; }", ""}


def test_entries_are_in_the_order_of_their_last_use(cache: Path) -> None:
    paths = [compiled(f"int f{number}(void) {{ return 0; }}") for number in range(3)]
    for age, path in enumerate(paths):
        os.utime(path.parent / "entry.json", (1000 - age, 1000 - age))
    assert [entry.product for entry in compile_cache.entries()] == paths
    compiled("int f2(void) { return 0; }")
    assert [entry.product for entry in compile_cache.entries()] == [paths[2], *paths[:2]]


def test_clearing_forgets_all_or_what_was_not_used_lately(cache: Path) -> None:
    old, new = compiled("int old(void) { return 0; }"), compiled()
    os.utime(old.parent / "entry.json", (1000, 1000))
    assert [entry.product for entry in compile_cache.clear(older_than=3600)] == [old]
    assert list(cache.iterdir()) == [new.parent]
    assert [entry.product for entry in compile_cache.clear()] == [new]
    assert list(cache.iterdir()) == []
    assert answer(compiled()) == 42


def test_clearing_touches_nothing_that_is_not_its_own(cache: Path, tmp_path: Path) -> None:
    compiled()
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "entry.json").write_text("{}")
    (cache / "notes").write_text("mine")
    (cache / "folder").mkdir()
    (cache / "link").symlink_to(kept)
    (cache / ("a" * 32)).mkdir()
    compile_cache.clear()
    assert sorted(file.name for file in cache.iterdir()) == ["a" * 32, "folder", "link", "notes"]
    assert (kept / "entry.json").exists()


def test_links_inside_an_entry_are_not_followed(cache: Path, tmp_path: Path) -> None:
    entry = compiled().parent
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (entry / "link").symlink_to(tmp_path / "kept")
    compile_cache.clear()
    assert not entry.exists()
    assert (tmp_path / "kept" / "file").exists()


def test_what_a_killed_compile_left_is_cleared_after_a_day(cache: Path) -> None:
    compiled()
    left, busy = cache / "build-left", cache / "build-busy"
    for folder in (left, busy):
        folder.mkdir(mode=0o700)
        (folder / "source.c").touch()
    os.utime(left, (1000, 1000))
    compile_cache.clear(older_than=3600)
    assert not left.exists()
    assert busy.exists()


def test_a_library_that_is_loaded_survives_clearing(cache: Path) -> None:
    library = pf.compile(SOURCE, "int answer(void);")
    compile_cache.clear()
    assert library.answer() == 42
    assert pf.compile(SOURCE, "int answer(void);").answer() == 42


# Damage


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("compiled.so", truncate),
        ("compiled.so", Path.unlink),
        ("entry.json", truncate),
        ("entry.json", Path.unlink),
        ("entry.json", lambda path: path.write_text("[]")),
        ("entry.json", lambda path: path.write_text('{"format": 0}')),
        ("entry.json", lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))),
        ("entry.json", lambda path: path.write_bytes(b"\xff")),
    ],
)
def test_a_damaged_entry_is_made_again(cache: Path, file: str, damage: Callable[[Path], object]) -> None:
    path = compiled()
    whole = path.read_bytes()
    damage(path.parent / file)
    assert compiled() == path
    assert path.read_bytes() == whole
    assert [entry.product for entry in compile_cache.entries()] == [path]
    assert list(cache.iterdir()) == [path.parent]


def test_a_cache_that_cannot_be_written_still_serves(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiled()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(compiling, "_make_new", lambda *_: pytest.fail("compiled again"))
    assert compiled() == path


# Where it is


def test_the_folder_follows_the_customs_of_the_platform(tmp_path: Path) -> None:
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    assert compile_cache._folder_name(home) == tmp_path / "pyffipar"
    assert compile_cache._folder_name({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "pyffipar"
    assert compile_cache._folder_name(home | {CACHE_VARIABLE: "/own"}) == Path("/own")


@pytest.mark.parametrize("name", ["here", "./here", "../here", "/usr/../here"])
def test_a_folder_that_depends_on_the_current_one_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, name)
    with pytest.raises(CompileError) as caught:
        compiled()
    assert str(caught.value) == f"{CACHE_VARIABLE} is {name!r}; it must be an absolute path without .."


def test_all_is_the_users_alone_whatever_the_umask(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(cache / "in" / "between"))
    before = os.umask(0)
    try:
        path = compiled()
    finally:
        os.umask(before)
    for folder in (cache, cache / "in", cache / "in" / "between", path.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_compiler_leaves_its_temporary_files_where_nobody_sees_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "cc"
    spy.write_text(f'#!/bin/sh\necho "$TMPDIR" >> {tmp_path}/seen\nexec cc "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("CC", str(spy))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    compiled()
    seen = Path((tmp_path / "seen").read_text().split("\n")[-2])
    assert seen.parent == cache
    assert not seen.exists()


# What others planted


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_others_can_write_is_refused(cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)
    for ask in (compiled, compile_cache.entries, compile_cache.clear, compile_cache.folder):
        with pytest.raises(CompileError) as caught:
            ask()
        assert str(caught.value) == (
            f"the cache folder {cache} can be written by others (mode {mode:04o}), so what is in it cannot be trusted. "
            "Correct that, or name another folder in PYFFIPAR_CACHE_DIR"
        )


def test_a_folder_that_is_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CompileError, match=r"is a symbolic link to .*elsewhere"):
        compiled()
    cache.unlink()
    cache.symlink_to(tmp_path / "nowhere")
    with pytest.raises(CompileError, match=r"is a symbolic link to .*nowhere"):
        compiled()
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_a_file_is_refused(cache: Path) -> None:
    cache.write_text("")
    with pytest.raises(CompileError, match="is of the wrong kind"):
        compiled()


@needs_root
def test_a_folder_of_another_user_is_refused(cache: Path) -> None:
    cache.mkdir(mode=0o700)
    os.chown(cache, OTHER, -1)
    with pytest.raises(CompileError, match=f"belongs to user {OTHER}"):
        compiled()


def test_a_folder_that_others_can_replace_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "open" / "between" / "cache"))
    with pytest.raises(CompileError) as caught:
        compiled()
    assert str(caught.value) == (
        f"the cache folder {tmp_path}/open/between/cache is not safe from others: others can replace what is in "
        f"{tmp_path}/open above it: `chmod go-w {tmp_path}/open`. Correct that, or name another folder in "
        "PYFFIPAR_CACHE_DIR"
    )


def test_a_link_above_the_folder_is_followed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("good", "evil"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("good")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "link" / "cache"))
    path = compiled()
    assert path.parents[1] == tmp_path / "good" / "cache"
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("evil")
    assert answer(path) == 42


def plant_link(path: Path) -> None:
    moved = path.rename(path.parents[1] / f"moved {path.name}")
    path.symlink_to(moved)


def plant_hard_link(path: Path) -> None:
    (path.parents[1] / "second name").hardlink_to(path)


def plant_mode(path: Path) -> None:
    path.chmod(0o777)


def plant_owner(path: Path) -> None:
    os.chown(path, OTHER, -1)


def plant_kind(path: Path) -> None:
    path.rename(path.parents[1] / "moved")
    os.mkfifo(path)


ATTACKS = [
    ("", plant_link, "is a symbolic link to"),
    ("", plant_mode, "can be written by others"),
    ("", plant_kind, "is of the wrong kind"),
    ("compiled.so", plant_link, "is a symbolic link to"),
    ("compiled.so", plant_hard_link, "has 1 further names"),
    ("compiled.so", plant_mode, "can be written by others"),
    ("compiled.so", plant_kind, "is of the wrong kind"),
    ("entry.json", plant_link, "is a symbolic link to"),
    ("entry.json", plant_hard_link, "has 1 further names"),
    ("entry.json", plant_mode, "can be written by others"),
    ("entry.json", plant_kind, "is of the wrong kind"),
    *(pytest.param(file, plant_owner, f"belongs to user {OTHER}", marks=needs_root)
      for file in ("", "compiled.so", "entry.json")),
]  # fmt: skip


@pytest.mark.parametrize(("file", "attack", "reason"), ATTACKS)
def test_a_planted_entry_is_refused_and_left_alone(
    cache: Path, file: str, attack: Callable[[Path], None], reason: str
) -> None:
    path = compiled().parent / file
    attack(path)
    left = path.lstat()
    with pytest.raises(CompileError) as caught:
        compiled()
    message = str(caught.value)
    assert message.startswith(f"{path} in the cache {reason}")
    assert message.endswith(", so it cannot be trusted. Look at how it came there and delete it")
    assert path.lstat() == left
    if file == "":
        with pytest.raises(CompileError, match=reason):
            compile_cache.clear()
        assert path.lstat() == left


def test_a_link_planted_where_an_entry_will_be_is_refused(cache: Path, tmp_path: Path) -> None:
    name = compiled().parent.name
    compile_cache.clear()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (cache / name).symlink_to(elsewhere)
    with pytest.raises(CompileError, match="is a symbolic link to"):
        compiled()
    assert list(elsewhere.iterdir()) == []


# What others try while we compile and load


# Becomes somebody else when all is imported: the interpreter itself may lie where only root can read.
BECOME = f"import os; os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER})\n"

ATTACKER = """
import sys
from itertools import count
parent, evil = sys.argv[1:]
cache = f"{parent}/cache"

def entries():
    return [f"{cache}/{name}" for name in os.listdir(cache)]

attacks = [
    lambda: os.rename(cache, f"{parent}/aside"),
    lambda: os.rename(evil, cache),
    lambda: os.symlink(evil, f"{cache}/build-evil"),
    lambda: os.mkdir(f"{cache}/{'a' * 32}-{'a' * 16}"),
    lambda: [open(f"{entry}/compiled.so", "ab") for entry in entries()][0],
    lambda: [os.rename(f"{evil}/compiled.so", f"{entry}/compiled.so") for entry in entries()][0],
    lambda: [os.symlink(evil, entry) for entry in entries()][0],
    lambda: [os.link(f"{entry}/compiled.so", f"{parent}/name") for entry in entries()][0],
    lambda: os.chmod(cache, 0o777),
    lambda: os.rmdir(cache),
]
won = 0
for turn in count(1):
    for attack in attacks:
        try:
            attack()
            won += 1
        except OSError:
            pass
    if turn == 100:
        print("enough", flush=True)
    if turn >= 100 and os.path.exists(f"{parent}/stop"):
        break
print(won, flush=True)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that other users can reach, in a sticky one; pytest's own cannot be reached."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pyffipar-test-") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@needs_root
def test_another_user_finds_no_moment_to_swap_anything(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody tries everything again and again while the cache is filled, asked, loaded and cleared."""
    evil = reachable / "evil"
    evil.mkdir()
    monkeypatch.setenv(CACHE_VARIABLE, str(reachable / "evil-maker"))
    (evil / "compiled.so").write_bytes(compiled(SOURCE.replace("42", "666")).read_bytes())
    for path in (evil, evil / "compiled.so"):
        os.chown(path, OTHER, -1)
    monkeypatch.setenv(CACHE_VARIABLE, str(reachable / "cache"))
    compiled()  # before that, somebody else could have made the folder; then it is refused
    command = [sys.executable, "-c", BECOME + ATTACKER, str(reachable), str(evil)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        try:
            for number in range(20):
                assert answer(compiled(f"{SOURCE}// {number % 5}")) == 42
                if number % 7 == 6:
                    compile_cache.clear()
            assert other.stdout.readline() == "enough\n"
        finally:
            (reachable / "stop").touch()
        assert other.stdout.readline() == "0\n"


@needs_root
def test_where_another_user_could_swap_the_folder_nothing_is_compiled_or_loaded(
    reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without the sticky bit: the swap succeeds, and we see the danger whichever folder is there."""
    reachable.chmod(0o777)
    cache = reachable / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    cache.mkdir(mode=0o700)
    program = f"{BECOME}os.rename({str(cache)!r}, {str(reachable / 'aside')!r}); os.mkdir({str(cache)!r}, 0o700)"
    with pytest.raises(CompileError, match="others can replace what is in"):
        compiled()
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(CompileError, match=f"belongs to user {OTHER}"):
        compiled()
    assert list(cache.iterdir()) == []
