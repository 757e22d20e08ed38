"""Whether a file is a pickle that could run something: read as the pickle machine would, without running anything.

Of protocol 2 and later the first bytes tell. Protocols 0 and 1 have no mark of their own, so the opcodes are followed
and the stack is watched: what breaks its rules, or ends, before anything is imported and called, can run nothing.
What goes on past the bound without that counts as a pickle. Only reads.
"""

import io
import pickle
import pickletools
import re
from typing import IO

_MOST_BYTES = 16 * 2**20
_MOST_SKIPPED = 2**30
_MOST_OPCODES = 200_000
_MARK = pickletools.markobject
_ENDS = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "STOP"})  # all but the last are calls
_IMPORTED = re.compile(r"[^\W\d][\w.]* [^\W\d][\w.]*")  # 'module name', as these opcodes say it
_TENSORS = re.compile(
    r"torch\._utils _rebuild_(tensor_v2|parameter)|torch [A-Z][A-Za-z]*Storage|collections OrderedDict"
)
_OTHER_WAYS = frozenset({"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"})
_OPCODES = frozenset(opcode.code for opcode in pickletools.opcodes)


class _Beyond(Exception):
    """More is asked for than is looked at."""


class _Bounded:
    """The first bytes of a file; asked for more where there is more, it raises `_Beyond`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, _MOST_BYTES

    def read(self, size: int) -> bytes:
        if size > self._left and not _has(self._file, size):
            return b""
        return self._taken(self._file.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._taken(self._file.readline(self._left + 1))

    def _taken(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise _Beyond
        return data


def _has(file: IO[bytes], size: int) -> bool:
    """Whether so many bytes are left, or as many as are worth unpacking to find out."""
    at = file.tell()
    try:
        file.seek(min(size, _MOST_SKIPPED) - 1, io.SEEK_CUR)
        return bool(file.read(1))
    finally:
        file.seek(at)


def is_pickle(file: IO[bytes]) -> bool:
    """Whether unpickling the file, from its beginning, could run what it names."""
    head = file.read(3)
    file.seek(0)
    if head[:1] == b"\x80":
        return len(head) == 3 and head[1] <= pickle.HIGHEST_PROTOCOL and chr(head[2]) in _OPCODES
    try:
        return _runs(_Bounded(file))
    except _Beyond:
        return True
    except (ValueError, UnicodeError, OverflowError):  # an opcode or its argument is none
        return False


def holds_tensors_alone(data: bytes) -> bool:
    """Whether the pickle is one that torch writes of tensors, and its restricted reader takes."""
    try:
        return all(_of_tensors(opcode.name, argument) for opcode, argument, _ in pickletools.genops(data))
    except (ValueError, UnicodeError, OverflowError):
        return False


def _of_tensors(opcode: str, argument: object) -> bool:
    if opcode == "GLOBAL":
        return _TENSORS.fullmatch(str(argument)) is not None
    return opcode not in _OTHER_WAYS


def _runs(file: _Bounded) -> bool:
    """Whether it imports something, and then calls or is done, before a rule is broken."""
    stack: list[object] = []
    imports = False
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]  # it only reads
        named = opcode.name in ("GLOBAL", "INST")
        if (named and not _IMPORTED.fullmatch(str(argument))) or not _moved(stack, opcode):
            return False
        imports = imports or named or opcode.name == "STACK_GLOBAL"
        if opcode.name in _ENDS:
            return imports
        if count > _MOST_OPCODES:
            return True
    return False


def _moved(stack: list[object], opcode: pickletools.OpcodeInfo) -> bool:
    """The stack as the opcode leaves it; False where it can't take what it needs."""
    takes = list(opcode.stack_before)
    if _MARK in takes:
        at = takes.index(_MARK)
        if not _cut(stack):
            return False
        takes = takes[:at]
    elif opcode.name == "POP" and stack and stack[-1] is _MARK:
        stack.pop()
        return True
    if len(stack) < len(takes) or any(one is _MARK for one in stack[len(stack) - len(takes) :]):
        return False
    del stack[len(stack) - len(takes) :]
    stack += opcode.stack_after
    return True


def _cut(stack: list[object]) -> bool:
    """Take the topmost mark and what lies on it; False where there is none."""
    while stack:
        if stack.pop() is _MARK:
            return True
    return False
