"""The worker of roads that run in this kind of interpreter: ``python -m roads.common.worker MODULE VARIANT WORD...``.

The protocol, which the workers in ``foreign`` speak too, is one JSON object a line. The worker begins with
``{"hello": interpreter, "gil": true}`` or ``{"missing": reason, "install": line}``. Then it is asked
``{"do": "prepare", "job": ...}`` (the fields of `Work`) and answers ``{"moved": bytes}``, and ``{"do": "run"}``, any
number of times, and answers ``{"value": ..., "seconds": ...}``. A mistake is ``{"error": text}``. It ends when its
input does.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from .base import Missing, Prepared, Work

FIELDS = {field.name for field in fields(Work)}


def has_gil() -> bool:
    """Whether this interpreter's threads take turns, now."""
    enabled = getattr(sys, "_is_gil_enabled", None)  # from 3.13 on
    return True if enabled is None else bool(enabled())


def interpreter() -> str:
    """Its name and version."""
    return f"{sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}"


def serve(road: Any, variant: str, words: list[str], requests: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Answer requests until there are no more."""
    try:
        state = road.setup(variant, *words) if hasattr(road, "setup") else variant
    except Missing as missing:
        yield {"missing": missing.reason, "install": missing.install}
        return
    yield {"hello": interpreter(), "gil": has_gil()}
    prepared = Prepared(lambda: None)
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                prepared.close()
                prepared = Prepared(lambda: None)
                prepared = road.prepare(state, Work(**{k: v for k, v in request.items() if k in FIELDS}))
                yield {"moved": prepared.moved}
            else:
                start = time.perf_counter()
                value = prepared.run()
                yield {"value": value, "seconds": time.perf_counter() - start, "gil": has_gil()}
        except Exception as error:  # noqa: BLE001 -- told to who asked
            yield {"error": f"{type(error).__name__}: {error}"}
    prepared.close()


def main() -> None:
    """Speak the protocol on standard input and output."""
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, variant, *words = sys.argv[1:]
    for answer in serve(importlib.import_module(f"roads.{module}"), variant, words, iter(sys.stdin.readline, "")):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
