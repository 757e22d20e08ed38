"""Real programs: who asks for one is a process of its own here, so that it can be killed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from serve import program
from tests.chaos.residue import eventually
from tests.forms import TIMED, within

ROOT = Path(__file__).parents[2]
ASKING = """
import asyncio, sys
from serve import program
RUNS = "import time; print('runs', flush=True); time.sleep(600)"
async def main():
    async with program.started((sys.executable, "-c", RUNS)) as one:
        await one.stdout.readline()
        print(one.pid, flush=True)
        await one.wait()
asyncio.run(main())
"""
FAMILY = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"


@TIMED
def test_f4_a_program_that_works_ends_with_a_server_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ASKING], stdout=subprocess.PIPE, text=True, cwd=ROOT) as asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        assert psutil.pid_exists(pid)
        asking.kill()
        asking.wait()
    assert eventually(lambda: not psutil.pid_exists(pid), within(2.0))


async def test_where_a_block_is_left_its_program_is_ended_with_all_that_it_started() -> None:
    async with program.started((sys.executable, "-c", FAMILY)) as one:
        assert one.stdout is not None
        child = int(await one.stdout.readline())
        assert one.returncode is None
    assert one.returncode == -signal.SIGKILL
    assert await asyncio.to_thread(eventually, lambda: not psutil.pid_exists(child))


async def test_a_program_that_ends_is_not_waited_for_and_has_its_folder_and_variables(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ.get('A'))"
    async with program.started((sys.executable, "-c", code), {"A": "1"}, tmp_path) as one:
        out, err = await one.communicate()
    assert (one.returncode, out.decode(), err) == (0, f"{tmp_path} 1\n", b"")
