"""What a road is: a description, what it needs, and the command that starts its worker."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2]
FOREIGN = SCRIPTS / "roads" / "foreign"


class Group(str, Enum):
    """What becomes of the GIL on a road."""

    HOLDS = "holds the GIL"
    RELEASES = "releases it"
    NONE = "has none"
    PROCESSES = "another process"


class Missing(Exception):  # noqa: N818 -- an answer, not a mistake
    """A road cannot be had here.

    Parameters
    ----------
    reason : str
        What is not there.
    install : str
        The command that brings it, or where it may come from.
    """

    def __init__(self, reason: str, install: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.install = install


class BuildError(Exception):
    """A compiler refused; its words are the message."""


@dataclass(frozen=True)
class Command:
    """A worker to be started: its words, and what its environment has beside ours."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60.0
    """Seconds until the first line must have come."""


@dataclass(frozen=True)
class Road:
    """One way past the GIL, or one that is taken for it.

    Attributes
    ----------
    name : str
        Its short name, as `--only` takes it.
    what : str
        What it is, in two sentences.
    group : Group
        What it does with the GIL.
    code : str
        The language of the code that runs at the same time.
    jobs : tuple of str
        Those of ``cpu``, ``sum``, ``io`` it can do.
    overlaps : mapping of str to bool
        What must come out of each proof it goes through, on an interpreter that has a GIL: ``native`` (two calls meet
        inside C), ``interpreted`` (two pieces of Python, or Java, meet), ``witness`` (Python runs during a call),
        ``requests`` (more than one HTTP request in flight).
    command : callable
        Folder for compiled things -> `Command`; raises `Missing` if the road cannot be had here.
    most_workers : int
        More are not tried.
    extras : tuple of str
        Further measurements: ``spans``, ``sweep``, ``moving``.
    note : str
        What to know beside its figures.
    """

    name: str
    what: str
    group: Group
    code: str
    jobs: tuple[str, ...]
    overlaps: Mapping[str, bool]
    command: Callable[[Path], Command]
    most_workers: int = 40
    extras: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Work:
    """A job or a proof, as a worker is asked for it.

    Attributes
    ----------
    job : str
        ``cpu``, ``sum``, ``io``, ``native``, ``interpreted``, ``witness``, ``spans``, ``sweep``.
    workers : int
        How many at the same time.
    size : int
        The argument of fib, or the number of doubles to add up.
    count : int
        Calls (cpu, spans), chunks (sum), requests (io), samples (sweep).
    port : int
        Where the server listens.
    patience : int
        Milliseconds a rendezvous waits.
    code : str
        Who adds up on roads through processes: ``python`` or ``c``.
    library : str
        Path of the compiled ``jobs.c``.
    """

    job: str
    workers: int = 1
    size: int = 0
    count: int = 1
    port: int = 0
    patience: int = 1000
    code: str = "python"
    library: str = ""


@dataclass
class Prepared:
    """A job that is ready: everything that is not the job itself has been done.

    Attributes
    ----------
    run : callable
        Does the job, as often as wanted, and returns its value.
    moved : int
        Bytes that are pickled for one run, there and back.
    close : callable
        Ends whatever was kept warm.
    """

    run: Callable[[], Any]
    moved: int = 0
    close: Callable[[], None] = lambda: None


def worker(module: str, variant: str, *words: str, interpreter: str = sys.executable, **environment: str) -> Command:
    """The command for a road whose worker is `roads.common.worker`.

    Parameters
    ----------
    module, variant : str
        The road's module in `roads`, and which of its roads.
    *words : str
        What its ``setup`` wants beside the variant.
    interpreter : str
        Another Python than this one.
    **environment : str
        Variables for it.
    """
    start = (interpreter, "-m", "roads.common.worker", module, variant, *words)
    return Command(start, {"PYTHONPATH": _search_path(), **environment})


def program(name: str, reason: str, install: str) -> str:
    """Path of a program, or `Missing`."""
    found = shutil.which(name)
    if found is None:
        raise Missing(reason, install)
    return found


def module(name: str, install: str) -> None:
    """Raise `Missing` if a module is not installed."""
    if importlib.util.find_spec(name) is None:
        raise Missing(f"the Python package {name} is not installed", install)


def compiler() -> str:
    """Path of the C compiler."""
    return program("cc", "there is no C compiler called cc", "apt-get install gcc libc6-dev")


def python_headers() -> str:
    """Folder of Python.h."""
    folder = sysconfig.get_paths()["include"]
    if not Path(folder, "Python.h").exists():
        raise Missing(f"Python.h is not in {folder}", "apt-get install python3-dev")
    return folder


def _search_path() -> str:
    before = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(SCRIPTS), before] if before else [str(SCRIPTS)])
