"""What a function remembers of its calls, to repeat them: templates, and what the native library knows by heart."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from .carrying import carry_out
from .executors.repertoire import Repertoire, is_had
from .options import Options
from .plans.binding import Bound
from .plans.foreign import Foreign
from .plans.plan import Plan
from .recall import Key, Rebasable, Template
from .system import nesting

MOST_TEMPLATES = 32  # per function; a program that calls with more layouts than that spends its time in the function


class Call(NamedTuple):
    """A call, as it is told from others.

    Attributes
    ----------
    threads : int
    key : Key
        The layout of its arguments.
    arguments : tuple
    keywords : dict
    """

    threads: int
    key: Key
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]


class Memory:
    """Of one function with one set of options of its own.

    Parameters
    ----------
    foreign : Foreign
        The function.

    Attributes
    ----------
    usual : tuple of (Options or None, Repertoire or None)
        The options of the last call, and what knows calls with these; as a pair, for other threads look at it.
    """

    def __init__(self, foreign: Foreign) -> None:
        self._foreign = foreign
        self._repertoires: dict[int, Repertoire] = {}  # by number of threads
        self._templates: dict[tuple[int, Key], Template] = {}  # of what the native library does not repeat by itself
        self.usual: tuple[Options | None, Repertoire | None] = (None, None)

    def repertoire(self, chosen: Options) -> Repertoire | None:
        """What may know calls with these options by heart; None if they want more than to be made."""
        if nesting.depth():
            return None  # inside another call, and on one thread
        known = None
        if chosen.executor == "native" and chosen.timeout is None and not chosen.progress and is_had():
            threads = chosen.thread_count()
            if threads not in self._repertoires:
                self._repertoires.setdefault(threads, Repertoire())  # another thread's, where that was first
            known = self._repertoires[threads]
        self.usual = (chosen, known)
        return known

    def repeat(self, call: Call, chosen: Options) -> tuple[Any] | None:
        """The results of a call, in a tuple, by the template of an earlier one; None if there is none for it."""
        template = self._templates.get((call.threads, call.key))
        if template is None:
            return None
        return template.repeat(call.arguments, call.keywords, partial(carry_out, self._foreign, chosen, call.threads))

    def learn(self, call: Call, bound: Bound, plan: Plan, run: Any, learner: Repertoire | None) -> None:
        """Keep a call that was made, if it can be repeated; in `learner`, if the native library can do that."""
        if not isinstance(run, Rebasable) or not Template.fits(plan, bound):
            return
        template = Template(plan, run)
        if learner is not None:
            known = template.known(self._foreign, call.threads, call.arguments, call.keywords)
            if known is not None:
                learner.learn(known)
                return
        if len(self._templates) >= MOST_TEMPLATES:
            self._templates.clear()
        self._templates[call.threads, call.key] = template

    def __len__(self) -> int:
        """Calls that are kept."""
        return len(self._templates) + sum(map(len, self._repertoires.values()))
