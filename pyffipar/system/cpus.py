"""How many CPUs this process may use, and how many threads it should: affinity, cgroup quotas, environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

# Looked at in this order; the second is what joblib and dask set in their workers to keep them from oversubscribing.
THREAD_VARIABLES = ("PYFFIPAR_NUM_THREADS", "OMP_NUM_THREADS")

_PROC = Path("/proc/self")


def default_threads(environ: Mapping[str, str] | None = None) -> int:
    """The number of threads to use when nobody says how many.

    ``PYFFIPAR_NUM_THREADS`` if it is set, else the first number of ``OMP_NUM_THREADS``, else `usable_cpus`.

    Parameters
    ----------
    environ : mapping of str to str, optional
        Stands for ``os.environ``.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If the variable holds anything but a positive whole number.

    Examples
    --------
    >>> default_threads({"OMP_NUM_THREADS": "4,2"})
    4
    """
    environ = os.environ if environ is None else environ
    for variable in THREAD_VARIABLES:
        text = environ.get(variable, "").strip()
        if not text:
            continue
        # OpenMP takes one number per nesting level: only the outermost concerns us.
        first = text.split(",")[0].strip() if variable == "OMP_NUM_THREADS" else text
        if not (first.isascii() and first.isdigit() and int(first) > 0):
            raise ValueError(f"{variable} is {text!r}; it must be a whole number of threads, 1 or more")
        return int(first)
    return usable_cpus()


def usable_cpus(proc: Path = _PROC) -> int:
    """The number of CPUs this process may use at once.

    The smaller of the CPUs its affinity mask allows and the CPU quota of its control group or any group above it,
    rounded up (a quota of 1.5 CPUs keeps two threads busy).

    Parameters
    ----------
    proc : path, optional
        The folder that holds ``cgroup`` and ``mountinfo``.

    Returns
    -------
    int
        At least 1.
    """
    quotas = (ceil(quota) for quota in _quotas(proc))
    return max(1, min((_allowed_cpus(), *quotas)))


def _allowed_cpus() -> int:
    """CPUs in this process's affinity mask; all of the machine's where there is no such thing."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted control group hierarchy: which of its groups (`root`) is seen at which folder (`point`)."""

    version: int
    controllers: frozenset[str]
    root: PurePosixPath
    point: Path


def _quotas(proc: Path) -> Iterator[float]:
    """Every CPU quota, in CPUs, that binds this process: of its own groups and of all above them."""
    groups = _own_groups(_read(proc / "cgroup"))
    for mount in _mounts(_read(proc / "mountinfo")):
        key = "" if mount.version == 2 else "cpu"
        if mount.version == 1 and key not in mount.controllers:
            continue
        if (group := groups.get(key)) is None:
            continue
        read = _quota_v2 if mount.version == 2 else _quota_v1
        for folder in _upwards(mount, group):
            if (quota := read(folder)) is not None:
                yield quota


def _own_groups(text: str) -> dict[str, PurePosixPath]:
    """Control group of this process per controller of version 1; version 2's under the empty name."""
    groups = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        names = [""] if number == "0" and not controllers else controllers.split(",")
        groups.update(dict.fromkeys(names, PurePosixPath(path)))
    return groups


def _mounts(text: str) -> Iterator[_Mount]:
    """The control group hierarchies that `mountinfo` lists."""
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, (kind, *rest) = left.split(), right.split() or [""]
        if not separator or kind not in ("cgroup", "cgroup2") or len(fields) < 5:
            continue
        options = frozenset(rest[-1].split(",")) if rest else frozenset()
        root, point = map(_unescape, fields[3:5])
        yield _Mount(2 if kind == "cgroup2" else 1, options, PurePosixPath(root), Path(point))


def _unescape(field: str) -> str:
    """Undo the kernel's octal escapes for blanks and backslashes in `mountinfo`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _upwards(mount: _Mount, group: PurePosixPath) -> Iterator[Path]:
    """Folders of `group` and of all groups above it that can be seen through this mount."""
    # Inside a container the group's path may lie outside what is mounted; then the mount is the nearest group visible.
    inside = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    if ".." in inside.parts:
        inside = PurePosixPath()
    for part in (inside, *inside.parents):
        yield mount.point / part


def _quota_v1(folder: Path) -> float | None:
    """CPUs granted to a version 1 group; None for no limit."""
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _quota_v2(folder: Path) -> float | None:
    """CPUs granted to a version 2 group; None for no limit."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _ratio(quota: str, period: str) -> float | None:
    """Quota over period; None where either says no limit (``max``, ``-1``) or is missing."""
    try:
        granted, every = int(quota), int(period)
    except ValueError:
        return None
    return granted / every if granted > 0 and every > 0 else None


def _read(path: Path) -> str:
    """A small kernel file's text; empty where there is none or it may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
