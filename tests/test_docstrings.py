"""Examples in docstrings run and give what they say, and every public name has a docstring with one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import pyffipar as pf
from pyffipar import kernels

PACKAGE = Path(str(pf.__file__)).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(
    name: str, shown: Callable[[object], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What doctest has shown by.
    monkeypatch.setattr(sys, "__displayhook__", lambda value: value is None or sys.stdout.write(f"{shown(value)}\n"))
    try:
        module: ModuleType = importlib.import_module(name)
    except pf.MissingExtraError as error:  # other tests fail where an extra should be there
        pytest.skip(str(error))
    result = doctest.testmod(module, exclude_empty=True, verbose=False)
    assert result.failed == 0, "what is printed above"


@pytest.mark.parametrize("name", [*pf.__all__, "kernels.prepare"])
def test_a_public_name_says_what_it_is_and_functions_show_it(name: str) -> None:
    value = kernels.prepare if name == "kernels.prepare" else getattr(pf, name)
    text = inspect.getdoc(value)
    assert text, f"{name} has no docstring"
    if inspect.isfunction(value):
        assert "\nExamples\n--------\n>>> " in text, f"{name} shows no example"


def test_the_page_of_the_kernels_has_all_of_them() -> None:
    assert set(kernels.__all__) - {"prepare"} <= set(pf.__all__)
