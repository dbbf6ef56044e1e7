"""What workers of other pools are sent: a function to call, an order and a piece; and what they send back."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..plans.parcels import Mould, Order, Parcel, fresh, open_parcel, over, reduced, written_arrays
from ..plans.plan import Argument
from ..system.addresses import CACHE_LINE, address_of
from ..watching import Watch
from .serving import Report, make_calls, picklable

Array = np.ndarray[Any, np.dtype[Any]]
Place: TypeAlias = "Array | None"  # what an array holds, as far as that matters

_MOST_ORDERS = 8  # that a worker remembers: as many calls of different threads it serves by turns

_orders: OrderedDict[bytes, tuple[Order, dict[int, Array]]] = OrderedDict()


class Result(NamedTuple):
    """What came of a piece: how its calls went, and all that they have written."""

    report: Report
    written: tuple[Array, ...] = ()
    error: BaseException | None = None  # why there were none


def lay(_: Argument, array: Array, mould: Mould, content: bool) -> tuple[Mould, Place]:  # noqa: FBT001 - a `Lay`
    """Send what an array holds beside the piece."""
    return mould, np.asarray(reduced(array), order="C") if content else None


def packed(value: Order | Parcel | Result) -> bytes:
    """As it is sent: pools choose older protocols, in which arrays lose their byte order."""
    return pickle.dumps(value, protocol=5)


def unpacked(data: bytes) -> Any:
    """What was sent."""
    return pickle.loads(data)  # noqa: S301 - no more trusted than the pool, which has pickled its calls itself


def perform(key: bytes, order: bytes, parcel: bytes) -> bytes:
    """Make the calls of a piece.

    Parameters
    ----------
    key : bytes
        Of the order: who has seen it need not read it again.
    order, parcel : bytes
        Packed.

    Returns
    -------
    bytes
        A `Result`, packed.
    """
    try:
        return packed(_performed(key, order, unpacked(parcel)))
    except Exception as error:  # noqa: BLE001 - what the pool itself raises, is another matter
        return packed(Result(Report(), (), picklable(error)))


def _performed(key: bytes, data: bytes, parcel: Parcel) -> Result:
    order, wholes = _order(key, data)
    plan = open_parcel(order, parcel, _found, wholes)
    with Watch(plan) as watch, order.foreign.companions.private_handles(plan, 1) as handles:
        report = make_calls(order, plan, handles, watch)
    if report.failures:
        return Result(report)
    return Result(report, tuple(np.asarray(reduced(array), order="C") for _, array in written_arrays(plan)))


def _order(key: bytes, data: bytes) -> tuple[Order, dict[int, Array]]:
    """The order and its arrays; threads of one process may ask at once."""
    known = _orders.get(key)
    if known is None:
        order: Order = unpacked(data)
        wholes = {
            number: _found(part.place, part.mould, False)  # noqa: FBT003 - a `Find`
            for number, part in order.wholes.items()
            if part.mould is not None
        }
        known = _orders[key] = order, wholes
        while len(_orders) > _MOST_ORDERS:
            _orders.popitem(last=False)
    return known


def _found(place: Place, mould: Mould, written: bool) -> Array:  # noqa: FBT001 - a `Find`
    """An array as it came, if it lies as it has to, and can be written; some come read-only, others misaligned."""
    if place is None:
        return fresh(mould)
    if place.flags.writeable >= written and address_of(place) % CACHE_LINE == mould.phase and mould.describes(place):
        return over(place, 0, mould)
    array = fresh(mould)
    np.copyto(reduced(array), place)
    return array
