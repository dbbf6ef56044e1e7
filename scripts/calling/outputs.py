"""Files that results go to: written beside their places and moved there in one step, when everything has worked."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pyffipar.plans.plan import Plan

from .values import UsageError, check_npy, place

Array = np.ndarray[Any, np.dtype[Any]]

PRINTED = "-"


class Outputs:
    """The files of one call; a context manager that leaves nothing half done.

    Parameters
    ----------
    targets : dict
        For every result that goes to a file or, as ``-``, to the terminal: its name and the word.
    """

    def __init__(self, targets: dict[str, str]) -> None:
        self._targets = targets
        self._parts: dict[str, Path] = {}
        self._mapped: dict[str, Array] = {}

    def __enter__(self) -> Outputs:  # noqa: PYI034 - nobody derives from it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts.values():
            with suppress(FileNotFoundError):
                part.unlink()

    def check(self, plan: Plan) -> None:
        """Refuse to compute an array that would go nowhere."""
        for result in plan.outcome.results:
            if result.array.ndim and result.name not in self._targets and not result.given:
                shape = "x".join(map(str, result.array.shape))
                raise UsageError(f"{result.name} has {shape} elements: say --out {result.name}=FILE, or - to print it")

    def room(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
        """Where a result may be written at once: a mapped file; None where that is not possible."""
        if self._targets.get(name, PRINTED) == PRINTED or not shape or 0 in shape:
            return None
        part = self._part(name)
        if self._is_npy(name):
            mapped: Array = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
        else:
            mapped = np.memmap(part, dtype, "w+", shape=shape)
        self._mapped[name] = mapped
        return mapped

    def copy_of(self, name: str, text: str) -> Array:
        """An array that a call updates, mapped from a copy of its file, which takes the target's place in the end."""
        path, dtype, shape = place(name, text)
        part = self._part(name)
        try:
            shutil.copyfile(path, part)
            if dtype is None:
                check_npy(f"--{name} {text}", path)
                mapped: Array = np.load(part, mmap_mode="r+", allow_pickle=False)
            else:
                mapped = np.memmap(part, dtype, "r+", shape=shape)
        except (OSError, ValueError) as error:
            raise UsageError(f"--{name} {text}: {error}") from None
        self._mapped[name] = mapped
        return mapped

    def keep(self, results: dict[str, Any]) -> None:
        """Write what is not in its file yet, and move all files to their places."""
        for name, value in results.items():
            if self._targets.get(name, PRINTED) != PRINTED and name not in self._mapped:
                self._write(name, np.asarray(value))
        for mapped in self._mapped.values():
            if isinstance(mapped, np.memmap):
                mapped.flush()
        for name in list(self._parts):
            self._parts.pop(name).replace(self._targets[name])

    def _write(self, name: str, value: Array) -> None:
        part = self._part(name)
        with part.open("wb") as file:
            if self._is_npy(name):
                np.save(file, value, allow_pickle=False)
            else:
                file.write(np.ascontiguousarray(value).tobytes())

    def _is_npy(self, name: str) -> bool:
        return self._targets[name].endswith(".npy")

    def _part(self, name: str) -> Path:
        """A new file beside the target, known from now on."""
        target = Path(self._targets[name])
        if target.is_dir():
            raise UsageError(f"--out {target}: it cannot be written: it is a folder")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        self._parts[name] = part  # before it is there: a signal may come between any two steps
        try:
            part.touch(mode=0o666, exist_ok=False)  # less the umask, as any new file
        except OSError as error:
            del self._parts[name]
            told = f"no file can be made in the folder {target.parent}: {error.strerror}"
            raise UsageError(f"--out {target}: it cannot be written: {told}") from None
        return part
