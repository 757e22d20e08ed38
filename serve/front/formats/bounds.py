"""How much the data of one body may become. What a body is compressed or encoded to says little of that.

A column of numbers weighs its bytes, any other value `OBJECT_BYTES` more than its own, as it will in memory.
"""

from serve.errors import PayloadTooLarge

MOST_UNPACKED_BYTES = 256 * 2**20
OBJECT_BYTES = 64
PACKED_BYTES = 2**20  # what a body counts as at least where its length says nothing: it is not read in the event loop


def require(unpacked: float) -> None:
    """Refuse data that would take more than it may, before it is unpacked."""
    if unpacked > MOST_UNPACKED_BYTES:
        raise PayloadTooLarge(f"the body would unpack to more than the limit of {MOST_UNPACKED_BYTES} bytes")
