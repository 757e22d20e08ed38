"""Inputs that are almost right: seeds, mutated without knowing what they are. The same seed number, the same inputs."""

import random
from collections.abc import Iterator, Sequence

_MOST_BYTES = 4096
_NUMBERS = (b"-1", b"0", b"1e400", b"NaN", b"9223372036854775808", b"-0.0", b"1" * 40, b"\xff\xff\xff\xff", b"\0\0\0\0")


def inputs(seeds: Sequence[bytes], words: Sequence[bytes], number: int, count: int) -> Iterator[bytes]:
    """`count` of them; `words` are what the format is made of."""
    rng = random.Random(number)
    pool = [*seeds, b""]
    for _ in range(count):
        data = rng.choice(pool)
        for _ in range(1 << rng.randrange(4)):
            data = rng.choice(_WAYS)(data, pool, words, rng)[:_MOST_BYTES]
        if rng.random() < 0.01:  # some go on from where others have come
            pool[rng.randrange(len(seeds), len(pool)) if len(pool) > 200 else len(pool) :] = [data]
        yield data


def _flip(data: bytes, _: Sequence[bytes], __: Sequence[bytes], rng: random.Random) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _write(data: bytes, _: Sequence[bytes], words: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(words) + data[at + rng.choice((0, 0, 1, 4)) :]


def _number(data: bytes, pool: Sequence[bytes], _: Sequence[bytes], rng: random.Random) -> bytes:
    return _write(data, pool, _NUMBERS, rng)


def _noise(data: bytes, _: Sequence[bytes], __: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]


def _cut(data: bytes, _: Sequence[bytes], __: Sequence[bytes], rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 17) :]


def _end(data: bytes, _: Sequence[bytes], __: Sequence[bytes], rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(data: bytes, _: Sequence[bytes], __: Sequence[bytes], rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.randrange(1, 33))
    return data[:start] + data[start:end] * rng.choice((2, 3, 100)) + data[end:]


def _splice(data: bytes, pool: Sequence[bytes], _: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(pool)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


_WAYS = (_flip, _write, _write, _number, _noise, _cut, _end, _repeat, _splice)
