"""What is found wrong while inputs are read, gathered so that a caller learns of all of it at once. Pure.

A flaw is `hopeless` where no version of MLflow would take the value either; the others are refused only where
this server reads strictly, and left to MLflow's own verdict where it reads as MLflow does.
"""

from serve.errors import Flaw, InvalidInputs


class Hopeless(InvalidInputs):
    """Inputs that MLflow's scoring server would refuse as well."""


class Flaws:
    """The flaws found so far; those beyond the bound are not kept."""

    def __init__(self) -> None:
        self._found: list[Flaw] = []
        self._hopeless = False

    def add(self, place: str, told: str, *, hopeless: bool = False) -> None:
        """Note that the value at `place` is wrong; `told` goes on after the place: 'is null; …'."""
        self._hopeless = self._hopeless or hopeless
        if len(self._found) < InvalidInputs.MOST_FLAWS:
            self._found.append(Flaw(place, f"{place} {told}"))

    @property
    def full(self) -> bool:
        """Whether no more are kept."""
        return len(self._found) >= InvalidInputs.MOST_FLAWS

    def refuse(self) -> None:
        """Raise what was found, if anything."""
        if self._found:
            raise (Hopeless if self._hopeless else InvalidInputs)("", flaws=self._found)
