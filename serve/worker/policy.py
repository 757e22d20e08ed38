"""Where a model may run, as the operator says. It imports nothing: settings are read by commands that must be quick."""

import enum


class EnvironmentPolicy(enum.StrEnum):
    """Where a model may run."""

    AUTO = "auto"
    ISOLATED = "isolated"
