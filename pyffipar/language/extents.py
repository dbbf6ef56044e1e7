"""What stands in an array's brackets: ``n``, ``n + 2``, ``2*n``, ``rows*cols``, sections; read, solve, measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import PrototypeError
from .tokens import Token, split_at

MAX_CONSTANT = 1 << 62  # larger numbers cannot be an extent on any machine
_QUALIFIERS = frozenset(("static", "const", "restrict", "volatile"))

NO_CONSTANTS: Mapping[str, int] = MappingProxyType({})

Polynomial = dict[tuple[str, ...], int]  # sorted names of a product → its factor; () is the constant


@dataclass(frozen=True, slots=True)
class Extent:
    """One core dimension: ``factor * size + offset`` elements, or `offset` elements if `size` is None.

    Attributes
    ----------
    size : str or None
        Name of the integer parameter it depends on.
    factor, offset : int
        The affine rule.
    lower : int
        First index the function reads, counted from the pointer it gets: -1 in ``x[-1 : n + 2]``.
    stride : str or None
        Integer parameter that takes the array's own stride in elements: the third part of ``x[0 : n : stride]``.
    position : int
        Offset of the bracket in the declaration text.
    """

    size: str | None
    factor: int
    offset: int
    lower: int = 0
    stride: str | None = None
    position: int = 0

    def length(self, size: int) -> int:
        """Elements along this dimension when the size has the value `size`."""
        return self.factor * size + self.offset

    def solve(self, length: int) -> int | None:
        """The size that gives `length` elements, or None if no size does."""
        if self.factor == 0:
            return None
        size, rest = divmod(length - self.offset, self.factor)
        return size if rest == 0 and size >= 0 else None

    def __str__(self) -> str:
        if self.size is None:
            length = str(self.offset)
        else:
            length = self.size if self.factor == 1 else f"{self.factor}*{self.size}"
            if self.offset:
                length += f" {'+' if self.offset > 0 else '-'} {abs(self.offset)}"
        if self.stride is not None:
            return f"{self.lower} : {length} : {self.stride}"
        return f"{self.lower} : {length}" if self.lower else length


def read_bracket(
    tokens: tuple[Token, ...], source: str, start: int, constants: Mapping[str, int] = NO_CONSTANTS
) -> tuple[Extent, ...]:
    """Read what stands between ``[`` and ``]``; a product of sizes gives one extent for each.

    Parameters
    ----------
    tokens : tuple of Token
        What stands inside.
    source : str
        The whole text, for error messages.
    start : int
        Offset of the ``[``.
    constants : dict
        Enumerators, which stand for their values.
    """
    tokens = tuple(token for token in tokens if token.text not in _QUALIFIERS)
    parts = split_at(tokens, ":")
    if not parts or not parts[0] or (len(parts) == 1 and parts[0][0].text == "*" and len(parts[0]) == 1):
        raise PrototypeError("these brackets are empty: write the number of elements, as in x[n]", source, start)
    if len(parts) > 3:
        raise PrototypeError("a section is [lower : length] or [lower : length : stride]", source, start)
    reader = _Reader(source, start, constants)
    if len(parts) == 1:
        return _extents(reader.read(parts[0]), source, start)
    lower = reader.read(parts[0])
    if any(names for names in lower):
        raise PrototypeError("the lower bound of a section is a constant", source, parts[0][0].position)
    length = _extents(reader.read(parts[1]), source, start)
    if len(length) != 1:
        raise PrototypeError("the length of a section depends on one size", source, start)
    stride = _stride(parts[2], source, start) if len(parts) == 3 else None
    one = length[0]
    return (Extent(one.size, one.factor, one.offset, lower.get((), 0), stride, start),)


def _stride(tokens: tuple[Token, ...], source: str, start: int) -> str:
    if len(tokens) != 1 or tokens[0].kind != "name":
        raise PrototypeError("the stride of a section is the name of an integer parameter", source, start)
    return tokens[0].text


def _extents(polynomial: Polynomial, source: str, start: int) -> tuple[Extent, ...]:
    """One extent for ``n``, ``2*n + 1`` or ``8``; one for each factor of ``rows*cols``."""
    terms = {names: factor for names, factor in polynomial.items() if factor != 0}
    offset = terms.pop((), 0)
    if not terms:
        if offset <= 0:
            raise PrototypeError(f"{offset} elements: an extent is at least 1", source, start)
        return (Extent(None, 0, offset, position=start),)
    if len(terms) > 1:
        sizes = ", ".join("*".join(names) for names in terms)
        raise PrototypeError(f"an extent depends on one size; this one on {sizes}", source, start)
    names, factor = next(iter(terms.items()))
    if factor < 0:
        raise PrototypeError(f"{factor}*{names[0]} shrinks as {names[0]} grows", source, start)
    if len(names) == 1:
        return (Extent(names[0], factor, offset, position=start),)
    if factor != 1 or offset != 0:
        dims = "".join(f"[{name}]" for name in names)
        raise PrototypeError(
            f"a product of sizes takes no further number: write the dimensions apart, as in x{dims}", source, start
        )
    return tuple(Extent(name, 1, 0, position=start) for name in names)


class _Reader:
    """Recursive descent over ``+ - * ( )``, names and integers; the value is a polynomial in the sizes."""

    def __init__(self, source: str, start: int, constants: Mapping[str, int]) -> None:
        self._source = source
        self._start = start
        self._constants = constants
        self._tokens: tuple[Token, ...] = ()
        self._index = 0

    def read(self, tokens: tuple[Token, ...]) -> Polynomial:
        self._tokens, self._index = tokens, 0
        value = self._sum()
        if self._index < len(tokens):
            self._fail(f"unexpected {tokens[self._index].text}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._index].text if self._index < len(self._tokens) else ""

    def _fail(self, message: str) -> None:
        here = self._tokens[self._index].position if self._index < len(self._tokens) else self._start
        raise PrototypeError(f"{message}: an extent is built from integers, sizes, +, - and *", self._source, here)

    def _sum(self) -> Polynomial:
        sign = -1 if self._peek() == "-" else 1
        if self._peek() in ("+", "-"):
            self._index += 1
        total = _scaled(self._product(), sign)
        while self._peek() in ("+", "-"):
            sign = -1 if self._peek() == "-" else 1
            self._index += 1
            for names, factor in self._product().items():
                total[names] = total.get(names, 0) + sign * factor
        return total

    def _product(self) -> Polynomial:
        value = self._atom()
        while self._peek() == "*":
            self._index += 1
            value = self._multiply(value, self._atom())
        return value

    def _multiply(self, left: Polynomial, right: Polynomial) -> Polynomial:
        product: Polynomial = {}
        for names, factor in left.items():
            for others, other in right.items():
                if len(names) + len(others) > 8:
                    self._fail("a product of more than 8 sizes")
                # The order written is the order of the dimensions, so names are not sorted.
                key = names + others
                product[key] = product.get(key, 0) + factor * other
        return product

    def _atom(self) -> Polynomial:
        if self._index >= len(self._tokens):
            self._fail("a number or a size is missing")
        token = self._tokens[self._index]
        if token.text == "(":
            self._index += 1
            value = self._sum()
            if self._peek() != ")":
                self._fail("a ) is missing")
            self._index += 1
            return value
        if token.kind == "name":
            known = self._constants.get(token.text)
            value = {(token.text,): 1} if known is None else {(): self._limited(token, known)}
            self._index += 1
            return value
        return {(): self._integer(token)}

    def _integer(self, token: Token) -> int:
        digits = token.text.rstrip("uUlL")
        try:
            value = int(digits, 0)  # refuses 010, which is 8 in C
        except ValueError:
            self._fail(f"unexpected {token.text}")
            raise
        value = self._limited(token, value)
        self._index += 1
        return value

    def _limited(self, token: Token, value: int) -> int:
        if abs(value) > MAX_CONSTANT:
            self._fail(f"{token.text} is too large")
        return value


def _scaled(value: Polynomial, sign: int) -> Polynomial:
    return {names: sign * factor for names, factor in value.items()}
