"""What `serve doctor` looks at: each check is data, with a verdict and how to mend what is wrong.

A check that fails keeps none after it from being made, but for those that need what it looked for.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from serve import app as composition
from serve.commands import given
from serve.commands.checks import machine, models, repository
from serve.commands.checks.check import Check, Verdict, bad, good

__all__ = ["Check", "Verdict", "every"]


def every(repo: Path | None) -> Iterator[Check]:
    """All checks, as they are made."""
    yield from machine.programs()
    try:
        settings = given.read_settings(repo)
    except given.WrongSettings as error:
        yield bad("settings", str(error), "see docs/settings.md; a variable that is unset has its default")
        return
    yield good("settings", "valid")
    yield from machine.ports(settings)
    yield from machine.files(settings)
    yield from machine.granted(settings)
    yield from machine.state(settings)
    yield from machine.recording(settings)
    yield from machine.resources(settings)
    yield asyncio.run(machine.sandbox(settings))
    pin, found = repository.readable(settings.repo)
    yield from found
    if pin is not None:
        yield from repository.default(settings.rollout.default_model, pin)
        yield from repository.committed(settings.repo, pin)
        yield from repository.verified(settings.repo, pin, composition.make_trust(settings))
        yield from asyncio.run(models.obtainable(settings, pin))
