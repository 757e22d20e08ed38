"""What can go wrong, by who must act.

    TrainError
      BadSetting       the caller must give another value         exit 2
      Diverged         the caller must choose a gentler recipe    exit 1
      NoTrialFinished  the same, for a whole sweep                exit 1
      StoreFailed      the MLflow store or server must be mended  exit 1

Each builds its one sentence from its fields; the command prints it and nothing else.
"""


class TrainError(Exception):
    """Something the person at the keyboard can act on."""

    exit_code = 1


class BadSetting(TrainError):
    """A value was given that no training can use."""

    exit_code = 2

    def __init__(self, name: str, value: object, rule: str) -> None:
        self.name, self.value, self.rule = name, value, rule
        super().__init__(f"--{name.replace('_', '-')} {value} cannot be used: {rule}.")


class Diverged(TrainError):
    """The loss stopped being a number; a model from such a run would answer nonsense."""

    def __init__(self, step: int, loss: float) -> None:
        self.step, self.loss = step, loss
        super().__init__(f"the loss became {loss} at step {step}: try a lower learning rate.")


class NoTrialFinished(TrainError):
    """Every trial of a sweep diverged."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        super().__init__(f"none of the {trials} trials finished: every one diverged.")


class StoreFailed(TrainError):
    """The MLflow tracking store did not do what was asked of it."""

    def __init__(self, uri: str, reason: str) -> None:
        self.uri, self.reason = uri, reason
        super().__init__(f"the MLflow store {uri} failed: {reason}")
