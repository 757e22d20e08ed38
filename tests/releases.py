"""Repositories with releases of models that are only files: real git commits, real objects in a real remote of DVC."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serve.artifact import cache, pin, verify
from serve.artifact.fetch import Store
from serve.artifact.pin import FILENAME, Pin, PinnedModel
from tests.pulls.pinned import tree
from tests.repositories import new_repository

WEIGHTS = b"\x01weights" * 30_000


@dataclass(frozen=True)
class Spec:
    """What a model is: columns in and out by name, packages, metrics, golden answers by input."""

    inputs: Mapping[str, str] = field(default_factory=lambda: {"x": "double"})
    outputs: Mapping[str, str] = field(default_factory=lambda: {"y": "double"})
    packages: tuple[str, ...] = ("numpy==2.0.0",)
    python: str = "3.11.7"
    metrics: Mapping[str, float] = field(default_factory=dict)
    golden: Mapping[float, float] = field(default_factory=lambda: {1.0: 2.0})
    run: str = "r1"


class Releases:
    """A repository in `root`, with its remote beside nothing else: no cache, no state."""

    def __init__(self, root: Path) -> None:
        self.root, self.repo = root, new_repository(root / "repo")
        self.minute = 0

    def store(self, state: str = "state") -> Store:
        return Store(self.repo, self.root / state)

    def git(self, *arguments: str) -> str:
        self.minute += 1
        when = f"2026-01-01T00:{self.minute:02}:00Z"
        dated = {**os.environ, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        done = subprocess.run(
            ["git", "-C", str(self.repo), *arguments], capture_output=True, text=True, check=True, env=dated
        )
        return done.stdout.strip()

    def release(self, subject: str = "Promote", **models: Spec) -> str:
        """A commit that pins these models, whose objects the remote has → its revision."""
        (self.repo / FILENAME).write_bytes(pin.write(self.pinned(**models)))
        return self.commit(subject)

    def commit(self, subject: str) -> str:
        self.git("add", FILENAME)
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def pinned(self, **models: Spec) -> Pin:
        """The pin of these models, whose objects the remote has from now on."""
        found, listing, size = [], {}, 0
        for name, spec in models.items():
            content = files(spec)
            folder = tree(self.root / "made" / f"{name}-{digest_of(content)}", content)
            found.append(PinnedModel(name, verify.tree_digest(verify.manifest(folder)), spec.run, dict(spec.metrics)))
            listing |= {f"{name}/{path}": self.put(data) for path, data in content.items()}
            size += sum(map(len, content.values()))
        entries = [{"md5": listing[path], "relpath": path} for path in sorted(listing)]
        oid = self.put(json.dumps(entries).encode(), ".dir")
        return Pin(oid, size, len(listing), tuple(found))

    def put(self, data: bytes, suffix: str = "") -> str:
        oid = hashlib.md5(data).hexdigest() + suffix
        place = self.object(oid)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return oid

    def object(self, oid: str) -> Path:
        return cache.place(self.repo / "remote", oid)


def digest_of(content: Mapping[str, bytes]) -> str:
    return hashlib.md5(b"".join(content[name] for name in sorted(content))).hexdigest()[:12]


def files(spec: Spec) -> dict[str, bytes]:
    """A model as a promotion lays it out."""
    signature = {"inputs": _columns(spec.inputs), "outputs": _columns(spec.outputs), "params": None}
    cases = [{"request": {"inputs": {"x": [asked]}}, "predictions": [{"y": got}]} for asked, got in spec.golden.items()]
    return {
        "model/MLmodel": json.dumps({"flavors": {}, "signature": signature}).encode(),
        "model/python_env.yaml": f"python: {spec.python}\n".encode(),
        "model/weights.bin": WEIGHTS,
        "environment.txt": "".join(f"{line}\n" for line in spec.packages).encode(),
        "golden.json": json.dumps({"cases": cases, "rtol": 0.0, "atol": 0.001}).encode(),
        "promotion.json": json.dumps({"run": spec.run, "metrics": dict(spec.metrics), "batchable": True}).encode(),
    }


def _columns(named: Mapping[str, str]) -> str:
    columns: list[dict[str, Any]] = [{"name": name, "type": kind, "required": True} for name, kind in named.items()]
    return json.dumps(columns)
