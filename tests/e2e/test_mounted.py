"""A repository that something else brings up to date, as git-sync does in a cluster: a link that is laid anew."""

from pathlib import Path

from tests.e2e.conftest import Repository
from tests.e2e.server import Server


def lay(link: Path, target: Path) -> None:
    """At once, as git-sync does it: whoever follows the link finds the one or the other."""
    link.with_suffix(".new").symlink_to(target)
    link.with_suffix(".new").rename(link)


def test_a_link_that_is_laid_to_another_work_tree_is_a_release(repository: Repository, tmp_path: Path) -> None:
    for at in (0, 1):
        tree = tmp_path / f"tree-{at}"
        repository.git("worktree", "add", "--quiet", "--detach", str(tree), repository.revisions[at])
    lay(tmp_path / "current", tmp_path / "tree-0")
    with Server(
        tmp_path / "current", repository.state, artifact__remote=repository.folder / "remote"
    ).ready() as server:
        assert server.model()["revision"] == repository.revisions[0]
        lay(tmp_path / "current", tmp_path / "tree-1")
        server.wait("release live", 2)
        assert server.model()["revision"] == repository.revisions[1]
