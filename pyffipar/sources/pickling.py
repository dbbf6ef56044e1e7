"""What comes back from pickled data: who may decide about it, what it may hold, and that it is made only once."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

from ..errors import UnpickleError
from ..language.tokens import MAX_TEXT
from ..options import Guard, Options, checked, unpickle_guard
from ..system import forking
from . import libraries
from .origins import Origin, SourceOrigin, check_text

FORMAT = 1  # raise it when the meaning of what is pickled changes

_MOST_RESTORED = 512  # a worker that is sent more than so many different functions by turns parses some again

_MOST_SYMBOL = 4096  # characters: mangled names of C++ are long

Texts: TypeAlias = tuple[tuple[str, Mapping[str, Callable[..., Any]]], ...]
_Made = TypeVar("_Made")
_restored: OrderedDict[Hashable, Any] = OrderedDict()
_lock = forking.Lock()


@dataclass(frozen=True, slots=True)
class UnpickleRequest:
    """What pickled data asks for, shown to the callable that is the option `unpickle` before anything is loaded.

    Attributes
    ----------
    library : str
        Name or path of the library as it was first searched; ``<compiled source>`` for a source, ``pyffipar`` for
        the built-in kernels.
    path : str
        The file that would be loaded here; empty for a source.
    source : str
        The source that would be compiled; empty for a library.
    declarations : str
        What would be declared.
    """

    library: str
    path: str
    source: str
    declarations: str


def admit(origin: object, declarations: str) -> Origin:
    """Ask the guard in force whether pickled data may be restored here.

    Raises
    ------
    UnpickleError
        If it may not, or if `origin` is no description of a library.
    """
    if not isinstance(origin, Origin):
        raise UnpickleError(f"pickled data describes a library by a {type(origin).__name__}")
    guard, said = unpickle_guard()
    if guard == "allow":
        return origin
    if guard == "refuse" or not _admits(guard, origin, declarations):
        raise UnpickleError(
            f"functions of {origin.name} are not unpickled here: {said}. Allow it with "
            f"set_options(unpickle=[{origin.name!r}]), or load it here with pf.load"
        )
    return origin


def _admits(guard: Guard, origin: Origin, declarations: str) -> bool:
    """What a callable says about it, or whether a collection names the library."""
    if callable(guard):
        source = origin.recipe.source if isinstance(origin, SourceOrigin) else ""
        return guard(UnpickleRequest(origin.name, origin.find(), source, declarations)) is True
    return any(_names(entry, origin) for entry in guard)


def _names(entry: str | os.PathLike[str], origin: Origin) -> bool:
    """Whether an entry of the collection means this library: its name as searched, or its file on this machine."""
    if isinstance(entry, str) and not libraries.is_path(entry):
        return entry == origin.name
    file = origin.find()
    return bool(file) and Path(entry).resolve() == Path(file).resolve()


def check_data(version: object, declarations: object, callables: object) -> None:
    """Refuse pickled data of another kind than functions and libraries make."""
    if version != FORMAT:
        raise UnpickleError(f"this was pickled by another version of pyffipar (format {version!r:.20}, not {FORMAT})")
    check_text("declarations", declarations, MAX_TEXT)
    named = isinstance(callables, dict) and all(isinstance(name, str) for name in callables)
    if not named or not all(callable(one) for one in callables.values()):  # type: ignore[attr-defined]
        raise UnpickleError("pickled data does not give merging functions as names and callables")


def check_symbol(symbol: object) -> None:
    """Refuse what names no function."""
    check_text("a function", symbol, _MOST_SYMBOL)
    if not symbol:
        raise UnpickleError("pickled data names no function")


def check_changes(changes: object) -> None:
    """Refuse what are no options."""
    if not isinstance(changes, dict) or "unpickle" in changes:
        raise UnpickleError("pickled data does not give options of a function")
    try:
        checked(Options(), changes)
    except (TypeError, ValueError) as error:
        raise UnpickleError(f"pickled data gives options that there are not: {error}") from None


def checked_texts(version: object, told: object) -> Texts:
    """What a library was told, if the data says that."""
    if not isinstance(told, tuple) or not all(isinstance(one, tuple) and len(one) == 2 for one in told):
        raise UnpickleError("pickled data does not say what to declare")
    for text, callables in told:
        check_data(version, text, callables)
    return told


def check_named(what: str, function: object) -> None:
    """Refuse to pickle a Python function that another process could not find by its name.

    Raises
    ------
    TypeError
        Begins with `what`.
    """
    if isinstance(function, FunctionType) and "<" in function.__qualname__:
        raise TypeError(
            f"{what} is {function.__qualname__}, which another process does not find by its name: define it with def "
            "at the top of a module"
        )


def check_option(what: str, name: str, value: object) -> None:
    """Refuse to pickle an option that only this process has.

    Raises
    ------
    TypeError
        Begins with `what`.
    """
    try:
        pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            f"{what} its option {name} is {value!r}, which cannot be pickled either ({error}). Leave it out, and give "
            f"it in the other process with options({name}=...)"
        ) from error


def once(key: Callable[[], Hashable], make: Callable[[], _Made]) -> _Made:
    """What was made for an equal key before, else what `make` makes now; the latest are remembered."""
    try:
        wanted = key()
        hash(wanted)
    except TypeError:  # a callable of the user's own that cannot be hashed
        return make()
    with _lock:
        if wanted in _restored:
            _restored.move_to_end(wanted)
            return _restored[wanted]  # type: ignore[no-any-return]
    made = make()
    with _lock:
        made = _restored.setdefault(wanted, made)  # of two threads at once, the first
        while len(_restored) > _MOST_RESTORED:
            _restored.popitem(last=False)
    return made


def frozen(values: Mapping[str, Any]) -> Hashable:
    """A mapping as part of a key."""
    return tuple(sorted(values.items(), key=lambda item: item[0]))
