"""What a preprocessed header declares: functions, types, constants, macros and pragmas, each with its place in a file.

Only as much of C is understood as is needed to tell one declaration from the next. What is in a declaration is looked
into when somebody asks for it, so whatever else a header holds does no harm.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BALANCED = r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"  # brackets three deep inside

# Compiler extensions and C++ words that say nothing about the call.
_SILENT = re.compile(
    rf"""\b(?:__attribute(?:__)?|__declspec|_Alignas|alignas|noexcept)\s*{_BALANCED}
       | \[\[.*?\]\]
       | \bextern\s*"C(?:\+\+)?"
       | \b(?:extern|static|register|inline|__inline(?:__)?|_Noreturn|__extension__|constexpr|noexcept)\b
       | \b(?:restrict|__restrict(?:__)?|_Nullable|_Nonnull)\b
       | \bstd\s*::""",
    re.VERBOSE | re.DOTALL,
)
_LABEL = re.compile(rf"\b(?:asm|__asm|__asm__)\s*({_BALANCED})")
_OTHER_SPELLINGS = {"__const": "const", "__const__": "const", "__signed": "signed", "__signed__": "signed",
                    "__volatile__": "volatile"}  # fmt: skip
_OTHER_SPELLING = re.compile(rf"\b(?:{'|'.join(_OTHER_SPELLINGS)})\b")

_MARKER = re.compile(r'#(?:line)? (\d+) "((?:[^"\\]|\\.)*)"((?: \d)*)')
_DEFINE = re.compile(r"#define ([A-Za-z_]\w*)(\(|\s|$)(.*)")
_UNDEF = re.compile(r"#undef ([A-Za-z_]\w*)")
_PRAGMA = re.compile(r"#\s*pragma\s+pyffipar\b(.*)")

# Strings and characters are stepped over whole; so are numbers, which C++ writes as 1'000.
_SIGNIFICANT = re.compile(
    r"""R"([^()\s\\]{0,16})\(.*?\)\1" | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | (?<!\w)\d[\w.']* | [{}();]""",
    re.VERBOSE | re.DOTALL,
)
_TRANSPARENT = re.compile(r'\s*(?:extern\s*"C(?:\+\+)?"|(?:inline\s+)?namespace\b[^(;]*)\s*')
_FUNCTION = re.compile(rf"[^(={{]*?\b([A-Za-z_]\w*)\s*{_BALANCED}\s*(?:const\s*)?(?:->[^=]*)?", re.DOTALL)
_MEMBERS = re.compile(r"(?:typedef |template ?<[^()]*> ?)?(?:struct|union|enum|class)\b[^()]*")
_NO_FUNCTIONS = frozenset(("if", "for", "while", "switch", "return", "sizeof", "_Static_assert", "operator"))


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Declared:
    """One declaration of a header.

    Attributes
    ----------
    text : str
        In plain C, in one line, without attributes, storage class, ``;`` and a function's body.
    place : Place
    label : str
        The name that the linker knows a function under, where the header gives it another one.
    """

    text: str
    place: Place
    label: str = ""


@dataclass(frozen=True, slots=True)
class Pragma:
    """A line ``#pragma pyffipar``: what follows the word, and the function below it with its name, if there is one."""

    text: str
    place: Place
    name: str = ""
    function: Declared | None = None


@dataclass(slots=True)
class Header:
    """Everything a preprocessed text declares, by name.

    Attributes
    ----------
    functions : dict
    types : dict
        Typedefs under their names; structs, unions and enums under ``struct name`` and the like.
    enumerators : dict
        The enum that each is defined in.
    macros : dict
        What macros without parameters stand for.
    calls : set
        Macros with parameters.
    pragmas : list
    """

    functions: dict[str, Declared] = field(default_factory=dict)
    types: dict[str, Declared] = field(default_factory=dict)
    enumerators: dict[str, Declared] = field(default_factory=dict)
    macros: dict[str, str] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    pragmas: list[Pragma] = field(default_factory=list)


def read_header(text: str, *, system: bool = True) -> Header:
    r"""Take a preprocessed text apart.

    Parameters
    ----------
    text : str
        From ``cc -E -dD``.
    system : bool
        Whether headers of the system count; those of C++ are long and hold nothing that can be called.

    Examples
    --------
    >>> header = read_header('# 1 "a.h"\n#define N 3\nextern double f (double x) __attribute__((const));')
    >>> header.functions["f"]
    Declared(text='double f (double x)', place=Place(path='a.h', line=2), label='')
    """
    return _Reader(system).read(text)


class _Reader:
    """One text being taken apart."""

    def __init__(self, system: bool) -> None:  # noqa: FBT001 - told apart by its one caller
        self._system = system
        self._found = Header()
        self._lines: list[str] = []  # of code, directives left out
        self._starts: list[int] = []  # where each begins in all of the code,
        self._places: list[Place] = []  # and in its file
        self._noted: list[tuple[int, str, Place]] = []  # pragmas: where in the code, what, and where in the file
        self._taken: list[tuple[int, int, str, Declared]] = []  # from where to where in the code; a function's name

    def read(self, text: str) -> Header:
        self._read_lines(text)
        code = "\n".join(self._lines)
        for start, stop, end in _declarations(code):
            self._take(code[start:stop], start, end)
        self._found.pragmas = [self._pragma(*noted) for noted in self._noted]
        return self._found

    def _read_lines(self, text: str) -> None:
        """Part directives from code, and remember which line of which file is which."""
        path, line, left_out, offset = "", 0, False, 0
        for raw in text.split("\n"):
            if marker := _MARKER.match(raw):
                path, line = re.sub(r"\\(.)", r"\1", marker[2]), int(marker[1])
                left_out = not self._system and "3" in marker[3].split()
                continue
            if raw.startswith("#"):
                self._directive(raw, offset, Place(path, line))
            elif not left_out:
                self._lines.append(raw)
                self._starts.append(offset)
                self._places.append(Place(path, line))
                offset += len(raw) + 1
            line += 1

    def _directive(self, raw: str, offset: int, place: Place) -> None:
        if defined := _DEFINE.match(raw):
            name, opening, replacement = defined.groups()
            if opening == "(":
                self._found.calls.add(name)
            else:
                self._found.macros[name] = replacement.strip()
        elif undefined := _UNDEF.match(raw):
            self._found.macros.pop(undefined[1], None)
            self._found.calls.discard(undefined[1])
        elif pragma := _PRAGMA.match(raw):
            self._noted.append((offset, pragma[1].strip(), place))

    def _take(self, raw: str, start: int, end: int) -> None:
        """File one declaration under what it declares; with its body it ends at `end`."""
        start += len(raw) - len(raw.lstrip())
        place = self._places[bisect.bisect_right(self._starts, start) - 1]
        declared = Declared(_plain(raw), place, _label(raw))
        text = declared.text
        name = function_name(text)
        self._taken.append((start, end, name, declared))
        if name and (name not in self._found.functions or declared.label):
            self._found.functions[name] = declared  # the first one; what the linker calls it may be said later
        if text.startswith("typedef"):
            self._found.types |= dict.fromkeys(_typedef_names(text), declared)
        for tag in re.finditer(r"\b((?:struct|union|enum)\s+[A-Za-z_]\w*)\s*(?::[^{;]*)?\{", text):
            self._found.types[" ".join(tag[1].split())] = declared
        for body in re.finditer(r"\benum\b[^{;]*\{([^}]*)\}", text):
            names = re.findall(r"(?:^|,)\s*([A-Za-z_]\w*)", body[1])
            self._found.enumerators |= dict.fromkeys(names, declared)

    def _pragma(self, offset: int, text: str, place: Place) -> Pragma:
        """A pragma and the function directly below it; one that has begun above is not meant."""
        below = next((entry for entry in self._taken if entry[1] > offset), None)
        if below is None or below[0] < offset or not below[2]:
            return Pragma(text, place)
        return Pragma(text, place, *below[2:])


def _declarations(code: str) -> Iterator[tuple[int, int, int]]:
    """Where each declaration outside of brackets begins, where its text ends, and where a function's body ends."""
    start = depth = 0
    body: int | None = None  # where the body of the function begins that we are in
    for match in _SIGNIFICANT.finditer(code):
        sign = match[0]
        if sign == ";" and depth == 0:
            yield start, match.start(), match.end()
            start = match.end()
        elif sign == "{" and depth == 0 and _TRANSPARENT.fullmatch(code, start, match.start()):
            start = match.end()
        elif sign in ("(", "{"):
            if sign == "{" and depth == 0 and _has_body(_plain(code[start : match.start()])):
                body = match.start()
            depth += 1
        elif sign in (")", "}"):
            if depth == 0:  # closes what extern "C" { has opened
                start = match.end()
                continue
            depth -= 1
            if depth == 0 and body is not None:
                yield start, body, match.end()
                start, body = match.end(), None


def _has_body(head: str) -> bool:
    """Whether the braces behind a text hold statements rather than members or values."""
    return not head or ("(" in head and not head.endswith("=") and not _MEMBERS.fullmatch(head))


def function_name(text: str) -> str:
    """The name of the function that a plain declaration declares; empty if it is something else."""
    match = _FUNCTION.fullmatch(text)
    if match is None or match[1] in _NO_FUNCTIONS or text.startswith("typedef"):
        return ""
    return match[1] if text[: match.start(1)].strip() else ""  # what has no type is a macro that was left over


def _plain(raw: str) -> str:
    """A declaration in one line of plain C."""
    text = _OTHER_SPELLING.sub(lambda match: _OTHER_SPELLINGS[match[0]], _SILENT.sub(" ", _LABEL.sub(" ", raw)))
    return " ".join(text.split())


def _label(raw: str) -> str:
    """What the linker knows a function by, where the declaration says so."""
    match = _LABEL.search(raw)
    return "".join(re.findall(r'"([^"]*)"', match[1])) if match else ""


def _typedef_names(text: str) -> Iterator[str]:
    """The names that a plain typedef gives."""
    flat = re.sub(r"\{.*\}", " {} ", text, flags=re.DOTALL)
    while re.search(r"\[[^][]*\]", flat):
        flat = re.sub(r"\[[^][]*\]", " ", flat)
    for part in re.split(r",(?![^()]*\))", flat):
        inside = re.search(r"\(\s*\*\s*(?:const\s+)?([A-Za-z_]\w*)\s*\)", part)
        names = [inside[1]] if inside else re.findall(r"[A-Za-z_]\w*", re.sub(_BALANCED, " ", part))
        yield from names[-1:]
