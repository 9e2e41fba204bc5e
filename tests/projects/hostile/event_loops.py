"""Tests leave event loops, tasks and generators behind, and run a loop for ever."""

settings = {"timeoutMs": 1_000}
# --- test_it.py
import asyncio


def test_before():  # passed
    pass


def test_left_behind():  # passed
    async def wait():
        await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))


def test_for_ever():  # timed_out
    asyncio.new_event_loop().run_forever()


def test_after():  # passed
    asyncio.run(asyncio.sleep(0))
