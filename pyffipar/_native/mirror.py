"""What is in ``cpp/include/pyffipar.h``, for ctypes; ``tests/test_abi.py`` compiles the two against each other."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_ssize_t,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from ..kinds import Kind

ABI_VERSION = 3  # PYFFIPAR_ABI_VERSION of the header this file mirrors


class Status(IntEnum):
    """What a function of the library returned (``pyffipar_status``)."""

    DONE = 0
    PENDING = 1
    FAILED = 2
    CANCELLED = 3
    INVALID = 4
    NO_MEMORY = 5
    ERROR = 6


class Type(IntEnum):
    """Types of arguments and of array elements (``pyffipar_type``)."""

    VOID = 0
    BOOL = 1
    I8 = 2
    U8 = 3
    I16 = 4
    U16 = 5
    I32 = 6
    U32 = 7
    I64 = 8
    U64 = 9
    F16 = 10
    F32 = 11
    F64 = 12
    C64 = 13
    C128 = 14
    POINTER = 15
    BYTES = 16


class Boundary(IntEnum):
    """What stands beyond the ends of an array (``pyffipar_boundary``)."""

    NONE = 0
    REFLECT = 1
    MIRROR = 2
    NEAREST = 3
    WRAP = 4
    FILL = 5


class Flag(IntFlag):
    """What is done with an argument's memory."""

    READ = 1
    WRITTEN = 2
    SWAPPED = 4


class Reason(IntEnum):
    """Why a foreign call failed (``pyffipar_reason``)."""

    BAD_STATUS = 1
    EXCEPTION = 2


class Operand(IntEnum):
    """What an argument of a call from Python has to be (``pyffipar_operand_kind``)."""

    ARRAY = 1
    SIZE = 2
    WHOLE = 3
    FLOATING = 4


class Most(IntEnum):
    """Sizes of what the library has of its own."""

    MOST_OPERANDS = 32
    MOST_OUTPUTS = 8
    MOST_TEMPLATES = 16


class CallPath(IntEnum):
    """Ways to make a call, as `pyffipar_function_create` takes them."""

    CHEAPEST = 0
    LIBFFI = 1
    REGISTER = 2


class Value(ctypes.Union):
    """Value of an argument, in the member its type names (``pyffipar_value``)."""

    __slots__ = ()  # a misspelt member is an error, not a new attribute; likewise below
    _fields_ = (
        ("i", c_int64),
        ("u", c_uint64),
        ("f", c_float),
        ("d", c_double),
        ("p", c_void_p),
        ("c64", c_float * 2),
        ("c128", c_double * 2),
    )


class Argument(ctypes.Structure):
    """One argument, or the result: how it is made for every call of a job (``pyffipar_argument``)."""

    __slots__ = ()
    _fields_ = (
        ("kind", c_int32),
        ("type", c_int32),
        ("element", c_int32),
        ("flags", c_int32),
        ("element_size", c_int64),
        ("base", c_void_p),
        ("loop_strides", POINTER(c_int64)),
        ("step", c_int64),
        ("slot", c_int64),
        ("shift", c_int64),
        ("value", Value),
        ("numerator", c_int64),
        ("denominator", c_int64),
        ("core_ndim", c_int64),
        ("core_shape", POINTER(c_int64)),
        ("core_strides", POINTER(c_int64)),
        ("factor", c_int64),
        ("offset", c_int64),
        ("boundary", c_int32),
        ("reserved", c_int32),
        ("before", c_int64),
        ("extent", c_int64),
    )


class FailureRecord(ctypes.Structure):
    """One failed foreign call, as the library writes it down (``pyffipar_failure``)."""

    __slots__ = ()
    _fields_ = (
        ("call", c_int64),
        ("value", c_int64),
        ("reason", c_int32),
        ("error", c_int32),
        ("text", c_char * 232),
    )


class Span(ctypes.Structure):
    """What one thread did in one go (``pyffipar_span``)."""

    __slots__ = ()
    _fields_ = (
        ("first", c_int64),
        ("last", c_int64),
        ("worker", c_int64),
        ("thread", c_int64),
        ("begin", c_int64),
        ("end", c_int64),
        ("cpu", c_int64),
    )


class Job(ctypes.Structure):
    """Every call of one function over one set of arrays (``pyffipar_job``)."""

    __slots__ = ()
    _fields_ = (
        ("function", c_void_p),
        ("arguments", POINTER(Argument)),
        ("result", Argument),
        ("loop_ndim", c_int64),
        ("loop_shape", POINTER(c_int64)),
        ("length", c_int64),
        ("chunk", c_int64),
        ("chunks", c_int64),
        ("grain", c_int64),
        ("threads", c_int64),
        ("check_status", c_int64),
        ("expected", c_int64),
        ("failures", POINTER(FailureRecord)),
        ("max_failures", c_int64),
        ("spans", POINTER(Span)),
        ("max_spans", c_int64),
        ("failure_count", c_int64),
        ("span_count", c_int64),
        ("calls_done", c_int64),
        ("workers", c_int64),
        ("state", c_void_p),
    )


class Interpreter(ctypes.Structure):
    """Functions and objects of Python by their addresses (``pyffipar_interpreter``)."""

    __slots__ = ()
    _fields_ = (
        ("save_thread", c_void_p),
        ("restore_thread", c_void_p),
        ("capsule_pointer", c_void_p),
        ("call", c_void_p),
        ("new_tuple", c_void_p),
        ("set_item", c_void_p),
        ("tuple_size", c_void_p),
        ("get_item", c_void_p),
        ("new_weak_reference", c_void_p),
        ("is_subtype", c_void_p),
        ("float_value", c_void_p),
        ("int_value", c_void_p),
        ("new_int", c_void_p),
        ("new_float", c_void_p),
        ("take_reference", c_void_p),
        ("drop_reference", c_void_p),
        ("thread_ident", c_void_p),
        ("array_type", c_void_p),
        ("float_type", c_void_p),
        ("double_type", c_void_p),
        ("int_type", c_void_p),
        ("none", c_void_p),
        ("not_implemented", c_void_p),
        ("ellipsis", c_void_p),
        ("head", c_int64),
        ("is_asked", c_int64),
    )


class OperandRecord(ctypes.Structure):
    """What an argument of a call from Python has to be, and where it goes (``pyffipar_operand``)."""

    __slots__ = ()
    _fields_ = (
        ("kind", c_int32),
        ("flags", c_int32),
        ("dtype", c_void_p),
        ("ndim", c_int64),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("size", c_int64),
        ("target", POINTER(Argument)),
    )


class Output(ctypes.Structure):
    """An array that is made for every call (``pyffipar_output``)."""

    __slots__ = ()
    _fields_ = (("make", c_void_p), ("target", POINTER(Argument)))


class Pair(ctypes.Structure):
    """Two operands that must not overlap (``pyffipar_pair``)."""

    __slots__ = ()
    _fields_ = (("one", c_int64), ("other", c_int64), ("first", c_int64), ("last", c_int64))


class Template(ctypes.Structure):
    """A call that can be repeated with other arguments of the same layout (``pyffipar_template``)."""

    __slots__ = ()
    _fields_ = (
        ("job", POINTER(Job)),
        ("slice_ns", c_int64),
        ("operand_count", c_int64),
        ("operands", POINTER(OperandRecord)),
        ("name_count", c_int64),
        ("names", POINTER(c_void_p)),
        ("output_count", c_int64),
        ("outputs", POINTER(Output)),
        ("pair_count", c_int64),
        ("pairs", POINTER(Pair)),
        ("result_count", c_int64),
        ("results", POINTER(c_int64)),
        ("begin", c_void_p),
        ("take_up", c_void_p),
        ("finish", c_void_p),
        ("partial_count", c_int64),
        ("partials", POINTER(c_double)),
    )


class Slot(ctypes.Structure):
    """A place for a template (``pyffipar_slot``)."""

    __slots__ = ()
    _fields_ = (("owner", c_uint64), ("known", POINTER(Template)))


class Repertoire(ctypes.Structure):
    """Templates that calls are compared with (``pyffipar_repertoire``)."""

    __slots__ = ()
    _fields_ = (
        ("latest", c_int64),
        ("next", c_int64),
        ("otherwise", c_void_p),
        ("is_wanted", c_int64),
        ("slots", Slot * Most.MOST_TEMPLATES),
    )


@dataclass(frozen=True, slots=True)
class CType:
    """A type as C spells it and as ctypes does; `ctype` is None for ``void``."""

    spelling: str
    ctype: Any


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function of the library returns and takes."""

    result: CType
    parameters: tuple[CType, ...] = ()


_VOID = CType("void", None)
_STATUS = CType("pyffipar_status", c_int)
_INT32 = CType("int32_t", c_int32)
_INT64 = CType("int64_t", c_int64)
_TEXT = CType("const char *", c_char_p)
_ADDRESS = CType("void *", c_void_p)
_TYPES = CType("const int32_t *", POINTER(c_int32))
_FUNCTION = CType("pyffipar_function *", c_void_p)
_CONST_FUNCTION = CType("const pyffipar_function *", c_void_p)
_NEW_FUNCTION = CType("pyffipar_function **", POINTER(c_void_p))
_JOB = CType("pyffipar_job *", POINTER(Job))
_INTERPRETER = CType("const pyffipar_interpreter *", POINTER(Interpreter))
_REPERTOIRE = CType("pyffipar_repertoire *", POINTER(Repertoire))
_TEMPLATE = CType("const pyffipar_template *", POINTER(Template))
_OBJECTS = CType("void *const *", POINTER(c_void_p))
_COUNT = CType("intptr_t", c_ssize_t)

# Every function of the library. The loop in _declare() applies this table, so a misspelt name fails when loading.
FUNCTIONS: dict[str, Signature] = {
    "pyffipar_abi_version": Signature(_INT32),
    "pyffipar_build_info": Signature(_TEXT),
    "pyffipar_last_error": Signature(_TEXT),
    "pyffipar_function_create": Signature(_STATUS, (_ADDRESS, _INT32, _TYPES, _INT64, _INT32, _NEW_FUNCTION)),
    "pyffipar_function_destroy": Signature(_VOID, (_FUNCTION,)),
    "pyffipar_function_path": Signature(_TEXT, (_CONST_FUNCTION,)),
    "pyffipar_run": Signature(_STATUS, (_JOB, _INT64)),
    "pyffipar_resume": Signature(_STATUS, (_JOB, _INT64)),
    "pyffipar_cancel": Signature(_VOID, (_JOB,)),
    "pyffipar_set_num_threads": Signature(_VOID, (_INT64,)),
    "pyffipar_get_num_threads": Signature(_INT64),
    "pyffipar_worker_count": Signature(_INT64),
    "pyffipar_set_stack_size": Signature(_STATUS, (_INT64,)),
    "pyffipar_shutdown": Signature(_INT64, (_INT64,)),
    "pyffipar_in_call": Signature(_INT32),
    "pyffipar_set_interpreter": Signature(_VOID, (_INTERPRETER,)),
    "pyffipar_keep": Signature(_INT64, (_REPERTOIRE, _TEMPLATE)),
    # These three are Python's to call, not ctypes': see `built_ins`.
    "pyffipar_at_once": Signature(_ADDRESS, (_ADDRESS, _ADDRESS)),
    "pyffipar_recall": Signature(_ADDRESS, (_ADDRESS, _OBJECTS, _COUNT, _ADDRESS)),
    "pyffipar_again": Signature(_ADDRESS, (_ADDRESS, _ADDRESS)),
}

# The mirrored types by their C names, for the test against the header.
STRUCTS: dict[str, type[ctypes.Structure | ctypes.Union]] = {
    "pyffipar_value": Value,
    "pyffipar_argument": Argument,
    "pyffipar_failure": FailureRecord,
    "pyffipar_span": Span,
    "pyffipar_job": Job,
    "pyffipar_interpreter": Interpreter,
    "pyffipar_operand": OperandRecord,
    "pyffipar_output": Output,
    "pyffipar_pair": Pair,
    "pyffipar_template": Template,
    "pyffipar_slot": Slot,
    "pyffipar_repertoire": Repertoire,
}
ENUMS: tuple[type[IntEnum | IntFlag], ...] = (Status, Type, Kind, Boundary, Flag, Reason, Operand, Most)
