"""DVC's listing of the folder `models/` (its `.dir` object): bytes → the MD5 of each file by its path, or refused.

The listing comes from the remote, and DVC joins what stands in it to the paths where it writes, unlooked at. So it is
read here first, as strictly as models.dvc, and DVC sees none that was refused: paths stay below the folder of a model
that the pin names, MD5s are MD5s, and there are as many files as were pinned. Only the very bytes that DVC itself
would write of what was read are taken, so two readers can't make different things of them. Pure.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from serve.artifact.pin import Pin
from serve.errors import ListingRefused

Listing = Mapping[str, str]  # the MD5 in hex of each file, by its path below `models/`

_LEAST_BYTES, _BYTES_A_FILE = 64 * 1024, 1024
_MOST_BYTES = 64 * 2**20
_PATH_BYTES, _SEGMENT_BYTES, _SEGMENTS = 1024, 255, 32
_MD5 = re.compile(r"[0-9a-f]{32}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")  # controls, backslashes, halves of surrogate pairs


def most_bytes(pin: Pin) -> int:
    """How long the listing of so many files may be."""
    return min(_LEAST_BYTES + pin.files * _BYTES_A_FILE, _MOST_BYTES)


def parse(data: bytes, pin: Pin) -> Listing:
    """The listing in the bytes of the object that `pin` names; `ListingRefused` where it is none of its models."""
    _expect(len(data) <= most_bytes(pin), f"has {len(data)} bytes, and may have {most_bytes(pin)}")
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as error:
        told = f"DVC's listing is not JSON ({type(error).__name__})"
        raise ListingRefused(f"{told}: no promotion writes that, so have the model promoted again") from error
    _expect(isinstance(entries, list), "is no list")
    _expect(len(entries) == pin.files, f"names {len(entries)} files, where the pin says {pin.files}")
    names = {model.name for model in pin.models}
    found: dict[str, str] = {}
    for entry in entries:
        path, md5 = _entry(entry, names)
        _expect(path not in found, f"names {shown(path)} twice")
        found[path] = md5
    _require_tree(found)
    _expect(_as_dvc_writes(found) == data, "is written as DVC writes none")
    return found


def _entry(entry: Any, names: set[str]) -> tuple[str, str]:
    _expect(isinstance(entry, dict) and entry.keys() == {"md5", "relpath"}, "has an entry that is not md5 and relpath")
    path, md5 = entry["relpath"], entry["md5"]
    _expect(isinstance(md5, str) and _MD5.fullmatch(md5) is not None, "has an md5 that is not 32 hex digits")
    _expect(isinstance(path, str), "has a path that is no text")
    wrong = flaw(path)
    _expect(not wrong, f"has {shown(path)}, which {wrong}")
    model, _, below = path.partition("/")
    _expect(model in names and below != "", f"has {shown(path)}, which is in no model that the pin names")
    return path, md5


def flaw(path: str) -> str:
    """Why no file below `models/` may have this path, as what it does; '' where it may."""
    if _FORBIDDEN.search(path) is not None:
        return "has a character that no path may have: a backslash, a control character or none of UTF-8"
    if len(path.encode()) > _PATH_BYTES:
        return f"has over {_PATH_BYTES} bytes, with its folders"
    segments = path.split("/")
    plain = all(segment not in ("", ".", "..") and len(segment.encode()) <= _SEGMENT_BYTES for segment in segments)
    if not plain:
        return "is no plain path below a folder"
    return f"is over {_SEGMENTS} folders deep" if len(segments) > _SEGMENTS else ""


def _require_tree(found: Listing) -> None:
    """No file is a folder as well."""
    for path in found:
        at = path.find("/")
        while at >= 0:
            _expect(path[:at] not in found, f"has {shown(path[:at])} as a file and as a folder")
            at = path.find("/", at + 1)


def _as_dvc_writes(found: Listing) -> bytes:
    return json.dumps([{"md5": found[path], "relpath": path} for path in sorted(found)]).encode()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ListingRefused(f"DVC's listing {otherwise}: no promotion writes that, so have the model promoted again")


def shown(path: str) -> str:
    """Such a path in a message: short, and in printable characters."""
    return "'" + path[:80].encode("unicode_escape").decode()[:80] + "'"
