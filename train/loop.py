"""The training loop: a dataset and hyper-parameters go in, events come out.

One `Step` per optimisation step, one `Epoch` per pass over the rows, one `Fitted` at the end, which holds
the network. The loop prints nothing, stores nothing and knows no MLflow; whoever iterates it decides what
to keep. It owns two things of torch's that are global: the random generator, which it seeds (so two loops
must not be iterated in turns), and the number of threads.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from train.data import Dataset, Split
from train.errors import Diverged
from train.model import Scored, build
from train.settings import Hyperparameters


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a network does on one split. `confusion[actual, predicted]` counts rows."""

    loss: float
    confusion: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of rows whose highest logit is the right class."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def f1(self) -> float:
        """Macro F1: the plain mean over classes of 2·TP / (2·TP + FP + FN), 0 for a class never met."""
        hits = np.diag(self.confusion)
        met = self.confusion.sum(0) + self.confusion.sum(1)
        return float(np.mean(2 * hits / np.maximum(met, 1)))


@dataclass(frozen=True, slots=True)
class Step:
    """One optimisation step was taken; `step` counts from 1 over the whole run."""

    step: int
    epoch: int
    loss: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training rows ended after `step`; `train_loss` is the mean over its rows."""

    epoch: int
    step: int
    train_loss: float
    validation: Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Training is over: the network as released, after the last step, and how it does on test rows."""

    step: int
    network: Scored
    test: Evaluation


Event = Step | Epoch | Fitted


def steps_per_epoch(dataset: Dataset, hyperparameters: Hyperparameters) -> int:
    """How many `Step` events each epoch will yield; the last batch may be short."""
    return math.ceil(len(dataset.train.labels) / hyperparameters.batch_size)


def fit(dataset: Dataset, hyperparameters: Hyperparameters) -> Iterator[Event]:
    """Train, yielding what happens. Raises Diverged as soon as the loss is not a number."""
    torch.set_num_threads(1)  # sums are made in one order, whatever the number of cores; no slower here
    torch.manual_seed(hyperparameters.seed)
    network = build(dataset, hyperparameters)
    inputs, labels = torch.from_numpy(dataset.train.inputs), torch.from_numpy(dataset.train.labels)
    trainer = _Trainer(network, hyperparameters, steps_per_epoch(dataset, hyperparameters))
    for epoch in range(1, hyperparameters.epochs + 1):
        weighted = 0.0
        for rows in torch.split(torch.randperm(len(labels)), hyperparameters.batch_size):
            loss = trainer.step(inputs[rows], labels[rows])
            weighted += loss * len(rows)
            yield Step(trainer.steps, epoch, loss)
        yield Epoch(epoch, trainer.steps, weighted / len(labels), evaluate(network, dataset.validation))
    yield Fitted(trainer.steps, Scored(network), evaluate(network, dataset.test))


def evaluate(network: nn.Module, split: Split) -> Evaluation:
    """Loss and confusion over a whole split, in evaluation mode; the network's mode is put back."""
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        logits = network(torch.from_numpy(split.inputs))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(split.labels))
    network.train(was_training)
    classes = logits.shape[1]
    pairs = split.labels * classes + logits.argmax(1).numpy()
    confusion = np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return Evaluation(float(loss), confusion.astype(np.int64))


class _Trainer:
    """Owns the optimiser and counts the steps."""

    def __init__(self, network: nn.Module, hyperparameters: Hyperparameters, steps_per_epoch: int) -> None:
        self.steps = 0
        self._network = network.train()
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=hyperparameters.learning_rate, weight_decay=hyperparameters.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self._optimizer, T_max=hyperparameters.epochs * steps_per_epoch
        )

    def step(self, inputs: Tensor, labels: Tensor) -> float:
        """One step on one batch; returns the loss before it. Raises Diverged."""
        self._optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self._network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        self.steps += 1
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(self.steps, value)
        return value
