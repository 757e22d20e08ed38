"""The networks, in plain torch.

Comes in: a dataset (for its shapes and, for tumours, its scale) and the hyper-parameters. Goes out: a
module from raw inputs to logits [rows, classes]. Scaling is part of the module, as buffers, so no caller
can forget it; no layer mixes rows, so an answer never depends on its neighbours in the batch.
Everything stays on the CPU: the exported graph must load on machines without an accelerator.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from train.data import Dataset, Inputs
from train.settings import DatasetName, Hyperparameters


class DigitsNetwork(nn.Module):
    """A small convolutional network: float32 [rows, 8, 8], pixels from 0 to 16 → logits [rows, 10]."""

    brightest = 16.0

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * 4 * 4, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers((images / self.brightest).unsqueeze(1))
        return logits


class TumoursNetwork(nn.Module):
    """Two hidden layers over standardised columns: float64 [rows, columns] → logits [rows, 2].

    `mean` and `std` come from the training rows alone and travel with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, hidden: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.layers = nn.Sequential(
            nn.Linear(len(mean), hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 2),
        )

    def forward(self, measurements: Tensor) -> Tensor:
        scaled = ((measurements - self.mean) / self.std).to(torch.float32)
        logits: Tensor = self.layers(scaled)
        return logits


class Scored(nn.Module):
    """What is released: the network in evaluation mode, with logits turned into scores that sum to 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.softmax(self.network(inputs), dim=-1)


def build(dataset: Dataset, hyperparameters: Hyperparameters) -> nn.Module:
    """A fresh network; its weights come from torch's global generator, which the caller has seeded."""
    hidden, dropout = hyperparameters.hidden, hyperparameters.dropout
    if dataset.name is DatasetName.DIGITS:
        return DigitsNetwork(hidden, dropout)
    rows = torch.from_numpy(dataset.train.inputs)
    return TumoursNetwork(rows.mean(0), rows.std(0, correction=0), hidden, dropout)


def export(network: Scored, example: Inputs, columns: tuple[str, ...], path: Path) -> None:
    """Write the graph as a pt2 archive, free in the number of rows, with its column names inside.

    The archive needs torch alone to load: no class of ours, no pickle.
    """
    rows = torch.from_numpy(example)
    program = torch.export.export(network, (rows,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    _forget_where(program)
    torch.export.save(program, path, extra_files={"columns.json": json.dumps(columns)})


def forget_where(archive: Path) -> None:
    """Rewrite a pt2 archive without the paths of the source files it was traced from."""
    program = torch.export.load(archive)
    _forget_where(program)
    torch.export.save(program, archive)


def _forget_where(program: torch.export.ExportedProgram) -> None:
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
