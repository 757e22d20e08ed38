"""Settings of the work: how requests wait and are batched, and the models' processes."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from serve.settings.group import AbsolutePath, Group
from serve.worker.confinement import SandboxPolicy
from serve.worker.policy import EnvironmentPolicy


class BatchSettings(Group):
    """Waiting and batching."""

    max_rows: PositiveInt = 256
    """Most rows in one batch, where the model's own cost by size, which is measured, does not ask for fewer."""
    max_seconds: PositiveFloat | None = None
    """How long a batch may take the model, by what was measured; without it, whatever gives the most rows a second."""
    max_waiting_rows: PositiveInt = 100_000
    """Most rows waiting for a model's workers; more are refused with 429."""
    max_waiting_seconds: PositiveFloat | None = None
    """How long a request may wait for a worker; one that would wait longer, by what was measured, is refused with 429
    at once. Without it, three quarters of the time that the request has."""


class WorkerSettings(Group):
    """The model's processes."""

    count: PositiveInt = 1
    """Workers for each model."""
    threads: NonNegativeInt = 0
    """Threads a worker may compute with; 0 shares the cores that the server may use, by its affinity and its
    control group, among a model's workers."""
    devices: tuple[Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")], ...] = ()
    """Devices that workers take in turn, as in ["cuda:0", "cuda:1"], or ["cpu"]; none: MLflow chooses."""
    environment: EnvironmentPolicy = EnvironmentPolicy.AUTO
    """auto: the server's own environment where it satisfies the recipe exactly, else one of its own; or isolated."""
    load_timeout_seconds: PositiveFloat = 120.0
    """How long a model may take to load."""
    predict_timeout_seconds: PositiveFloat | None = None
    """How long a batch may take the model; past it the worker is stuck and replaced, and the batch's requests are tried
    once more, each alone. Where it is not said, half of http.request_timeout_seconds."""
    heartbeat_seconds: PositiveFloat = 2.0
    """How often an idle worker is asked whether it is there; silent for as long again, it is replaced."""
    max_memory_bytes: PositiveInt | None = None
    """Memory past which a worker is replaced, by one that loads before it leaves: there must be room for both."""
    max_answer_bytes: PositiveInt = 256 * 2**20
    """Largest answer of a model; the request of a larger one fails."""
    build_timeout_seconds: PositiveFloat = 1800.0
    """How long making an environment may take."""
    build_from_source: bool = False
    """Whether packages may be built from source, which runs what their authors wrote as they are installed. Without it
    environments are made of wheels alone."""
    sandbox: SandboxPolicy = SandboxPolicy.AUTO
    """auto: a model's process is confined as far as the kernel can, and the log and /models say what it can't;
    required: a release fails where the kernel has no Landlock or no seccomp; off: it may do what the server's user
    may."""
    network: bool = False
    """Whether models may use the network, and the machine's sockets."""
    readable: tuple[AbsolutePath, ...] = ()
    """Files and folders that models may read beside their own, as in ["/srv/vocabulary"]."""
    writable: tuple[AbsolutePath, ...] = ()
    """Files and folders that models may read and write beside their scratch folder."""
