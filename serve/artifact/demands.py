"""What the operator asks of a model beside its digest: a signature that counts, no pickles, hashes of its packages."""

import asyncio
from dataclasses import replace

import structlog

from serve.artifact import formats, hashes, signed, snapshot
from serve.artifact.snapshot import Snapshot
from serve.artifact.trust import Trust
from serve.errors import FormatRefused

log = structlog.get_logger()

_MOST_NAMED = 5


async def met(one: Snapshot, trust: Trust) -> Snapshot:
    """The snapshot, which is on this machine, with the recipe that is to be built.

    `SignatureRefused`, `FormatRefused` or `HashesMissing` where it is not what is asked for.
    """
    if trust.signed:
        signer = await signed.require(one.folder, one.name, trust)
        log.info("signature verified", model=one.name, by=signer)
    if not trust.allow_pickle:
        await asyncio.to_thread(_require_no_pickle, one)
    if trust.require_hashes:
        hashed = await asyncio.to_thread(hashes.hashed, one.folder, one.name, one.recipe)
        return replace(one, recipe=hashed)
    return one


def _require_no_pickle(one: Snapshot) -> None:
    """Whatever its promotion recorded, by what is there."""
    found = formats.pickles(one.model_folder)
    if found:
        more = " and more" if len(found) > _MOST_NAMED else ""
        named = ", ".join(f"model/{path}" for path in found[:_MOST_NAMED]) + more
        safer = formats.safer(snapshot.mlmodel(one.model_folder))
        raise FormatRefused(f"model '{one.name}' holds pickles ({named}); log it without them: {safer}")
