"""A verified snapshot must also be what someone trusted has signed: in the very folder it is loaded from.

What the signature says is compared with the files here; that it is by one of the operator's keys or certificates,
sigstore's library says, in a process of its own (`attest`).
"""

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from serve import files, program
from serve.artifact import statement
from serve.artifact.trust import Trust
from serve.artifact.verify import manifest
from serve.errors import SignatureMissing, SignerUnknown

_SECONDS = 600.0  # it hashes the model once more


async def require(folder: Path, model: str, trust: Trust) -> str:
    """Whose signature the model in `folder` bears: the file of the key, or of the authorities.

    `SignatureRefused` where it bears none that counts, each reason by its own class.
    """
    path = folder / statement.FILENAME
    said = statement.read(await asyncio.to_thread(_content, path, model), model)
    statement.require(said, model, await asyncio.to_thread(manifest, folder))
    kind, trusted = ("certificate", trust.certificates) if said.by_certificate else ("key", trust.keys)
    if not trusted:
        raise SignerUnknown(model, f"is signed with a {kind}, and trust.{kind}s names none")
    code, out, err = await _attest((str(folder), str(path), kind, *map(str, trusted)))
    if code != 0:
        raise SignerUnknown(model, f"bears the signature of none of trust.{kind}s: {_in_one_line(err)}")
    return out


def _content(path: Path, model: str) -> bytes:
    """A byte more than it may have, at most."""
    try:
        return files.head(path, statement.MAX_BYTES + 1)
    except FileNotFoundError:
        raise SignatureMissing(model) from None


async def _attest(arguments: Sequence[str]) -> tuple[int | None, str, str]:
    # -P: where the server was started is nothing to import from.
    command = (sys.executable, "-P", "-m", "serve.artifact.attest", *arguments)
    try:
        async with asyncio.timeout(_SECONDS), program.started(command) as process:
            out, err = await process.communicate()
    except TimeoutError:
        return None, "", f"it was not told within {_SECONDS:g} seconds"
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def _in_one_line(stderr: str) -> str:
    lines = [re.sub(r"\s+", " ", line).strip() for line in stderr.splitlines()]
    return " · ".join(line for line in lines if line)[-400:] or "it gave no reason"
