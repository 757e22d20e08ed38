"""How deeply the lists and objects of a JSON body are nested, found before it is parsed. Pure.

What is deep takes the stack of all who walk through it: orjson reads 1024 levels and writes 254, and no signature asks
for more than a few. A body with few brackets is not looked into. Where one is no JSON at all, its parser says so.
"""

import numpy as np

from serve.errors import TooDeep

MOST = 64

_BLOCK_BYTES = 2**16  # which stay in the processor's cache, and take no memory to speak of
_QUOTE = ord('"')
_CASE = 0x20  # the bit in which [ and { differ, and ] and }
_OPEN, _CLOSE = ord("{"), ord("}")


def require_shallow(body: bytes) -> None:
    """`TooDeep` where more than `MOST` lists and objects are open at once."""
    if body.count(b"[") + body.count(b"{") <= MOST:
        return
    if b"\\" in body:  # in strings only: no quote is left in one
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    depth, quotes = 0, 0
    for start in range(0, len(body), _BLOCK_BYTES):
        block = np.frombuffer(body, np.uint8, min(_BLOCK_BYTES, len(body) - start), start)
        folded = block | _CASE
        steps = (folded == _OPEN).view(np.int8) - (folded == _CLOSE).view(np.int8)
        marks = np.flatnonzero((steps != 0) | (block == _QUOTE))
        steps, quoted = steps[marks], (block[marks] == _QUOTE).cumsum() + quotes
        depths = (steps * (1 - (quoted & 1))).cumsum() + depth
        if depths.size:
            depth, quotes = int(depths[-1]), int(quoted[-1]) & 1
            if depths.max() > MOST:
                raise TooDeep(MOST)
