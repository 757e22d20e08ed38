"""How long to wait before a dead worker is replaced: longer each time one dies that had answered nothing."""

_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 30.0
_MOST_DOUBLED = 20
_HOPELESS = 3


class Backoff:
    """The pauses of a model's workers, which share them: a model that ends each of its workers ends them all."""

    def __init__(self) -> None:
        self._in_vain = 0  # workers that died, or could not be started, since one last answered

    def answered(self) -> None:
        """The model is fine: it answered."""
        self._in_vain = 0

    def failed(self) -> float:
        """A worker died or can't be started → the seconds to wait."""
        self._in_vain += 1
        return min(_FIRST_SECONDS * 2.0 ** min(self._in_vain - 1, _MOST_DOUBLED), _LONGEST_SECONDS)

    @property
    def hopeless(self) -> bool:
        """Whether that happened so often that nobody should wait for the next worker."""
        return self._in_vain >= _HOPELESS
