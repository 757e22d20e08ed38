"""Row D-10: a release that takes other inputs: each request is read and answered by the one release that took it."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import Repository, promote
from tests.e2e.server import Server
from tests.models import ORACLE


def renamed(target: Path) -> Path:
    """The oracle with its input under another name, z for x."""
    shutil.copytree(ORACLE, target)
    for path in (target / "MLmodel", target / "code" / "oracle.py", *target.glob("*example*.json")):
        text = path.read_text()
        path.write_text(text.replace('"x"', '"z"'))
    return target


def body(column: str, fault: str) -> Any:
    return {"inputs": {column: [1.0], "fault": [fault]}}


async def test_d10_requests_in_flight_belong_to_the_release_that_took_them(
    repository: Repository, tmp_path: Path
) -> None:
    with Server(repository.folder, repository.state, worker__count=2).ready() as server:
        old = server.model()["digest"]
        await asyncio.to_thread(promote, repository.folder, repository.state, renamed(tmp_path / "renamed"))
        await server.seen("release live", count=2)
        new = server.model()["digest"]
        repository.checkout(1)
        await server.seen("release live", count=3)
        async with httpx.AsyncClient(base_url=server.url, timeout=30.0) as client:
            slow = asyncio.create_task(client.post("/predict", json=body("x", "nap:12")))
            while not await _busy(client):
                pass
            repository.git("checkout", "--quiet", "HEAD", "--", "models.dvc")
            statuses: list[tuple[str, int]] = []
            while ("z", 200) not in statuses:
                for column in "xz":
                    answer = await client.post("/predict", json=body(column, "nap:0"))
                    statuses.append((column, answer.status_code))
                    if answer.status_code == 200:
                        assert answer.headers["x-model-digest"] == (old if column == "x" else new)
                    else:
                        assert "does not take the column" in answer.text or "lacks the column" in answer.text
            assert not slow.done()
            answer = await slow
            assert answer.json() == {"predictions": [{"y": 3.0, "factor": 3.0}]}
            assert answer.headers["x-model-digest"] == old
        by_column = {column: [status for name, status in statuses if name == column] for column in "xz"}
        assert by_column["x"] == sorted(by_column["x"])  # 200 until the switch, 422 from then on
        assert by_column["z"] == sorted(by_column["z"], reverse=True)
        assert {status for _, status in statuses} <= {200, 422}
        assert (await asyncio.to_thread(server.predict, body("x", "nap:0"))).status_code == 422


async def _busy(client: httpx.AsyncClient) -> bool:
    workers = (await client.get("/models")).json()["models"]["oracle"]["workers"]
    return any(worker["state"] == "busy" for worker in workers)
