"""The size of an image, layer by layer, with what made each: `docker save pinion | python3 deploy/image/sizes.py`.

Reads what `docker save`, or `buildah push pinion docker-archive:FILE`, writes, from a file or from stdin. Sizes are
of what is unpacked, in MiB; layers below 0.1 MiB are added up.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from typing import IO, Any

_MIB = 2**20


def layers(archive: IO[bytes]) -> list[tuple[str, int]]:
    """(what made it, bytes unpacked) for each layer, the lowest first."""
    sizes, documents = dict[str, int](), dict[str, Any]()
    with tarfile.open(fileobj=archive, mode="r|*") as outer:
        for member in outer:
            file = outer.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if member.name.endswith(".json") or member.size < 64 * 1024:
                documents[member.name] = _document(file.read())
            if not member.name.endswith(".json"):
                sizes[member.name] = member.size
    manifest = documents["manifest.json"][0]
    made = [one["created_by"] for one in documents[manifest["Config"]]["history"] if not one.get("empty_layer")]
    return [(_short(by), sizes[name]) for by, name in zip(made, manifest["Layers"], strict=True)]


def _document(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _short(made: str) -> str:
    words = [word for word in made.replace("/bin/sh -c", "").split() if word not in ("#(nop)", "RUN")]
    return re.sub(r"(?:dir|file|multi):[0-9a-f]+ in ", "", " ".join(words))[:72] or "the base"


def lines(found: list[tuple[str, int]]) -> Iterator[str]:
    """A table, the whole below."""
    small = sum(size for _, size in found if size < _MIB / 10)
    for made, size in found:
        if size >= _MIB / 10:
            yield f"{size / _MIB:9.1f} MiB  {made}"
    yield f"{small / _MIB:9.1f} MiB  all others"
    yield f"{sum(size for _, size in found) / _MIB:9.1f} MiB  in all"


if __name__ == "__main__":
    source = open(sys.argv[1], "rb") if len(sys.argv) > 1 else sys.stdin.buffer  # noqa: SIM115  # to the end of the process
    sys.stdout.write("\n".join(lines(layers(source))) + "\n")
