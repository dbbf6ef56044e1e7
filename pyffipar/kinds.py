"""How the value of one C argument is made for one call: the vocabulary of plans and of the native library."""

from enum import IntEnum


class Kind(IntEnum):
    """One way to make an argument's value; numbers and meaning as ``pyffipar_kind`` in ``pyffipar.h``."""

    CONSTANT = 0
    LENGTH = 1
    LINEAR = 2
    LOAD = 3
    CARRY = 4
    ADDRESS = 5
    BUFFER = 6
    WORKER = 7
    STORE = 8
    TASK = 9
