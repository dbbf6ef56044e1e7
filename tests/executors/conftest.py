"""The compiled kernels and their functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyffipar as pf
from pyffipar import Function


@pytest.fixture(scope="module")
def path() -> str:
    """The compiled kernels."""
    return pf.compile(Path(__file__).parents[1].joinpath("kernels", "basics.c").read_text()).path


@pytest.fixture(scope="module")
def plain(path: str) -> ctypes.CDLL:
    """The same functions through ctypes alone: the road without pyffipar."""
    return ctypes.CDLL(path)


@pytest.fixture(scope="module")
def declare(path: str) -> Callable[..., Function]:
    """One function of the kernels by its declaration, with the options it is to run with."""
    known: dict[str, Function] = {}

    def one(declaration: str, **options: Any) -> Function:
        if declaration not in known:
            (known[declaration],) = pf.load(path, declaration)
        return known[declaration].options(**options)

    return one
