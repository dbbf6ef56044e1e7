"""Who could have made or changed a file: planted folders, links, owners and modes, and those that only look unsafe."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyffipar.errors import LibraryError
from pyffipar.sources import libraries
from pyffipar.system import trust

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
ME = os.geteuid()
OTHER = 12345
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can reach, in a sticky one; pytest's own cannot be reached."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pyffipar-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def made(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def distrust(path: Path, is_kind: Callable[[int], bool] = stat.S_ISREG) -> str | None:
    return trust.distrust(path, path.lstat(), is_kind)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
def test_a_file_of_ones_own_is_trusted(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(mode)
    assert distrust(tmp_path / "file") is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(mode)
    assert distrust(tmp_path / "file") == f"can be written by others (mode 0{mode:o})"


def test_links_and_wrong_kinds_are_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert distrust(tmp_path / "link") == f"is a symbolic link to {tmp_path / 'file'}"
    assert distrust(tmp_path / "folder", stat.S_ISDIR) == f"is a symbolic link to {tmp_path}"
    assert distrust(tmp_path / "pipe") == "is of the wrong kind"
    assert distrust(tmp_path / "file", stat.S_ISDIR) == "is of the wrong kind"


def test_a_file_with_a_second_name_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").hardlink_to(tmp_path / "file")
    assert distrust(tmp_path / "file") == "has 1 further names (hard links), through which it can be changed"
    (tmp_path / "other").unlink()
    assert distrust(tmp_path / "file") is None
    assert distrust(made(tmp_path / "folder", 0o700), stat.S_ISDIR) is None  # folders have many names: . and ..


@needs_root
def test_another_users_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", OTHER, -1)
    assert distrust(tmp_path / "file") == f"belongs to user {OTHER}, not to you (user 0)"


def test_a_folder_in_a_sticky_one_cannot_be_replaced(place: Path) -> None:
    assert trust.replaceable(place / "cache") is None
    assert trust.replaceable(made(place / "open", 0o1777) / "cache") is None


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o703])
def test_a_folder_in_one_that_others_can_write_can(place: Path, mode: int) -> None:
    parent = made(place / "open", mode)
    for folder in (parent / "cache", made(parent / "between", 0o755) / "cache"):
        assert trust.replaceable(folder) == f"others can replace what is in {parent} above it: `chmod go-w {parent}`"


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_folder_in_another_users_can(place: Path, mode: int) -> None:
    parent = made(place / "theirs", mode)
    os.chown(parent, OTHER, -1)
    expected = f"{parent} above it belongs to user {OTHER}, who can replace what is in it"
    assert trust.replaceable(parent / "cache") == expected


def test_nothing_above_home_is_asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made(made(place / "open", 0o777) / "home", 0o755)
    assert trust.replaceable(home / "cache") is not None
    monkeypatch.setenv("HOME", str(home))
    assert trust.replaceable(home / "cache") is None
    home.chmod(0o777)
    assert trust.replaceable(home / "cache") is not None


@needs_root
def test_a_group_may_write_above_only_if_it_is_the_users_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = made(place / "shared", 0o775)
    os.chown(shared, -1, 4321)
    members: list[str] = []
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="me"))
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="me", gr_mem=members))
    assert trust.replaceable(shared / "cache") is None
    members.append("me")
    assert trust.replaceable(shared / "cache") is None
    members.append("you")
    assert trust.replaceable(shared / "cache") is not None
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="staff", gr_mem=[]))
    assert trust.replaceable(shared / "cache") is not None
    monkeypatch.undo()
    assert trust.replaceable(shared / "cache") is not None  # a group without a name
    os.chown(shared, -1, 0)
    assert trust.replaceable(shared / "cache") is None


@needs_root
def test_an_access_list_lets_others_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = made(place / "shared", 0o775)
    os.chown(shared, -1, 4321)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="me"))
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="me", gr_mem=[]))
    monkeypatch.setattr("os.listxattr", lambda _: ["system.posix_acl_access"])
    assert trust.replaceable(shared / "cache") is not None


# What loading asks: files anyone can have written or put where they are


@pytest.fixture
def library(place: Path, cc: str) -> Path:
    path = place / "libevil.so"
    subprocess.run([cc, "-shared", "-x", "c", "-", "-o", path], input=b"int evil;", check=True)
    return path


def test_a_library_of_ones_own_may_lie_in_a_sticky_folder(library: Path) -> None:
    moved = library.rename(made(library.parent / "open", 0o1777) / library.name)
    assert trust.open_to_all(moved) is None
    assert libraries.search("evil", [str(moved.parent)]) == str(moved)


@needs_root
def test_a_library_others_have_put_into_a_sticky_folder_is_passed_over(library: Path) -> None:
    moved = library.rename(made(library.parent / "open", 0o1777) / library.name)
    os.chown(moved, OTHER, -1)
    expected = f"user {OTHER} has put it into {moved.parent}, where everyone may. Copy it to a folder of your own"
    assert trust.open_to_all(moved) == expected
    with pytest.raises(LibraryError) as caught:
        libraries.search("evil", [str(moved.parent)])
    assert f"{moved}: {expected}" in str(caught.value)


@needs_root
def test_a_link_others_have_put_into_a_sticky_folder_is_passed_over(library: Path) -> None:
    link = made(library.parent / "open", 0o1777) / "libevil.so"
    link.symlink_to(library)
    assert trust.open_to_all(link) is None
    os.chown(link, OTHER, -1, follow_symlinks=False)
    assert trust.open_to_all(link) is not None


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_library_in_a_folder_everyone_can_write_is_passed_over(
    library: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    moved = library.rename(made(library.parent / "open", mode) / library.name)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(moved.parent))
    with pytest.raises(LibraryError, match=r"libevil\.so: .*open can be written by every user"):
        libraries.search("evil")
    safe = made(library.parent / "safe", 0o755) / library.name
    safe.write_bytes(moved.read_bytes())
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{moved.parent}:{safe.parent}")
    assert libraries.search("evil") == str(safe)


@pytest.mark.parametrize("entry", ["", ".", "here", "./here", "..", "../here", "here/..", "~"])
def test_entries_that_mean_the_current_folder_are_left(
    library: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    for folder in (library.parent, made(library.parent / "here", 0o755)):
        (folder / "libevil.so").write_bytes(library.read_bytes())
    for current in (library.parent, library.parent / "here"):
        monkeypatch.chdir(current)
        monkeypatch.setenv("LD_LIBRARY_PATH", f":{entry}::{entry}:")
        assert all(Path(folder).is_absolute() for folder in libraries.search_folders())
        with pytest.raises(LibraryError, match="the current folder is never searched"):
            libraries.search("evil")


@pytest.mark.parametrize("way", ["safe/../open", "safe/../safe/link"])
def test_a_way_round_to_an_open_folder_is_seen_through(library: Path, way: str) -> None:
    folder = made(library.parent / "open", 0o777)
    library.rename(folder / library.name)
    (made(library.parent / "safe", 0o755) / "link").symlink_to(folder)
    with pytest.raises(LibraryError, match="can be written by every user"):
        libraries.search("evil", [str(library.parent / way)])
