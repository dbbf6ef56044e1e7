#!/usr/bin/env python3
"""Call a foreign function on files, which are mapped, not read; results are written whole or not at all.

    call.py m "double hypot(double x, double y);" --x x.npy --y 1.5 --out h.npy
    call.py z "uLong adler32(uLong adler, const Bytef buf[len], uInt len) split();" --adler 1 --buf disk.img:u1

Each parameter of the declaration is an option of its name; `call.py LIBRARY DECLARATION --help` lists them. Where one
is called as an option of call.py is, say `--set NAME=VALUE`. Sizes are taken from the arrays.

Exit status: 0 done; 1 the call failed; 2 the command line, the declaration or a file is wrong; 124 not done in time;
130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from calling.outputs import PRINTED, Outputs
from calling.values import FORMS, UsageError, file_of, value_of

import pyffipar as pf
from pyffipar.language.parameters import Parameter
from pyffipar.options import EXECUTORS
from pyffipar.plans.plan import Plan

FAILED, WRONG, LATE, INTERRUPTED, TERMINATED = 1, 2, 124, 130, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, read, call, write, print."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _leave)  # so that it leaves no file half written either
    try:
        if len(words) < 2 or words[0].startswith("-") or words[1].startswith("-"):
            _parser(None).parse_args(words)  # says what is missing, or helps
        function = declared(words[0], words[1], _named(words[2:]))
        return Command(function, _parser(function).parse_args(words)).run()
    except (UsageError, pf.PyffiparError) as error:
        print(f"call.py: {error}", file=sys.stderr)
        return FAILED if isinstance(error, pf.ChunkError) else WRONG
    except TimeoutError as error:
        print(f"call.py: {error}", file=sys.stderr)
        return LATE
    except KeyboardInterrupt:
        print("call.py: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except (OSError, MemoryError, TypeError, ValueError, OverflowError) as error:
        print(f"call.py: {str(error) or type(error).__name__}", file=sys.stderr)
        return FAILED


def _leave(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)


def declared(library: str, declarations: str, name: str | None) -> pf.Function:
    """The function that is meant."""
    text = _read(declarations) if declarations.startswith("@") else declarations
    known = {function.__name__: function for function in pf.load(library, text)}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    there = ", ".join(known) or "none"
    raise UsageError(
        f"--function {name}: declared are {there}" if name else f"which one? Say --function; there are {there}"
    )


def _read(word: str) -> str:
    """The declaration's file."""
    try:
        return Path(word[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{word}: the declaration is to be read from {word[1:]!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{word}: the declaration is to be read from {word[1:]!r}, which is no text: {error}"
        ) from None


def _named(words: Sequence[str]) -> str | None:
    """What stands behind --function, which has to be known before the other options can be."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--function")
    return parser.parse_known_args(words)[0].function  # type: ignore[no-any-return]


def _parser(function: pf.Function | None) -> argparse.ArgumentParser:
    """The command line: of any function, or with the parameters of one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("library", metavar="LIBRARY", help="path or name of a shared library: libm.so.6, m, ./mine.so")
    parser.add_argument("declaration", metavar="DECLARATION", help="as for pyffipar.load; @FILE reads it from a file")
    parser.add_argument("--function", metavar="NAME", help="which one, where several are declared")
    parser.add_argument(
        "--out", action="append", default=[], metavar="[NAME=]FILE",
        help="file for a result: .npy, or raw bytes under any other name; - prints it",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, whatever its name"
    )
    parser.add_argument("--executor", choices=EXECUTORS)
    parser.add_argument("--threads", type=int, help="most threads that work on the call")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("--progress", action="store_true", help="draw a bar, with tqdm")
    parser.add_argument("--explain", action="store_true", help="print what the call would do, and call nothing")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")
    if function is not None:
        group = parser.add_argument_group(f"parameters of {function.__name__}", f"arrays: {FORMS}")
        for parameter in _parameters(function):
            if f"--{parameter.name}" not in parser._option_string_actions:  # noqa: SLF001 - it has no other question
                group.add_argument(
                    f"--{parameter.name}", dest=f"given {parameter.name}", metavar="…", help=str(parameter)
                )
    return parser


def _parameters(function: pf.Function) -> list[Parameter]:
    """Everything that can be passed, outputs aside: those that must be, and sizes that arrays may tell."""
    contract = function._contract  # noqa: SLF001 - of our own package
    sizes = [p for p in contract.prototype.parameters if p.name in contract.sizes and p not in contract.arguments]
    return [*contract.arguments, *sizes]


class Command:
    """One call from the command line.

    Parameters
    ----------
    function : Function
    chosen : Namespace
        What the command line says.
    """

    def __init__(self, function: pf.Function, chosen: argparse.Namespace) -> None:
        given = {
            "executor": chosen.executor, "threads": chosen.threads, "timeout": chosen.timeout,
            "progress": chosen.progress or None,
        }  # fmt: skip
        try:
            self._function = function.options(**{name: value for name, value in given.items() if value is not None})
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._chosen = chosen
        self._known = {parameter.name: parameter for parameter in _parameters(function)}
        self._words = {
            key.partition(" ")[2]: text
            for key, text in vars(chosen).items()
            if key.startswith("given ") and text is not None
        }
        for entry in chosen.set:
            name, sign, text = entry.partition("=")
            if not sign or name not in self._known:
                raise UsageError(
                    f"--set {entry}: NAME=VALUE is wanted; parameters are {', '.join(self._known) or 'none'}"
                )
            self._words[name] = text
        self._check_words()

    def _check_words(self) -> None:
        """Refuse a call that lacks something that no array tells and no default is there for."""
        contract = self._function._contract  # noqa: SLF001 - of our own package
        known = {*self._words, *contract.sizes, *contract.prototype.clauses.default}
        missing = [f"{_option(p.name)} ({p})" for p in contract.arguments if p.name not in known]
        if missing:
            raise UsageError(f"{self._function.__name__} wants {', '.join(missing)}; --help tells what it takes")

    def run(self) -> int:
        """Read, call, write, print."""
        if self._chosen.explain:
            values = {name: value_of(self._known[name], text) for name, text in self._words.items()}
            arguments, keywords = self._passed(_copied(values, self._updated()))
            self._as_usage(lambda: self._function.explain(*arguments, **keywords))
            return 0
        targets = self._targets()
        with Outputs(targets) as outputs:
            values = {
                name: outputs.copy_of(name, text) if name in self._updated() else value_of(self._known[name], text)
                for name, text in self._words.items()
            }
            results, seconds = self._call(values, outputs)
            outputs.keep(results)
        self._tell(results, targets, seconds)
        return 0

    def _call(self, values: dict[str, Any], outputs: Outputs) -> tuple[dict[str, Any], float]:
        """The results by name, and how long they took."""
        arguments, keywords = self._passed(values)
        plan: Plan = self._as_usage(lambda: self._function._plan(arguments, keywords))  # noqa: SLF001 - of our own package
        outputs.check(plan)
        names = self._results()
        rooms = self._rooms(plan, outputs)
        del plan
        began = time.perf_counter()
        found = self._function(*arguments, **keywords, **({"out": rooms} if rooms else {}))
        seconds = time.perf_counter() - began
        results = dict(zip(names, found if len(names) > 1 else (found,), strict=True)) if names else {}
        return results | {name: values[name] for name in self._updated() if name in values}, seconds

    def _as_usage(self, do: Callable[[], Any]) -> Any:
        """What arguments that do not fit raise, as an error of the command line."""
        try:
            return do()
        except (TypeError, ValueError, OverflowError) as error:
            lacks = [name for name, parameter in self._known.items() if f"{parameter} is missing" in str(error)]
            raise UsageError("; ".join([str(error), *(f"say {_option(name)}" for name in lacks)])) from None

    def _passed(self, values: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Values as arguments and keywords: by position if possible, as a parameter may be called ``out``."""
        order = [parameter.name for parameter in self._function._contract.arguments]  # noqa: SLF001 - as above
        leading = list(itertools.takewhile(values.__contains__, order))
        return tuple(values[name] for name in leading), {n: v for n, v in values.items() if n not in leading}

    def _updated(self) -> set[str]:
        """Arrays that the function updates in place."""
        return {name for name, parameter in self._known.items() if parameter.direction == "inout"}

    def _results(self) -> list[str]:
        """Names of the results, in order."""
        contract = self._function._contract  # noqa: SLF001 - of our own package
        return (["return"] if contract.returns_result else []) + [parameter.name for parameter in contract.outputs]

    def _targets(self) -> dict[str, str]:
        """Where each result goes, as far as that is said."""
        names = [*self._results(), *sorted(self._updated())]
        targets: dict[str, str] = {}
        for entry in self._chosen.out:
            name, sign, word = entry.partition("=")
            if name not in names and (len(names) != 1 or (sign and name.isidentifier())):
                there = f"results are {', '.join(names)}" if names else "there are no results"
                raise UsageError(f"--out {entry}: NAME=FILE is wanted; {there}")
            if not sign or name not in names:
                name, word = names[0], entry
            if name in targets:
                raise UsageError(f"--out {entry}: {name} goes to {targets[name]} already")
            targets[name] = word
        if len({Path(word).resolve() for word in targets.values() if word != PRINTED}) < sum(
            word != PRINTED for word in targets.values()
        ):
            raise UsageError("two results cannot go to one file")
        self._spare_inputs(targets)
        for name in self._updated() & set(self._words):
            if targets.get(name, PRINTED) == PRINTED:
                raise UsageError(f"{name} is updated in place: say where the updated one goes, --out {name}=FILE")
        return targets

    def _spare_inputs(self, targets: dict[str, str]) -> None:
        """Refuse to put a result in the place of a file that is read, but for an array that is updated in place."""
        for name, text in self._words.items():
            read = file_of(self._known[name], text)
            for result, word in targets.items():
                if read is None or word == PRINTED or (name == result and name in self._updated()):
                    continue
                if Path(word).resolve() == read.resolve() or (Path(word).exists() and read.samefile(word)):
                    raise UsageError(
                        f"--out {result}={word}: that is the file that {_option(name)} {text} reads, and would be lost;"
                        " say another one"
                    )

    def _rooms(self, plan: Plan, outputs: Outputs) -> Any:
        """Mapped files to write into, as ``out=`` takes them; results whose length is not known yet have none."""
        joined = self._function._contract.joined  # noqa: SLF001 - of our own package
        known = {result.name: result.array for result in plan.outcome.results}
        rooms = tuple(
            outputs.room(name, known[name].shape, known[name].dtype) if name in known and name not in joined else None
            for name in self._results()
        )
        return rooms if any(room is not None for room in rooms) else None

    def _tell(self, results: dict[str, Any], targets: dict[str, str], seconds: float) -> None:
        """Print what is no file, and where the files are."""
        if self._chosen.json:
            told = {name: _described(value, targets.get(name, PRINTED)) for name, value in results.items()}
            json.dump({"function": self._function.__name__, "results": told, "seconds": seconds}, sys.stdout)
            print()
            return
        for name, value in results.items():
            target = targets.get(name, PRINTED)
            text = str(_plain(value)) if target == PRINTED else f"{target}  {value.dtype} {value.shape}"
            print(text if len(results) == 1 else f"{name} = {text}")


def _copied(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Values with writable arrays where the function updates them: explaining writes nothing, but looks."""
    return {name: np.array(value) if name in names else value for name, value in values.items()}


def _option(name: str) -> str:
    """How a parameter is passed."""
    is_taken = f"--{name}" in _parser(None)._option_string_actions  # noqa: SLF001 - it has no other question
    return f"--set {name}=" if is_taken else f"--{name}"


def _plain(value: Any) -> Any:
    """A number or nested lists of them, as Python has them."""
    return np.asarray(value).tolist()


def _described(value: Any, target: str) -> Any:
    """What JSON says of a result; complex numbers are pairs."""
    if target != PRINTED:
        return {"file": target, "dtype": value.dtype.str, "shape": list(value.shape)}
    plain = np.asarray(value)
    return np.stack([plain.real, plain.imag], -1).tolist() if plain.dtype.kind == "c" else plain.tolist()


if __name__ == "__main__":
    sys.exit(main())
