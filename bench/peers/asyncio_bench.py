"""The operations of the loop's benchmarks, by asyncio or uvloop: one line "row cpu_ns wall_ns" for each row asked for.

    python3 asyncio_bench.py [--uvloop] [--versions] row...

Each row runs for about half a second and tells its time per operation, as Go's benchmarks do. Rows that end in "bytes"
tell the memory of one object instead: the growth of the resident set while some hundred thousand are made.
"""
import asyncio
import gc
import os
import random
import sys
import threading
import time

BATCH = 1000
ROWS = {}
SECONDS = 0.5


def row(fn):
    ROWS[fn.__name__] = fn
    return fn


class Stopwatch:
    """Takes processor and wall time of a with block."""

    def __enter__(self):
        gc.collect()
        self.wall, self.cpu = time.perf_counter_ns(), time.process_time_ns()
        return self

    def __exit__(self, *_):
        self.cpu, self.wall = time.process_time_ns() - self.cpu, time.perf_counter_ns() - self.wall


def repeat(measure, start):
    """Calls measure(n), which returns a Stopwatch, with growing n until it takes long enough."""
    n = start
    while True:
        watch = measure(n)
        if watch.wall >= SECONDS * 1e9 * 0.8 or n >= 1 << 28:
            return watch.cpu / n, watch.wall / n
        aim = SECONDS * 1e9 / max(watch.wall / n, 1)
        n = int(min(max(aim * 1.1, n * 1.2), n * 20))
        n = max(n // BATCH, 1) * BATCH if start % BATCH == 0 else n


def forever(prepare, start=BATCH):
    """Measures run_forever: prepare(loop, n) schedules what ends by loop.stop()."""
    def measure(n):
        loop = asyncio.new_event_loop()
        try:
            prepare(loop, n)
            with Stopwatch() as watch:
                loop.run_forever()
            return watch
        finally:
            loop.close()
    return repeat(measure, start)


def in_task(body, start=BATCH):
    """Measures await body(n) inside a task."""
    async def main(n):
        with Stopwatch() as watch:
            await body(n)
        return watch

    def measure(n):
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(main(n))
        finally:
            loop.close()
    return repeat(measure, start)


class Counter:
    n = 0

    def run(self):
        self.n += 1


def feed(loop, n, seed):
    """Runs seed() BATCH times in each turn until it has run n times."""
    left = n

    def turn():
        nonlocal left
        for _ in range(BATCH):
            seed()
        left -= BATCH
        loop.call_soon(turn if left > 0 else loop.stop)
    loop.call_soon(turn)


@row
def call_soon():
    run = Counter().run
    return forever(lambda loop, n: feed(loop, n, lambda: loop.call_soon(run)))


@row
def call_soon_closure():
    counter = Counter()
    return forever(lambda loop, n: feed(loop, n, lambda: loop.call_soon(lambda: counter.run())))


@row
def call_soon_chain():
    def prepare(loop, n):
        left = n

        def step():
            nonlocal left
            left -= 1
            if left <= 0:
                loop.stop()
            else:
                loop.call_soon(step)
        loop.call_soon(step)
    return forever(prepare)


def threadsafe(producers):
    def measure(n):
        loop = asyncio.new_event_loop()
        each = n // producers + 1
        run = Counter().run

        def produce():
            for i in range(each):
                loop.call_soon_threadsafe(run)
                if i % 1024 == 1023:
                    there = threading.Event()
                    loop.call_soon_threadsafe(there.set)
                    there.wait()

        threads = [threading.Thread(target=produce) for _ in range(producers)]

        def end():
            for thread in threads:
                thread.join()
            loop.call_soon_threadsafe(loop.stop)
        with Stopwatch() as watch:
            for thread in threads:
                thread.start()
            ender = threading.Thread(target=end)
            ender.start()
            loop.run_forever()
            ender.join()
        loop.close()
        return watch
    return repeat(measure, BATCH)


@row
def threadsafe_1():
    return threadsafe(1)


@row
def threadsafe_8():
    return threadsafe(8)


@row
def threadsafe_64():
    return threadsafe(64)


@row
def round_trip():
    def measure(n):
        loop = asyncio.new_event_loop()
        home = threading.Semaphore(0)

        def ask():
            for _ in range(n):
                loop.call_soon_threadsafe(home.release)
                home.acquire()
            loop.call_soon_threadsafe(loop.stop)
        asker = threading.Thread(target=ask)
        with Stopwatch() as watch:
            asker.start()
            loop.run_forever()
            asker.join()
        loop.close()
        return watch
    return repeat(measure, 100)


@row
def task_switch():
    async def body(n):
        sleep = asyncio.sleep
        for _ in range(n):
            await sleep(0)
    return in_task(body)


@row
def create_task():
    async def empty():
        return 0
    return forever(lambda loop, n: feed(loop, n, lambda: loop.create_task(empty())))


@row
def create_task_and_await():
    async def empty():
        return 0

    async def body(n):
        create = asyncio.get_running_loop().create_task
        for _ in range(n):
            await create(empty())
    return in_task(body)


@row
def await_scheduled_future():
    async def body(n):
        loop = asyncio.get_running_loop()
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(lambda: future.set_result(1))
            await future
    return in_task(body)


@row
def await_done_future():
    async def body(n):
        future = asyncio.get_running_loop().create_future()
        future.set_result(1)
        for _ in range(n):
            await future
    return in_task(body)


@row
def gather_1000_futures():
    async def body(n):
        loop = asyncio.get_running_loop()
        for _ in range(n):
            futures = [loop.create_future() for _ in range(BATCH)]

            def settle():
                for i, future in enumerate(futures):
                    future.set_result(i)
            loop.call_soon(settle)
            await asyncio.gather(*futures)
    return in_task(body, 10)


@row
def gather_1000_tasks():
    async def once():
        await asyncio.sleep(0)
        return 1

    async def body(n):
        for _ in range(n):
            await asyncio.gather(*[asyncio.create_task(once()) for _ in range(BATCH)])
    return in_task(body, 10)


@row
def run_until_complete():
    async def empty():
        return 0

    def measure(n):
        loop = asyncio.new_event_loop()
        with Stopwatch() as watch:
            for _ in range(n):
                loop.run_until_complete(empty())
        loop.close()
        return watch
    return repeat(measure, BATCH)


@row
def event_set_wakes_1000():
    async def body(n):
        event = asyncio.Event()

        async def waiter():
            while True:
                await event.wait()
        tasks = [asyncio.create_task(waiter()) for _ in range(BATCH)]
        await asyncio.sleep(0)
        for _ in range(n):
            event.set()
            event.clear()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return in_task(body, 10)


def far_away(chance):
    return 60 + chance.random() * 3540


def with_million_timers(body):
    loop = asyncio.new_event_loop()
    chance = random.Random(1)
    run = Counter().run
    handles = [loop.call_later(far_away(chance), run) for _ in range(1_000_000)]

    def measure(n):
        delays = [far_away(chance) for _ in range(n)]
        with Stopwatch() as watch:
            body(loop, run, delays, handles)
        return watch

    def turns():
        loop.call_soon(loop.stop)
        loop.run_forever()
    try:
        return repeat(lambda n: (measure(n), turns())[0], 10_000)
    finally:
        for handle in handles:
            handle.cancel()
        loop.close()


@row
def timer_insert_cancel_at_1m():
    def body(loop, run, delays, handles):
        for delay in delays:
            loop.call_later(delay, run).cancel()
    return with_million_timers(body)


@row
def timer_insert_fire():
    """A million timers, then time passes over them: the clock of asyncio can be moved, libuv's cannot, so there they are
    spread over half a second."""
    def measure(n):
        loop = asyncio.new_event_loop()
        chance = random.Random(1)
        run = Counter().run
        own = not hasattr(loop, "_scheduled")
        delays = [chance.random() * 0.5 if own else far_away(chance) for _ in range(n)]
        offset = 0.0
        if not own:
            real = loop.time
            loop.time = lambda: real() + offset
        with Stopwatch() as watch:
            for delay in delays:
                loop.call_later(delay, run)
            if not own:
                offset = 3700.0
                loop.call_later(0, loop.stop)
            else:
                loop.call_later(0.6, loop.stop)
            loop.run_forever()
        loop.close()
        return watch
    watch = measure(1_000_000)
    return watch.cpu / 1e6, watch.wall / 1e6


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


KEPT = []  # until the process exits: half a million pending tasks need not complain that they are destroyed


def growth(make, n=300_000):
    gc.collect()
    before = resident()
    KEPT.append(make(n))
    gc.collect()
    grown = (resident() - before) / n
    return grown, grown


@row
def future_bytes():
    loop = asyncio.new_event_loop()
    return growth(lambda n: [loop.create_future() for _ in range(n)])


@row
def waiter_bytes():
    loop = asyncio.new_event_loop()
    event = asyncio.Event()

    def make(n):
        tasks = [loop.create_task(event.wait()) for _ in range(n)]
        loop.run_until_complete(asyncio.sleep(0))
        return tasks
    return growth(make)


@row
def suspended_task_bytes():
    loop = asyncio.new_event_loop()
    never = loop.create_future()

    async def body():
        await never

    def make(n):
        tasks = [loop.create_task(body()) for _ in range(n)]
        loop.run_until_complete(asyncio.sleep(0))
        return tasks
    return growth(make)


@row
def timer_bytes():
    loop = asyncio.new_event_loop()
    run = Counter().run
    chance = random.Random(1)
    return growth(lambda n: [loop.call_later(far_away(chance), run) for _ in range(n)])


def main(arguments):
    if "--uvloop" in arguments:
        import uvloop
        uvloop.install()
        arguments.remove("--uvloop")
    if "--versions" in arguments:
        import uvloop
        print(f"CPython {sys.version.split()[0]}, uvloop {uvloop.__version__}")
        return
    for name in arguments or ROWS:
        cpu, wall = ROWS[name]()
        print(name, f"{cpu:.1f} {wall:.1f}", flush=True)
    os._exit(0)


main(sys.argv[1:])
