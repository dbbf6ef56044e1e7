"""Files that were read: what make is told of them, and when they are no longer the same."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pyffipar.sources.dependencies import Dependencies, read_makefile

FUTURE = time.time() + 1e6  # all there is was there before


def test_a_rule_for_make_is_read_with_its_escapes(tmp_path: Path) -> None:
    text = (
        f"made.so: source.c {tmp_path}/sub/own.h /a/b.h \\\n /with\\ space/c\\#.h ../up.h /dollar$$.h \\\n  /last.h\n"
    )
    expected = ["/a/b.h", "/with space/c#.h", str(tmp_path.parent / "up.h"), "/dollar$.h", "/last.h"]
    assert read_makefile(text, tmp_path) == expected


@pytest.mark.parametrize("text", ["", "made.so:", "made.so: source.c\n"])
def test_a_source_that_includes_nothing_has_read_nothing(text: str, tmp_path: Path) -> None:
    assert read_makefile(text, tmp_path) == []


@pytest.fixture
def header(tmp_path: Path) -> Path:
    path = tmp_path / "system" / "lib" / "a.h"
    path.parent.mkdir(parents=True)
    path.write_text("one")
    return path


def test_files_are_current_until_one_changes(header: Path) -> None:
    taken = Dependencies.of([str(header), str(header)], [], FUTURE)
    assert taken.is_known
    assert taken.is_current()
    header.write_text("two")
    assert not taken.is_current()
    header.write_text("one")
    assert taken.is_current()
    header.unlink()
    assert not taken.is_current()


@pytest.mark.parametrize("name", ["a.h", "lib/a.h", "system/lib/a.h"])
def test_a_header_that_comes_to_lie_in_front_is_noticed(header: Path, tmp_path: Path, name: str) -> None:
    own = tmp_path / "own"
    taken = Dependencies.of([str(header)], [str(own), str(header.parents[1])], FUTURE)
    assert taken.shadows == []
    (own / name).parent.mkdir(parents=True)
    assert taken.is_current()
    (own / name).write_text("")
    assert not taken.is_current()
    assert Dependencies.of([str(header)], [str(own)], FUTURE).is_current()


def test_what_changed_while_it_was_read_is_not_known(header: Path) -> None:
    before = time.time() - 60
    taken = Dependencies.of([str(header), str(header.parent / "gone.h")], [], before)
    assert set(taken.files.values()) == {""}
    assert not taken.is_known
    assert not taken.is_current()
    os.utime(header, (before - 60, before - 60))  # who sets the time back does not hide the change
    assert not Dependencies.of([str(header)], [], before).is_known
