"""Row E-14: why a release failed is told without the machine's folders and anybody's user name."""

import pytest

from serve.front.describe import shown


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("no space left (/srv/pinion/.pinion/scratch/x1/model/data.bin)", "no space left (data.bin)"),
        ("File '/root/a b.py' can't be opened", "File 'a b.py' can't be opened"),
        ("pull failed: https://user:secret@host/path/x is gone", "pull failed: https://host/path/x is gone"),
        ("digits/model/data.bin is changed", "digits/model/data.bin is changed"),
        ("model 'digits' answered 3 rows", "model 'digits' answered 3 rows"),
        ("1/2 of 3 / 4", "1/2 of 3 / 4"),
    ],
)
def test_a_reason_names_files_and_no_places(told: str, expected: str) -> None:
    assert shown(told) == expected
