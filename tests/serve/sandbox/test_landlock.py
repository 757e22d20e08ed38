import landlock
import pytest


@pytest.mark.parametrize(
    ("version", "rights"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (7, 16), (9, 16)]
)
def test_each_version_handles_all_the_rights_that_it_knows(version: int, rights: int) -> None:
    assert landlock.handled(version) == 2**rights - 1


def test_what_may_be_written_may_not_be_run_and_nobody_makes_devices() -> None:
    write = landlock.GRANTS["write"]
    assert not write & landlock.EXECUTE
    assert not any(grant & (1 << 6 | 1 << 11) for grant in landlock.GRANTS.values())
    assert not any(
        landlock.GRANTS[name] & (landlock.WRITE_FILE | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 14)
        for name in ("run", "read", "list")
    )
