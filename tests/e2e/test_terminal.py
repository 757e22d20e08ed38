"""A server on a terminal, and who asks it meanwhile: one story, told once, of which each test looks at a part."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Repository
from tests.e2e.server import SERVE
from tests.e2e.terminal import Terminal

Ended = subprocess.CompletedProcess[str]
_URL = re.compile(r"listens on (http://\S+)")


@dataclass
class Story:
    """What was drawn at each point, and what each command said meanwhile."""

    repository: Repository
    url: str = ""
    begun: str = ""
    switched: str = ""
    failed: str = ""
    ended: str = ""
    code: int = -1
    watched: str = ""
    watched_code: int = -1
    said: dict[str, Ended] = field(default_factory=dict)
    rollouts: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)

    def run(self, name: str, *arguments: str) -> Ended:
        command = [str(SERVE), *arguments]
        variables = {**os.environ, "PINION_ARTIFACT__STATE": str(self.repository.state), "PINION_URL": self.url}
        done = subprocess.run(
            command, capture_output=True, text=True, env=variables, cwd=self.repository.folder, timeout=120
        )
        assert "Traceback" not in done.stderr
        self.said[name] = done
        return done


@pytest.fixture(scope="module")
def story(promoted: Repository, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story") / "repo"
    shutil.copytree(promoted.folder, folder, symlinks=True)
    told = Story(Repository(folder, promoted.revisions, promoted.state))
    told.repository.checkout(1)
    command = [SERVE, "--repo", folder, "--port", "0"]
    with Terminal(command, PINION_ARTIFACT__STATE=str(promoted.state)) as terminal:
        told.begun = terminal.wait("serve status --watch")
        found = _URL.search(told.begun)
        assert found is not None
        told.url = found[1]
        _asks(told)
        told.repository.checkout(0)
        told.switched = terminal.wait("oracle changed")
        pinned = folder / "models.dvc"
        pinned.write_text(_unknown(promoted))
        told.failed = terminal.wait("pull_failed")
        told.run("after", "status", "--json", "--seconds", "0")
        told.rollouts = httpx.get(f"{told.url}/rollouts").json()
        terminal.press(b"\x03")
        told.code, told.ended = terminal.end()
    return told


def _unknown(promoted: Repository) -> str:
    """A pin of what no remote has."""
    text = promoted.git("show", f"{promoted.revisions[0]}:models.dvc")
    return re.sub(r"sha256:\w{8}", "sha256:00000000", re.sub(r"md5: \w{8}", "md5: 00000000", text)) + "\n"


def _asks(told: Story) -> None:
    """Whoever asks while it serves."""
    body = told.run("example", "example").stdout
    told.answer = httpx.post(f"{told.url}/predict", content=body, headers={"content-type": "application/json"}).json()
    told.run("status", "status", "--seconds", "0")
    told.run("status in JSON", "status", "--json", "--seconds", "0")
    with Terminal([SERVE, "status", "--watch", "--seconds", "0.2", "--url", told.url], 80) as watching:
        watching.wait("✓ ready", times=2)
        watching.press(b"\x03")
        told.watched_code, told.watched = watching.end()
    told.run("history", "history", "--json")
    told.run("plan", "plan", told.repository.revisions[2], "--json", "--strict")


def test_a_start_is_told_step_by_step_with_where_to_go_next(story: Story) -> None:
    told = [line.strip() for line in story.begun.splitlines() if line.strip()]
    assert any(line.startswith("Pinion ") for line in told)
    assert any(line.startswith("✓ start        oracle") for line in told)
    assert any(line.startswith("✓ live         oracle ") for line in told)
    words = [line.split()[0] for line in told]
    assert words[words.index("console") :: 1][:3] == ["console", "docs", "metrics"]
    assert f"serve example oracle --url {story.url}" in " ".join(story.begun.split())


def test_a_terminal_is_told_no_line_of_the_log_that_the_account_tells(story: Story) -> None:
    assert "{" not in story.ended
    assert [word for word in ("listening ", "release live", "verified ") if word in story.ended] == []


def test_the_request_that_example_prints_is_answered(story: Story) -> None:
    assert [row["factor"] for row in story.answer["predictions"]] == [3.0] * 4


def test_status_says_what_is_live_and_that_it_is_ready(story: Story) -> None:
    done = story.said["status"]
    assert (done.returncode, done.stderr) == (0, "")
    first, *_ = done.stdout.splitlines()
    assert first == f"✓ ready  {story.url}  release {story.repository.revisions[1][:12]}"
    assert "oracle" in done.stdout
    assert "1 ready" in done.stdout


def test_status_watches_until_ctrl_c(story: Story) -> None:
    assert story.watched.count("✓ ready") >= 2
    assert story.watched_code == 0


def test_status_says_the_same_to_programs(story: Story) -> None:
    found = json.loads(story.said["status in JSON"].stdout)
    oracle = found["models"]["oracle"]
    assert (found["ready"], found["live"], found["desired"]) == (True, found["desired"], found["live"])
    assert (oracle["workers"], oracle["errors"], oracle["requests"]) == ({"ready": 1}, {}, 1.0)
    assert 0 < oracle["stages"]["predict"]["median"] <= oracle["stages"]["predict"]["p99"]
    assert [one["outcome"] for one in found["rollouts"]] == ["live"]
    assert {"admit", "verify", "environment", "start", "golden", "switch"} <= {
        step["step"] for step in found["rollouts"][0]["steps"]
    }


def test_history_says_which_release_is_live(story: Story) -> None:
    found = json.loads(story.said["history"].stdout)["releases"]
    assert [(one["revision"], one["live"]) for one in found] == [
        (story.repository.revisions[2], False),
        (story.repository.revisions[1], True),
        (story.repository.revisions[0], False),
    ]


def test_a_plan_is_made_against_what_is_live(story: Story) -> None:
    done = story.said["plan"]
    found = json.loads(done.stdout)
    assert (done.returncode, found["problem"], found["breaking"]) == (0, "", False)
    assert found["before"]["what"] == f"live at {story.url}"
    assert found["before"]["revision"] == story.repository.revisions[1]
    assert found["models"]["oracle"]["facts"]["python"][1] == "3.10.13"
    assert "pandas" in [one["name"] for one in found["models"]["oracle"]["facts"]["packages"]]
    assert [one["verified"] for one in found["verified"]] == [True]


def test_a_switch_is_told_in_a_line_or_two_with_what_it_changed(story: Story) -> None:
    lines = story.switched.splitlines()
    at = next(at for at, line in enumerate(lines) if "live oracle changed" in line)
    assert "→" in story.ended.splitlines()[at + 1]


def test_a_release_that_can_not_go_live_is_told_with_its_reason_and_what_is_live(story: Story) -> None:
    line = next(line for line in story.failed.splitlines() if "pull_failed" in line)
    assert "✗" in line
    assert "(oracle as before)" in " ".join(story.ended.split())
    found = json.loads(story.said["after"].stdout)
    assert (found["ready"], found["failure"]["code"]) == (True, "pull_failed")
    assert story.said["after"].returncode == 0


def test_the_rollouts_are_told_by_outcome(story: Story) -> None:
    outcomes = [one["outcome"] for one in story.rollouts["attempts"]]
    assert outcomes[:2] == ["live", "live"]
    assert "pull_failed" in outcomes[2:]
    assert [one["revision"] for one in story.rollouts["attempts"][:2]] == [*story.repository.revisions[1::-1]]


def test_ctrl_c_says_what_is_waited_for_and_ends_cleanly(story: Story) -> None:
    assert story.code == 0
    *_, stopping, stopped = [line for line in story.ended.splitlines() if line.strip()]
    assert "stopping: 30 s at most for what was taken; Ctrl-C again: at once" in stopping
    assert stopped.endswith("stopped")
