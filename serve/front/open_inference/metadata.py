"""What the protocol tells of the server and of a live model. Pure."""

from collections.abc import Sequence
from typing import Any

from serve.front.open_inference.datatypes import Described, described
from serve.rollout import Deployed, Lineage

NAME = "pinion"
PLATFORM = "mlflow_pyfunc"
EXTENSIONS = ("binary_tensor_data", "parameters")


def server(version: str) -> dict[str, Any]:
    """The server."""
    return {"name": NAME, "version": version, "extensions": list(EXTENSIONS)}


def model(deployed: Deployed) -> dict[str, Any]:
    """A live model: its version is its digest's beginning, which answers name too; git's word is in `properties`."""
    signature = deployed.snapshot.signature
    return {
        "name": deployed.snapshot.name,
        "versions": [deployed.versions[0]],
        "platform": PLATFORM,
        "inputs": _tensors(described(signature.columns or signature.tensors, "input")),
        "outputs": _tensors(described(signature.outputs, "output")),
        "properties": {
            "digest": deployed.snapshot.digest,
            "revision": deployed.revision,
            "run": deployed.snapshot.promotion.run,
        },
    }


def version(lineage: Lineage) -> str:
    """The version of the model that answered, as in `model`."""
    return dict(lineage)["x-model-digest"].removeprefix("sha256:")[:12]


def _tensors(found: Sequence[Described]) -> list[dict[str, Any]]:
    return [_tensor(one) for one in found]


def _tensor(one: Described) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
    return tensor if one.content_type is None else {**tensor, "parameters": {"content_type": one.content_type}}
