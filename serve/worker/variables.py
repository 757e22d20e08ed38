"""The environment variables that a model's process sees."""

import os
from pathlib import Path

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES", "MLFLOW_DEFAULT_PREDICTION_DEVICE")


def child_environment(place: Path, threads: int, device: str = "") -> dict[str, str]:
    """All a model's process sees of the environment: no credentials, a home of its own, its threads, its device."""
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        **kept,
        **_visible(device, os.environ.get("CUDA_VISIBLE_DEVICES", "")),
        **dict.fromkeys(pools, str(threads)),
        # Threads of OpenMP spin where they wait, on cores that others need: not at all, and a model of many small
        # steps takes twice as long; as long as they do by themselves, and the server waits. So long is enough.
        "GOMP_SPINCOUNT": "10000",
        # glibc gives large buffers back to the system at once, and each batch would fault its pages in anew: a third
        # of the time of a convolutional net. Here it keeps up to 256 MiB of them.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
        "HOME": str(place),
        "TMPDIR": str(place),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "HF_HUB_OFFLINE": "1",
        "_MLFLOW_IS_IN_SERVING_ENVIRONMENT": "true",
    }


def _visible(device: str, ours: str) -> dict[str, str]:
    """The variable that shows a process one device and no other: every library obeys it, and MLflow then takes it."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return {"CUDA_VISIBLE_DEVICES": ""}
    if not number:
        return {}
    visible = [one for one in ours.split(",") if one]  # our own may be a choice already
    at = int(number)
    return {"CUDA_VISIBLE_DEVICES": visible[at] if at < len(visible) else number}
