"""Structs in Thrift's compact protocol → dicts by field number. Pure.

Source of the format: apache/thrift, doc/specs/thrift-compact-protocol.md. Bytes are skipped unless asked for, maps
refused: what is read here has none. Whatever the data, no more is made than it has bytes.
"""

import struct
from typing import Any

_DEEPEST = 16
_TRUE, _FALSE, _DOUBLE, _BYTES, _LIST, _SET, _STRUCT = 1, 2, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)


class Reader:
    """Reads from `at` on, and moves it; raises ValueError or struct.error where there is no such thing."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at = data, at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The values of a struct; None for those that are skipped."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._integer()
            type_ = head & 0x0F
            fields[number] = type_ == _TRUE if type_ in (_TRUE, _FALSE) else self._value(type_, depth)
        return fields

    def _value(self, type_: int, depth: int) -> Any:
        if type_ in _INTEGERS:
            return self._integer()
        if type_ == _STRUCT:
            return self.struct(depth + 1)
        if type_ in (_LIST, _SET):
            return self._list(depth)
        if type_ == _BYTES:
            return self._skip(self._varint())
        if type_ == _DOUBLE:
            return self._skip(8)
        return self._skip(1) if type_ in (_TRUE, _FALSE, 3) else self._refuse()

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._varint()
        if count > len(self._data) - self.at:
            raise ValueError("a list of more items than there are bytes")
        return [self._value(head & 0x0F, depth + 1) for _ in range(count)]

    def _skip(self, count: int) -> None:
        self.at += count

    def _refuse(self) -> None:
        raise ValueError("no such type")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("an integer of more than 64 bits")

    def _byte(self) -> int:
        (byte,) = struct.unpack_from("<B", self._data, self.at)
        self.at += 1
        return int(byte)
