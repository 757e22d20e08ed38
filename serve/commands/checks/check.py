"""One thing that was looked at, as data."""

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """Whether it is as it should be; `NOTE` keeps nothing from serving."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, what was found, and how to mend it ('' where there is nothing to mend)."""

    name: str
    verdict: Verdict
    told: str
    mend: str = ""


def good(name: str, told: str) -> Check:
    """It is as it should be."""
    return Check(name, Verdict.GOOD, told)


def note(name: str, told: str, mend: str) -> Check:
    """It will do, and could be better."""
    return Check(name, Verdict.NOTE, told, mend)


def bad(name: str, told: str, mend: str) -> Check:
    """It would keep the server from serving."""
    return Check(name, Verdict.BAD, told, mend)
