"""chacha20 from libsodium: a stream that can be cut at multiples of 64 bytes, if the counter goes on."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyffipar as pf

Array = np.ndarray[Any, np.dtype[Any]]

PROTOTYPE = """int crypto_stream_chacha20_xor_ic(unsigned char c[mlen], const unsigned char m[mlen],
    unsigned long long mlen, const unsigned char n[8], uint64_t ic, const unsigned char k[32]) linear(ic : 1/64)"""
CLAUSES = "chunk(step = 64) status(0)"
KEY = np.arange(32, dtype=np.uint8)
NONCE = np.arange(100, 108, dtype=np.uint8)
unhurried = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sodium(need: Any) -> pf.Library:
    library: pf.Library = need("sodium", "libsodium-dev", f"{PROTOTYPE} {CLAUSES} init(sodium_init);")
    return library


def whole(library: pf.Library, message: Array, counter: int) -> bytes:
    """The library itself, everything in one call."""
    function = ctypes.CDLL(library.path).crypto_stream_chacha20_xor_ic
    function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulonglong, ctypes.c_char_p, ctypes.c_uint64,
                         ctypes.c_char_p]  # fmt: skip
    cipher = ctypes.create_string_buffer(max(1, message.size))
    assert function(cipher, message.tobytes(), message.size, NONCE.tobytes(), counter, KEY.tobytes()) == 0
    return cipher.raw[: message.size]


@given(size=st.integers(0, 2000), counter=st.integers(0, (1 << 40)), blocks=st.integers(1, 5))
@unhurried
def test_one_stream_cut_anywhere(
    sodium: pf.Library, everywhere: dict[str, Any], size: int, counter: int, blocks: int
) -> None:
    message = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    cut = pf.load(sodium.path, f"{PROTOTYPE} chunk(step = 64, max = {64 * blocks}) status(0);")
    cipher = cut.crypto_stream_chacha20_xor_ic(message, NONCE, counter, KEY)
    assert cipher.tobytes() == whole(sodium, message, counter)
    assert cut.crypto_stream_chacha20_xor_ic(cipher, NONCE, counter, KEY).tolist() == message.tolist()


def test_many_chunks_in_place(sodium: pf.Library, everywhere: dict[str, Any]) -> None:
    message = np.random.default_rng(1).integers(0, 256, 3_000_017, np.uint8)
    expected = whole(sodium, message, 5)
    assert sodium.crypto_stream_chacha20_xor_ic(message, NONCE, 5, KEY).tobytes() == expected
    rows = sodium.crypto_stream_chacha20_xor_ic(message[:900].reshape(3, 300), NONCE, np.array([5, 6, 7], "u8"), KEY)
    assert rows[1].tobytes() == whole(sodium, message[300:600], 6)


def test_a_cut_between_blocks_is_demanded(sodium: pf.Library) -> None:
    with pytest.raises(pf.PrototypeError) as caught:
        pf.load(sodium.path, f"{PROTOTYPE} status(0);")
    assert str(caught.value) == (
        "crypto_stream_chacha20_xor_ic: linear: ic advances by 1/64, so chunks begin at multiples of 64: "
        "say chunk(step = 64)\n"
        "  line 2: ], uint64_t ic, const unsigned char k[32]) linear(ic : 1/64) status(0);\n"
        "                                                            ^"
    )


def test_a_counter_that_would_wrap_is_refused(sodium: pf.Library, everywhere: dict[str, Any]) -> None:
    message = np.zeros(1 << 20, np.uint8)
    with pytest.raises(OverflowError) as caught:
        sodium.crypto_stream_chacha20_xor_ic(message, NONCE, (1 << 64) - 100, KEY)
    assert str(caught.value) == (
        "crypto_stream_chacha20_xor_ic: ic advances by 16128 until the last chunk and does not fit uint64_t then"
    )


def test_a_key_of_another_length_is_refused(sodium: pf.Library) -> None:
    with pytest.raises(ValueError, match=r"^crypto_stream_chacha20_xor_ic: k") as caught:
        sodium.crypto_stream_chacha20_xor_ic(np.zeros(10, np.uint8), NONCE, 0, KEY[:31])
    assert str(caught.value) == "crypto_stream_chacha20_xor_ic: k has shape (31,), k[32] wants (32,)"
