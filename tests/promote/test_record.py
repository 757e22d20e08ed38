"""What a promotion writes down: bounded, on lines of their own, and nothing but what was asked."""

import json
import math

from promote.errors import plain
from promote.record import Checked, message, pinned_metrics, promotion
from promote.source import Candidate
from serve.artifact import pin
from serve.artifact.pin import Pin, PinnedModel

DIGEST = "sha256:" + "0" * 64
EVIL = "fox\n\nSigned-off-by: no\r\x1b[31m\u202e$(id)\x00" + "y" * 2**20


def test_what_others_wrote_is_one_printable_line() -> None:
    assert plain("a\nb\x1b[1m\u202e\x00c") == "a b [1m  c"
    assert plain("x" * 10, 3) == "xxx"
    assert plain("\ud800 é 日") == "é 日"


def test_at_most_fifty_metrics_are_pinned_the_one_it_was_chosen_by_among_them() -> None:
    metrics = {f"m{at:03}": float(at) for at in range(300)} | {"zz": 1.0}
    found = pinned_metrics(Candidate("x", metrics=metrics, chosen_by="zz"))
    assert list(found) == [*(f"m{at:03}" for at in range(49)), "zz"]


def test_metrics_of_the_machine_and_of_odd_names_are_not_pinned() -> None:
    metrics = {"system/cpu": 1.0, "a\nb": 1.0, "x" * 101: 1.0, "\x1b[1m": 1.0, "val/loss": 0.5}
    assert pinned_metrics(Candidate("x", metrics=metrics)) == {"val/loss": 0.5}


def test_the_longest_metrics_of_a_model_fit_the_pin_and_come_back() -> None:
    metrics = {f"{at:0100}": -1.7976931348623157e308 for at in range(300)} | {"yes": 1.0, "1.5": 2.0, "~": 3.0}
    model = PinnedModel("m", DIGEST, "0" * 32, pinned_metrics(Candidate("x", metrics=metrics, chosen_by="yes")))
    whole = Pin("0" * 32 + ".dir", 1, 1, (model,))
    assert pin.read(pin.write(whole)) == whole
    assert len(pin.write(whole)) < pin.MAX_BYTES / 4


def test_a_commit_message_tells_what_by_which_figures_and_what_it_replaces() -> None:
    candidate = Candidate(
        "models:/m-7", run="r7", run_name="keen-fox", model_id="m-7", experiment="digits", dataset="digits 0123",
        metrics={"accuracy": 0.9, "loss": 0.25, "system/cpu": 1.0},
    )  # fmt: skip
    model = PinnedModel("digits", DIGEST, "r7", {"accuracy": 0.9, "loss": 0.25})
    old = PinnedModel("digits", "sha256:" + "1" * 64, "r6", {"accuracy": 0.8})
    assert message(candidate, model, old) == (
        "Promote digits: run keen-fox\n"
        "\n"
        "Model:    m-7\n"
        "Run:      r7 (experiment digits)\n"
        f"Digest:   {DIGEST}\n"
        "Dataset:  digits 0123\n"
        f"Replaces: {old.digest} of run r6\n"
        "  accuracy = 0.9 (was 0.8)\n"
        "  loss = 0.25\n"
        "  and 1 more in promotion.json\n"
    )


def test_the_message_of_a_folder_names_it_and_no_path() -> None:
    text = message(Candidate("/home/ada/secret/model", local=True), PinnedModel("m", DIGEST), None)
    assert text == f"Promote m\n\nModel:    model\nDigest:   {DIGEST}\nReplaces: nothing\n"


def test_a_replaced_folder_has_no_run() -> None:
    assert f"Replaces: {DIGEST}\n" in message(Candidate("m"), PinnedModel("m", DIGEST), PinnedModel("m", DIGEST))


def test_nothing_in_a_message_reaches_beyond_its_line() -> None:
    candidate = Candidate(EVIL, run="r", run_name=EVIL, experiment=EVIL, dataset=EVIL, model_id=EVIL)
    text = message(candidate, PinnedModel("m", DIGEST, "r", {EVIL: 1.0}), None)
    lines = text.splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("Promote m: run fox  Signed-off-by: no")
    assert len(lines[0]) < 80
    assert all(len(line) < 230 and line.isprintable() for line in lines)


def test_promotion_json_is_strict_and_has_all_that_was_found() -> None:
    candidate = Candidate("/home/ada/m", local=True, metrics={"a": 1.0}, params={"lr": "0.1"}, run="r", commit="c")
    checked = Checked("sha256:1", "3.17.2", False, "why", "Ada", "2026-01-01T00:00:00+00:00")
    found = promotion(candidate, "m", checked)
    text = json.dumps(found, allow_nan=False)
    assert "/home/ada" not in text
    assert found["batchable"] is False
    assert found["checks"] == {"rehearsed": True, "why_not_batchable": "why", "mlflow": "3.17.2"}
    assert (found["metrics"], found["params"], found["run"]) == ({"a": 1.0}, {"lr": "0.1"}, "r")
    assert (found["promoted_by"], found["source_commit"], found["artifact"]) == ("Ada", "c", "sha256:1")
    assert all(math.isfinite(value) for value in found["metrics"].values())
