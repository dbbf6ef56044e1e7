"""Calls of our library that CPython makes by itself: built-in functions, without ctypes in between.

ctypes takes longer to convert its arguments than a small job takes. A built-in function is an object like any other,
made by functions that every CPython exports; so nothing has to be compiled against it. Where they are not exported, as
in PyPy, ctypes does what can be done.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import CFUNCTYPE, PYFUNCTYPE, byref, c_char_p, c_int, c_int64, c_void_p, py_object
from functools import cache
from typing import Any

import numpy as np

from . import library
from .mirror import Interpreter, Repertoire, Template

CAPSULE = b"pyffipar"  # what our capsules are called, here and in the library

# Py_METH_…: how a built-in function takes its arguments.
_KEYWORDS, _NO_ARGUMENTS, _FAST = 0x2, 0x4, 0x80

_HEAD = object.__basicsize__
_FUNCTIONS = {
    "save_thread": "PyEval_SaveThread",
    "restore_thread": "PyEval_RestoreThread",
    "capsule_pointer": "PyCapsule_GetPointer",
    "call": "PyObject_CallFunctionObjArgs",
    "new_tuple": "PyTuple_New",
    "set_item": "PyTuple_SetItem",
    "tuple_size": "PyTuple_Size",
    "get_item": "PyTuple_GetItem",
    "new_weak_reference": "PyWeakref_NewRef",
    "is_subtype": "PyType_IsSubtype",
    "float_value": "PyFloat_AsDouble",
    "int_value": "PyLong_AsLongLongAndOverflow",
    "new_int": "PyLong_FromLong",
    "new_float": "PyFloat_FromDouble",
    "take_reference": "Py_IncRef",
    "drop_reference": "Py_DecRef",
    "thread_ident": "PyThread_get_thread_ident",
}
_OBJECTS = {
    "array_type": np.ndarray,
    "float_type": float,
    "double_type": np.float64,
    "int_type": int,
    "none": None,
    "not_implemented": NotImplemented,
    "ellipsis": Ellipsis,
}

_interpreter = Interpreter()  # the library keeps its address
_for_ever: list[ctypes.Structure] = []  # and Python that of these


class _Definition(ctypes.Structure):
    """``PyMethodDef``."""

    __slots__ = ()
    _fields_ = (("name", c_char_p), ("function", c_void_p), ("flags", c_int), ("text", c_char_p))


@cache
def are_here() -> bool:
    """Whether this Python can be given built-in functions of ours; tells the library what it has to know of it."""
    if sys.implementation.name != "cpython" or sys.maxsize < 2**32 or not _are_objects_as_expected():
        return False
    try:
        functions = {name: ctypes.cast(getattr(ctypes.pythonapi, of), c_void_p) for name, of in _FUNCTIONS.items()}
    except AttributeError:
        return False
    objects = {name: id(known) for name, known in _OBJECTS.items()}
    for name, value in {**functions, **objects, "head": _HEAD}.items():
        setattr(_interpreter, name, value)
    library().pyffipar_set_interpreter(byref(_interpreter))
    return True


def ask(*, is_asked: bool) -> None:
    """Have `take_up` asked to make the calls of every repertoire, so that it can look on; or no longer."""
    _interpreter.is_asked = is_asked


def _are_objects_as_expected() -> bool:
    """Whether types and the members of arrays lie where the library looks for them: behind the head of an object."""
    word, number = c_void_p.from_address, c_int.from_address
    whole = np.arange(24.0).reshape(2, 3, 4)
    for array in (whole, whole[::-1, 1:, ::2], np.array(1, ">i2")):
        members = id(array) + _HEAD
        found = (word(members).value, number(members + 8).value, word(members + 40).value, number(members + 48).value)
        if found != (array.ctypes.data, array.ndim, id(array.dtype), array.flags.num):
            return False
        if word(members - 8).value != id(type(array)):
            return False
        if word(members + 32).value != (id(array.base) if array.base is not None else None):
            return False
        for place, extents in ((members + 16, array.shape), (members + 24, array.strides)):
            if array.ndim and tuple((c_int64 * array.ndim).from_address(word(place).value or 0)) != extents:
                return False
    return True


def at_once(template: Template) -> Callable[[], int]:
    """What runs a template's job for its slice of time and returns the status; the template has to outlive it."""
    if are_here():
        return _built_in("pyffipar_at_once", _NO_ARGUMENTS, ctypes.addressof(template))
    # ctypes is given objects of its own: to make them takes as long as the rest of a small call.
    run = CFUNCTYPE(c_int, c_void_p, c_int64)(("pyffipar_run", library()))
    job = c_void_p(ctypes.addressof(template.job.contents))
    return lambda: int(run(job, template.slice_ns))


def recall(repertoire: Repertoire) -> Callable[..., Any]:
    """What makes calls that fit a template of the repertoire, which has to outlive it; only if they `are_here`."""
    return _built_in("pyffipar_recall", _FAST | _KEYWORDS, ctypes.addressof(repertoire))


def again(repertoire: Repertoire) -> Callable[[], Any]:
    """The same for a call without arguments, and `otherwise` where no template makes it."""
    return _built_in("pyffipar_again", _NO_ARGUMENTS, ctypes.addressof(repertoire))


def _built_in(name: str, flags: int, held: int) -> Callable[..., Any]:
    """A function of the library as a method of a capsule that holds an address."""
    new_capsule, new_function = _makers()
    function: Callable[..., Any] = new_function(_definition(name, flags), new_capsule(held, CAPSULE, None), None)
    return function


@cache
def _makers() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Python's own makers of capsules and of built-in functions."""
    api = ctypes.pythonapi
    new_capsule = PYFUNCTYPE(py_object, c_void_p, c_char_p, c_void_p)(("PyCapsule_New", api))
    new_function = PYFUNCTYPE(py_object, c_void_p, py_object, c_void_p)(("PyCFunction_NewEx", api))
    return new_capsule, new_function


@cache
def _definition(name: str, flags: int) -> c_void_p:
    """Where the definition of a built-in function lies, for as long as there may be one."""
    definition = _Definition(name.encode(), ctypes.cast(getattr(library(), name), c_void_p), flags, None)
    _for_ever.append(definition)
    return c_void_p(ctypes.addressof(definition))
