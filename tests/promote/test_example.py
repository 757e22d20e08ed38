"""The input example as a request body, whichever MLflow wrote it."""

import pytest

from promote.example import body, file

NEW = {
    "saved_input_example_info": {
        "artifact_path": "input.json",
        "serving_input_path": "serving.json",
        "type": "dataframe",
    }
}
OLD_FRAME = {"saved_input_example_info": {"artifact_path": "input.json", "type": "dataframe", "pandas_orient": "split"}}
OLD_ARRAY = {"saved_input_example_info": {"artifact_path": "input.json", "type": "ndarray", "format": "tf-serving"}}


def test_the_request_is_preferred_to_the_example() -> None:
    assert file(NEW) == "serving.json"
    assert file(OLD_FRAME) == "input.json"


@pytest.mark.parametrize("mlmodel", [{}, {"saved_input_example_info": None}, {"saved_input_example_info": "x"}])
def test_a_model_may_have_none(mlmodel: dict[str, object]) -> None:
    assert file(mlmodel) == ""


def test_a_request_is_taken_as_it_is() -> None:
    assert body(NEW, '{"inputs": {"x": [1, 2.5, "z", null]}}') == {"inputs": {"x": [1, 2.5, "z", None]}}


def test_an_old_frame_becomes_a_request() -> None:
    assert body(OLD_FRAME, '{"columns": ["x"], "data": [[1]]}') == {
        "dataframe_split": {"columns": ["x"], "data": [[1]]}
    }


def test_an_old_array_is_a_request_already() -> None:
    assert body(OLD_ARRAY, '{"inputs": [[1.0]]}') == {"inputs": [[1.0]]}


def test_what_is_not_a_number_is_null() -> None:
    assert body(NEW, '{"inputs": [NaN, Infinity, -Infinity]}') == {"inputs": [None, None, None]}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", '"x"', '{"inputs": 1} x'])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        body(NEW, text)
