"""The loop, on the real data: events, numbers, determinism, divergence."""

import numpy as np
import pytest

from train.data import Dataset
from train.errors import Diverged
from train.loop import Epoch, Evaluation, Event, Fitted, Step, fit, steps_per_epoch
from train.settings import DatasetName, choose


def _last_epoch(events: list[Event]) -> Epoch:
    return [event for event in events if isinstance(event, Epoch)][-1]


def _fitted(events: list[Event]) -> Fitted:
    assert isinstance(events[-1], Fitted)
    return events[-1]


def test_events_come_step_by_step_epoch_by_epoch_and_end_with_the_network(dataset: Dataset) -> None:
    hyperparameters = choose(dataset.name, epochs=2, batch_size=100)
    each = steps_per_epoch(dataset, hyperparameters)
    events = list(fit(dataset, hyperparameters))
    kinds = [type(event) for event in events]
    assert kinds == [*[Step] * each, Epoch, *[Step] * each, Epoch, Fitted]
    assert [event.step for event in events if isinstance(event, Step)] == list(range(1, 2 * each + 1))
    assert [event.step for event in events if isinstance(event, Epoch)] == [each, 2 * each]


def test_a_batch_larger_than_the_data_is_one_step(tumours: Dataset) -> None:
    events = list(fit(tumours, choose(tumours.name, epochs=1, batch_size=10_000)))
    assert [type(event) for event in events] == [Step, Epoch, Fitted]


def test_batches_of_one_row_train(tumours: Dataset) -> None:
    assert _last_epoch(list(fit(tumours, choose(tumours.name, epochs=1, batch_size=1)))).step == 398


def test_the_mean_loss_of_an_epoch_weighs_every_row_alike(tumours: Dataset) -> None:
    events = list(fit(tumours, choose(tumours.name, epochs=1, batch_size=300)))
    first, second = [event.loss for event in events if isinstance(event, Step)]
    assert _last_epoch(events).train_loss == pytest.approx((300 * first + 98 * second) / 398)


def test_one_seed_gives_one_result(dataset: Dataset) -> None:
    hyperparameters = choose(dataset.name, epochs=1, seed=7)
    once, again = (list(fit(dataset, hyperparameters)) for _ in range(2))
    losses, same = ([event.loss for event in events if isinstance(event, Step)] for events in (once, again))
    assert losses == same
    assert _fitted(once).test.loss == _fitted(again).test.loss


def test_another_seed_gives_another_result(tumours: Dataset) -> None:
    results = {_fitted(list(fit(tumours, choose(tumours.name, epochs=1, seed=seed)))).test.loss for seed in (1, 2)}
    assert len(results) == 2


@pytest.mark.parametrize(("name", "enough"), [(DatasetName.DIGITS, 0.97), (DatasetName.TUMOURS, 0.95)])
def test_the_defaults_train_a_good_model(name: DatasetName, enough: float, digits: Dataset, tumours: Dataset) -> None:
    dataset = digits if name is DatasetName.DIGITS else tumours
    assert _last_epoch(list(fit(dataset, choose(name)))).validation.accuracy >= enough


def test_two_epochs_of_digits_are_plainly_weaker(digits: Dataset) -> None:
    validation = _last_epoch(list(fit(digits, choose(digits.name, epochs=2)))).validation
    assert 0.5 < validation.accuracy < 0.95


def test_training_stops_where_the_loss_is_no_number(tumours: Dataset) -> None:
    with pytest.raises(Diverged, match="lower learning rate"):
        list(fit(tumours, choose(tumours.name, learning_rate=10, weight_decay=1e10, epochs=5)))


def test_accuracy_and_macro_f1_follow_from_the_confusion() -> None:
    evaluation = Evaluation(0.0, np.array([[8, 2], [1, 9]]))
    assert evaluation.accuracy == pytest.approx(17 / 20)
    assert evaluation.f1 == pytest.approx((16 / 19 + 18 / 21) / 2)


def test_a_class_that_never_occurs_counts_as_nothing() -> None:
    assert Evaluation(0.0, np.array([[4, 0], [0, 0]])).f1 == pytest.approx(0.5)
