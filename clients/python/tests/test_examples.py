"""The examples, each as the processes that it is made of."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).parent.parent


async def start(name: str, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / name),
        *args,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


async def output(process: asyncio.subprocess.Process) -> list[str]:
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"exit status {process.returncode}: {out.decode()}")
    return out.decode().splitlines()


class Examples(unittest.IsolatedAsyncioTestCase):
    async def test_one_event(self) -> None:
        waiting = await start("one_event.py", "wait")
        assert waiting.stdout is not None
        self.assertEqual(await waiting.stdout.readline(), b"waiting\n")
        said = await output(await start("one_event.py", "set", '{"by": "Ada"}'))
        self.assertRegex(said[0], "^set; waits that it decided: [01]$")
        self.assertEqual(await output(waiting), ["approved: {'by': 'Ada'}"])

    async def test_n_events(self) -> None:
        self.assertEqual(
            await output(await start("n_events.py")),
            ["regions, as soon as two are there: True", "all of them: ['eu', 'us', 'ap']"],
        )

    async def test_external_api(self) -> None:
        self.assertEqual(
            await output(await start("external_api.py")),
            [
                "gathered: [1, 2, 3]", "completed: 4", "failed: http_status",
                "not waited for any longer; the server still has it: pending",
            ],
        )

    async def test_policy(self) -> None:
        self.assertEqual(
            await output(await start("policy.py")), ["from another process", "on a CountingLoop with tasks: True"]
        )
