"""Models that echo what they are given, each with a signature of its own."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.models import ModelSignature

ECHO = Path(__file__).parent / "echo"


def echo(target: Path, signature: ModelSignature | None, example: Mapping[str, Any]) -> Path:
    """An echo in `target` with this signature; `example` is a request body."""
    shutil.copytree(ECHO, target)
    mlmodel = {
        "flavors": {
            "python_function": {
                "code": "code",
                "env": {"virtualenv": "python_env.yaml"},
                "loader_module": "echo",
                "python_version": "3.11.7",
            }
        },
        "mlflow_version": "3.17.2",
        "saved_input_example_info": {"type": "json_object", "serving_input_path": "serving_input_example.json"},
        "signature": signature.to_dict() if signature is not None else None,
        "utc_time_created": "2026-11-23 00:00:00",
    }
    (target / "MLmodel").write_text(json.dumps(mlmodel))  # which is YAML too
    (target / "serving_input_example.json").write_text(json.dumps(example))
    return target
