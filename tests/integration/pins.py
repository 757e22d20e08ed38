"""What tests of git promote: pins of nothing that is anywhere, and what a repository may do to a commit of them."""

from serve.artifact import pin
from serve.artifact.pin import Pin, PinnedModel
from tests.promoting import Repository


def pinning(number: int) -> bytes:
    return pin.write(Pin(f"{number:032x}.dir", 1, 1, (PinnedModel("oracle", f"sha256:{number:064x}"),)))


FIRST, SECOND, THIRD = pinning(1), pinning(2), pinning(3)


def hook(repository: Repository, name: str, script: str) -> None:
    path = repository.folder / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def attribute(repository: Repository, line: str, **settings: str) -> None:
    for key, value in settings.items():
        repository.git("config", key.replace("__", "."), value)
    (repository.folder / ".gitattributes").write_text(f"{line}\n")
    repository.git("add", ".gitattributes")
    repository.git("commit", "--quiet", "--message", "Attributes")
