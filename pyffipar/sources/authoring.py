"""Declarations that come with a header or a source: ``load(header=...)`` and ``#pragma pyffipar``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ..errors import PrototypeError, check_text
from ..language.clause_reading import CLAUSE_WORDS
from ..language.contracts import Completer, Contract, read_contract
from ..language.drafts import Document, Draft, Piece
from ..language.headers import Header, Pragma, read_header
from ..language.tokens import Statement, statements
from .compilers import LANGUAGES
from .compiling import preprocess
from .recipes import Paths, Recipe, make_recipe

Names: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

_PRAGMA = re.compile(r"[ \t]*#[ \t]*pragma[ \t]+pyffipar\b((?:/\*(?s:.*?)\*/|\\\r?\n|\\.|[^\\\n])*)")
_SILENT = re.compile(r"/\*.*?\*/|\\\r?\n|//.*", re.DOTALL)  # comments, and what joins lines
_DEFINITIONS = ("typedef", "struct", "union", "enum")


def declared_by_header(header: Names, contracts: str, include: Paths, defines: Sequence[str]) -> Draft:
    """The declarations that a header and contracts for its functions make together.

    Parameters
    ----------
    header : str, path, or sequence of these
        A name as in ``#include <name>``, looked for in `include` and then in the system's folders; or a path: a path
        object, an absolute path, or one that begins with a dot.
    contracts : str
        See `contracts.read_contract`; typedefs, structs and enums may stand in between. If there are none, the
        header's own pragmas count.
    include : sequence of paths
    defines : sequence of str
        Macros, as ``NAME`` or ``NAME=value``.

    Raises
    ------
    CompileError
        If there is no compiler, or it does not find the header.
    PrototypeError
        For contracts that contradict the header, and pragmas that stand above no function.
    """
    check_text("contracts", contracts, "a text with the names of functions, brackets and clauses")
    names = [header] if isinstance(header, (str, os.PathLike)) else list(header)
    if isinstance(defines, str):
        raise TypeError(f"defines is the string {defines!r}; give a sequence of strings")
    source = "".join(f"#include {_included(name)}\n" for name in names)
    recipe = make_recipe(source, flags=[f"-D{macro}" for macro in defines], include=include)
    read = read_header(preprocess(recipe))
    called = " and ".join(str(name) for name in names)
    return _contracts(read, contracts, called) if contracts.strip() else _pragmas(read, {}, called)


def declared_by_source(recipe: Recipe) -> Draft:
    """The declarations that the pragmas in a source, and in what it includes, make.

    Raises
    ------
    PrototypeError
        As `declared_by_header`; lines are those of the source or of the header.
    """
    file = LANGUAGES[recipe.language].file
    # What the headers of C++ declare nobody calls from here, and there are megabytes of it.
    read = read_header(preprocess(recipe), system=recipe.language == "c")
    return _pragmas(read, {file: Document(recipe.source)}, "the source")


def _included(name: str | os.PathLike[str]) -> str:
    """How a header is included: by its path, or by its name, which the compiler looks for."""
    text = os.fspath(name)
    if re.search(r'[<>"\n\\]', text) or not text:
        raise ValueError(f"{text!r} is no name of a header")
    is_path = not isinstance(name, str) or text.startswith((".", os.sep))
    return f'"{Path(text).absolute()}"' if is_path else f"<{text}>"


def _contracts(header: Header, text: str, name: str) -> Draft:
    """Complete every contract in a text; definitions in between stay as they are."""
    completer = Completer(header, name)
    document = Document(text)
    pieces: list[Piece] = []
    for statement in statements(text):
        first, start = statement.tokens[0].text, statement.tokens[0].position
        if first == "typedef" or (first in _DEFINITIONS and statement.tokens[-1].text == "}"):
            completer.define(statement.text)
            pieces += [Piece(text[start : statement.end], document, start, is_copy=True), Piece(";\n", document, start)]
        else:
            pieces += completer.complete(read_contract(statement, header), document)
    return Draft(pieces)


def _pragmas(header: Header, documents: dict[str, Document], name: str) -> Draft:
    """Complete what every pragma says; `documents` are the texts of files that are in no file."""
    completer = Completer(header, name)
    pieces: list[Piece] = []
    above: set[str] = set()
    for pragma in header.pragmas:
        document, start, text = _as_written(pragma, documents)
        text += ";"  # which may be left out
        with Draft([Piece(text, document, start, is_copy=True)]).errors():
            contract = _pragma_contract(pragma, text, header)
            if contract.name in above:
                contract.fail("there is a pragma above it already; a long one goes on behind \\ at the end of the line")
        above.add(contract.name)
        pieces += completer.complete(contract, document, start, pragma.function)
    return Draft(pieces)


def _as_written(pragma: Pragma, documents: dict[str, Document]) -> tuple[Document, int, str]:
    """The file in which a pragma stands, where in it, and its text in one logical line; all at its place."""
    path, line = pragma.place.path, pragma.place.line
    if path not in documents:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        documents[path] = Document(text, path)
    document = documents[path]
    start = 0
    for _ in range(line - 1):
        start = document.text.find("\n", start) + 1
    match = _PRAGMA.match(document.text, start)
    if match is None:  # made by a macro, through _Pragma: what the preprocessor says is all there is
        return Document(pragma.text, document.name), 0, pragma.text
    return document, match.start(1), _SILENT.sub(lambda silent: " " * len(silent[0]), match[1])


def _pragma_contract(pragma: Pragma, text: str, header: Header) -> Contract:
    """The contract that a pragma makes with the function below it."""
    found = statements(text)
    statement = found[0] if found else Statement(text, (), len(text))
    if pragma.function is None:
        raise PrototypeError("#pragma pyffipar stands directly above a function; there is none below it", text)
    if len(found) > 1:
        raise PrototypeError("one contract to a pragma", text, found[1].tokens[0].position)
    name = pragma.name
    if not statement.tokens or (statement.tokens[0].text in CLAUSE_WORDS and statement.tokens[0].text != name):
        place = statement.tokens[0].position if statement.tokens else 0
        return Contract(statement, name, place, (), None, place)
    contract = read_contract(statement, header)
    if contract.name != name:
        contract.fail(f"the function below this pragma is {name}")
    return contract
