"""The lab journal: the only part of training that knows MLflow.

`store` finds and opens the tracking store, `journal` writes one run from the loop's events, `released`
builds the model folder with its recipe, `source` says which commit trained, `figure` draws. MLflow reads
these settings once, when it is first imported, so they are set here, before any of the modules below;
what the person has set already stays.
"""

import os

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # INFO lines tell of ordinary things (an experiment created, a table upgraded); warnings stay.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # stdout holds the summary alone
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # a uv.lock that happens to lie in the working folder must not replace the recorded recipe
    "MLFLOW_UV_AUTO_DETECT": "false",
    # one `git` call of ours says the commit; MLflow's own GitPython warns where there is no git
    "GIT_PYTHON_REFRESH": "quiet",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
