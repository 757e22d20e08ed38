"""Row G-3: what hooks and filters of git do to the commit itself: it has models.dvc alone, as promoted, or is none."""

import pytest

from promote import git
from promote.errors import PromotionRefused
from tests.integration.pins import FIRST, SECOND, THIRD, attribute, hook
from tests.promoting import Repository

pytestmark = pytest.mark.usefixtures("nobodys_settings")

SPOILING = {
    "adds a file": ("pre-commit", "echo x > added; git add added"),
    "adds a changed file": ("pre-commit", "git add README"),
    "changes models.dvc": ("pre-commit", "echo '# x' >> models.dvc; git add models.dvc"),
    "removes models.dvc": ("pre-commit", "git rm --quiet --cached models.dvc; git add README"),
}


@pytest.mark.parametrize("kind", SPOILING)
def test_g3_a_commit_that_a_hook_changed_is_taken_back(pinned: Repository, kind: str) -> None:
    (pinned.folder / "README").write_text("changed\n")
    (pinned.folder / "staged").write_text("staged\n")
    pinned.git("add", "staged")
    hook(pinned, *SPOILING[kind])
    head, index = pinned.git("rev-parse", "HEAD"), pinned.git("ls-files", "--stage")
    with pytest.raises(PromotionRefused, match="a hook or filter of git changed what was committed"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert (pinned.git("rev-parse", "HEAD"), pinned.git("ls-files", "--stage")) == (head, index)
    assert git.look(pinned.folder) == FIRST
    assert (pinned.folder / "README").read_text() == "changed\n"


def test_g3_a_commit_that_is_amended_at_once_is_taken_back_too(pinned: Repository) -> None:
    (pinned.folder / "README").write_text("changed\n")
    hook(pinned, "post-commit", "[ -e .done ] || { touch .done; git commit --quiet --amend --all --message x; }")
    head = pinned.git("rev-parse", "HEAD")
    with pytest.raises(PromotionRefused, match="a hook or filter of git changed what was committed"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert (pinned.git("rev-parse", "HEAD"), git.look(pinned.folder)) == (head, FIRST)


def test_g3_an_encoding_that_git_can_not_make_of_it_leaves_everything_as_it_was(pinned: Repository) -> None:
    attribute(pinned, "*.dvc working-tree-encoding=UTF-16")
    before = pinned.fingerprint()
    with pytest.raises(PromotionRefused, match=r"git commit failed: .*models\.dvc"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert pinned.fingerprint() == before


def test_g3_a_hook_that_tidies_the_file_and_refuses_leaves_no_release_behind(pinned: Repository) -> None:
    """As formatters do. What they wrote would go live, with no commit to say so."""
    hook(pinned, "pre-commit", "sed -i 's/outs:/outs: /' models.dvc; cp models.dvc tidied; exit 1")
    with pytest.raises(PromotionRefused, match="git commit failed"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert (pinned.folder / "tidied").read_bytes() not in (FIRST, SECOND)
    assert git.look(pinned.folder) == FIRST


def test_g3_a_rollback_while_git_commits_has_the_last_word(pinned: Repository) -> None:
    (pinned.folder / "theirs").write_bytes(THIRD)
    hook(pinned, "pre-commit", "cp theirs models.dvc; exit 1")
    with pytest.raises(PromotionRefused, match="git commit failed"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert git.look(pinned.folder) == THIRD


def test_g3_a_commit_by_another_right_after_is_not_taken_for_ours(pinned: Repository) -> None:
    hook(pinned, "post-commit", '[ -e .more ] || { touch .more; git commit --quiet --allow-empty -m "By another"; }')
    revision = git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert pinned.git("log", "--format=%s", "-1", revision) == "Second"
    assert pinned.git("log", "--format=%s", "-1") == "By another"


def test_g3_a_signature_that_can_not_be_made_leaves_everything_as_it_was(pinned: Repository) -> None:
    pinned.git("config", "commit.gpgSign", "true")
    pinned.git("config", "gpg.program", "false")
    before = pinned.fingerprint()
    with pytest.raises(PromotionRefused, match="git commit failed: error: gpg failed to sign the data"):
        git.commit(pinned.folder, FIRST, SECOND, "Second")
    assert pinned.fingerprint() == before
