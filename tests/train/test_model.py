"""The networks: what they answer, alone, in a batch and once exported."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from train.data import Dataset
from train.model import Scored, TumoursNetwork, build, export
from train.settings import choose


@pytest.fixture
def scored(dataset: Dataset) -> Scored:
    torch.manual_seed(0)
    return Scored(build(dataset, choose(dataset.name)))


def test_scores_are_float32_and_sum_to_one(dataset: Dataset, scored: Scored) -> None:
    scores = scored(torch.from_numpy(dataset.test.inputs)).detach().numpy()
    assert scores.dtype == np.float32
    assert scores.shape == (len(dataset.test.labels), len(dataset.classes))
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


def test_a_row_has_the_same_scores_alone_and_among_others(dataset: Dataset, scored: Scored) -> None:
    rows = torch.from_numpy(dataset.test.inputs[:40])
    together = scored(rows)
    alone = torch.cat([scored(row[None]) for row in rows])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-6)


def test_dropout_is_off_once_released(dataset: Dataset, scored: Scored) -> None:
    rows = torch.from_numpy(dataset.test.inputs)
    assert torch.equal(scored(rows), scored(rows))


def test_tumours_are_scaled_by_the_training_rows_alone(tumours: Dataset) -> None:
    network = build(tumours, choose(tumours.name))
    assert isinstance(network, TumoursNetwork)
    np.testing.assert_allclose(network.mean.numpy(), tumours.train.inputs.mean(0))
    np.testing.assert_allclose(network.std.numpy(), tumours.train.inputs.std(0))


@pytest.mark.parametrize("rows", [0, 1, 2, 85])
def test_the_exported_graph_answers_any_number_of_rows_as_the_network_does(
    dataset: Dataset, scored: Scored, rows: int, tmp_path: Path
) -> None:
    archive = tmp_path / "network.pt2"
    export(scored, dataset.test.inputs[:16], dataset.columns, archive)
    held = {"columns.json": ""}
    graph = torch.export.load(archive, extra_files=held).module()
    inputs = torch.from_numpy(dataset.validation.inputs[:rows])
    torch.testing.assert_close(graph(inputs), scored(inputs))
    assert json.loads(held["columns.json"]) == list(dataset.columns)
