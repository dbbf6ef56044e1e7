"""Who else on this machine could have made or changed a file: that decides whether code in it may run."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

_HAS_OWNERS = hasattr(os, "geteuid")  # Windows has neither owners as numbers nor these bits
_ACCESS_LIST = "system.posix_acl_access"


def distrust(path: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> str | None:
    """Why another user may have made or changed a file or folder of ours.

    Parameters
    ----------
    path : Path
    status : os.stat_result
        From `lstat`, or from `fstat` of what was opened.
    is_kind : callable
        ``stat.S_ISREG`` or ``stat.S_ISDIR``: what it should be.

    Returns
    -------
    str or None
        A verb and what follows it; None if nobody else can have touched it.
    """
    if stat.S_ISLNK(status.st_mode):
        return f"is a symbolic link to {path.resolve()}"
    if not is_kind(status.st_mode):
        return "is of the wrong kind"
    if not _HAS_OWNERS:
        return None
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, not to you (user {os.geteuid()})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
        return f"has {status.st_nlink - 1} further names (hard links), through which it can be changed"
    return None


def replaceable(folder: Path) -> str | None:
    """Why another user could put something else in the place of a folder, whatever the folder's own mode.

    Parameters
    ----------
    folder : Path
        Absolute, and without symbolic links among its parents.

    Returns
    -------
    str or None
        Which of the folders above it is open, and how to close it. None if only this user and root can replace it.

    Notes
    -----
    As ssh does it, nothing above the home folder is asked: whoever can replace that has everything already.
    """
    if not _HAS_OWNERS:
        return None
    home = _home()
    for parent in folder.parents:
        status = parent.lstat()
        if status.st_uid not in (0, os.geteuid()):
            return f"{parent} above it belongs to user {status.st_uid}, who can replace what is in it"
        shared = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _own_group(parent, status))
        # In a sticky folder such as /tmp only an entry's owner can rename or remove it.
        if shared and not status.st_mode & stat.S_ISVTX:
            return f"others can replace what is in {parent} above it: `chmod go-w {parent}`"
        if parent == home:
            return None
    return None


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (RuntimeError, OSError):  # a user without a name
        return None


def _own_group(folder: Path, status: os.stat_result) -> bool:
    """Whether the group that can write a folder is root's, or has no other member than this user.

    Where every user has a group of the same name, folders are often made so that it can write them.
    """
    import grp
    import pwd

    if status.st_gid == 0:
        return True
    if sys.platform == "linux" and _ACCESS_LIST in os.listxattr(folder):
        return False  # the bits of the group stand for whoever is in the list
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}


def open_to_all(path: Path) -> str | None:
    """Why any user of this machine may have written or put there what a path leads to; None if not any can have."""
    real = path.resolve()
    for place in dict.fromkeys((real, real.parent, path.parent)):
        try:
            status = place.stat()
        except OSError:  # macOS: some system libraries are in no file; nobody can write them either
            continue
        if not status.st_mode & stat.S_IWOTH:
            continue
        if not (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
            return f"{place} can be written by every user of this machine. `chmod o-w {place}`"
        # In a sticky folder such as /tmp nobody can replace a file of ours, but anyone can have been there first.
        owners = {(path if place == path.parent else real).lstat().st_uid}
        if _HAS_OWNERS and not owners <= {0, os.geteuid()}:
            return f"user {owners.pop()} has put it into {place}, where everyone may. Copy it to a folder of your own"
    return None
