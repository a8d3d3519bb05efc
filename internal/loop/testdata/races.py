"""What CPython's asyncio does in each race of races_test.go, on virtual time.

    python3.12 races.py > races.txt

Each row is "name: outcome". The Go test plays the same scenes and must give the same rows.
"""
import asyncio
import sys

rows = []


class Clock(asyncio.SelectorEventLoop):
    """Time that jumps to the next timer, and that a callback can push on."""

    def __init__(self):
        self.now = 0.0
        super().__init__()
        select = self._selector.select

        def jump(timeout):
            if timeout:
                self.now += timeout
            return select(0)

        self._selector.select = jump

    def time(self):
        return self.now


def say(error):
    if isinstance(error, BaseExceptionGroup):
        return "[" + " ".join(say(e) for e in error.exceptions) + "]"
    return {
        asyncio.CancelledError: "cancelled", asyncio.TimeoutError: "timeout",
        asyncio.InvalidStateError: "invalid state",
    }.get(type(error), str(error))


async def outcome(aw):
    try:
        return str(await aw)
    except BaseException as error:
        return say(error)


def race(scene):
    """Plays a scene; it gives the outcome as text."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.get_loop().set_exception_handler(lambda *_: None)
        rows.append(scene.__name__.replace("_", " ") + ": " + str(runner.run(scene())))
    return scene


class Broken(Exception):
    pass


async def fails(after, text):
    await asyncio.sleep(after)
    raise Broken(text)


async def gives(after, value):
    await asyncio.sleep(after)
    return value


async def stubborn(value):
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await asyncio.sleep(1)
    return value


async def breaks_when_cancelled(text):
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        raise Broken(text)


def both(first, second):
    """Runs two callbacks in one turn, in this order."""
    loop = asyncio.get_running_loop()
    loop.call_soon(first)
    loop.call_soon(second)


def both_due(when, *callbacks):
    """Makes time jump over everything that is due until when, so that it is due in one turn."""
    loop = asyncio.get_running_loop()
    for after, callback in callbacks:
        loop.call_later(after, callback)

    def push():
        loop.now = when
    loop.call_later(0.5, push)


async def started(aw):
    task = asyncio.ensure_future(aw)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


# Result against timeout.

@race
async def result_before_timeout():
    fut = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(1, fut.set_result, 1)
    return await outcome(asyncio.wait_for(fut, 2))


@race
async def timeout_before_result():
    fut = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(3, lambda: fut.done() or fut.set_result(1))
    return await outcome(asyncio.wait_for(fut, 2)), fut.cancelled()


@race
async def result_and_timeout_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    both_due(5, (1, lambda: fut.set_result(1)))
    return await outcome(asyncio.wait_for(fut, 2)), fut.done()


@race
async def timeout_and_result_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    both_due(5, (3, lambda: fut.done() or fut.set_result(1)))
    return await outcome(asyncio.wait_for(fut, 2)), fut.cancelled()


@race
async def timeout_of_a_stubborn_task():
    return await outcome(asyncio.wait_for(asyncio.ensure_future(stubborn(7)), 2))


@race
async def timeout_of_a_task_that_breaks():
    return await outcome(asyncio.wait_for(asyncio.ensure_future(breaks_when_cancelled("broken")), 2))


@race
async def timeout_zero_of_a_done_future():
    fut = asyncio.get_running_loop().create_future()
    fut.set_result(1)
    return await outcome(asyncio.wait_for(fut, 0))


@race
async def timeout_zero_of_a_pending_future():
    fut = asyncio.get_running_loop().create_future()
    return await outcome(asyncio.wait_for(fut, 0)), fut.cancelled()


@race
async def timeout_zero_of_a_stubborn_task():
    task = await started(stubborn(7))
    return await outcome(asyncio.wait_for(task, 0))


@race
async def cancel_of_one_who_waits_for():
    fut = asyncio.get_running_loop().create_future()
    task = await started(asyncio.wait_for(fut, 9))
    task.cancel()
    return await outcome(task), fut.cancelled()


@race
async def cancel_and_timeout_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    task = await started(asyncio.wait_for(fut, 2))
    both_due(5, (1, task.cancel))
    return await outcome(task), task.cancelling()


@race
async def timeout_and_cancel_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    task = await started(asyncio.wait_for(fut, 2))
    both_due(5, (3, task.cancel))
    return await outcome(task), task.cancelling()


@race
async def nested_timeouts_in_one_turn():
    where = []

    async def inner():
        try:
            async with asyncio.timeout(2):
                await asyncio.sleep(100)
        except TimeoutError:
            where.append("inner")
            raise

    async def outer():
        async with asyncio.timeout(3):
            await inner()
    both_due(5)
    return await outcome(outer()), where


@race
async def timeout_swallowed_by_the_body():
    async def body():
        async with asyncio.timeout(1):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                pass
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()
    return await outcome(asyncio.ensure_future(body()))


# Result against cancel.

@race
async def result_and_cancel_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    task = await started(outcome(fut))
    both(lambda: fut.set_result(1), task.cancel)
    return await task


@race
async def cancel_and_result_in_one_turn():
    fut = asyncio.get_running_loop().create_future()
    task = await started(outcome(fut))
    both(task.cancel, lambda: fut.done() or fut.set_result(1))
    return await task, fut.cancelled()


@race
async def set_and_cancel_in_one_turn():
    event = asyncio.Event()
    task = await started(outcome(event.wait()))
    both(event.set, task.cancel)
    return await task


@race
async def cancel_and_set_in_one_turn():
    event = asyncio.Event()
    task = await started(outcome(event.wait()))
    both(task.cancel, event.set)
    return await task


@race
async def end_of_sleep_and_cancel_in_one_turn():
    task = await started(outcome(asyncio.sleep(1, 1)))
    both_due(5, (2, task.cancel))
    return await task


@race
async def cancel_and_end_of_sleep_in_one_turn():
    task = asyncio.ensure_future(outcome(asyncio.sleep(2, 1)))
    both_due(5, (1, task.cancel))
    return await task


@race
async def cancel_before_the_first_step():
    ran = []

    async def body():
        ran.append(1)
    task = asyncio.ensure_future(body())
    task.cancel()
    return await outcome(task), ran


@race
async def cancel_of_itself_before_it_awaits():
    event = asyncio.Event()

    async def body():
        asyncio.current_task().cancel()
        first = await outcome(event.wait())
        return first, await outcome(asyncio.sleep(1, 1))
    return await outcome(asyncio.ensure_future(body()))


@race
async def cancel_of_itself_before_it_awaits_a_future():
    fut = asyncio.get_running_loop().create_future()

    async def body():
        asyncio.current_task().cancel()
        return await outcome(fut)
    return await outcome(asyncio.ensure_future(body())), fut.cancelled()


@race
async def cancel_of_itself_before_it_returns():
    async def body():
        asyncio.current_task().cancel()
        return 1
    return await outcome(asyncio.ensure_future(body()))


@race
async def cancel_of_itself_before_it_fails():
    async def body():
        asyncio.current_task().cancel()
        raise Broken("broken")
    return await outcome(asyncio.ensure_future(body()))


@race
async def cancel_of_a_task_that_awaits_a_task():
    inner = await started(gives(9, 1))

    async def body():
        return await inner
    task = await started(body())
    task.cancel()
    return await outcome(task), inner.cancelled()


@race
async def cancel_that_is_caught():
    task = await started(stubborn(7))
    task.cancel()
    return await outcome(task), task.cancelling(), task.cancelled()


# Cancel against cancel.

@race
async def cancel_twice_in_one_turn():
    fut = asyncio.get_running_loop().create_future()

    async def body():
        return await outcome(fut), await outcome(asyncio.sleep(1, 1))
    task = await started(body())
    task.cancel()
    task.cancel()
    return await outcome(task), task.cancelling()


@race
async def cancel_twice_of_one_who_waits_for_an_event():
    event = asyncio.Event()

    async def body():
        return await outcome(event.wait()), await outcome(asyncio.sleep(1, 1))
    task = await started(body())
    task.cancel()
    task.cancel()
    return await outcome(task), task.cancelling()


@race
async def cancel_in_two_turns():
    async def body():
        return await outcome(asyncio.sleep(9)), await outcome(asyncio.sleep(9))
    task = await started(body())
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    return await outcome(task), task.uncancel(), task.uncancel(), task.uncancel()


@race
async def cancel_of_a_done_task():
    task = await started(gives(0, 1))
    await task
    return task.cancel(), task.cancelling()


# Settling twice.

@race
async def settle_twice():
    loop = asyncio.get_running_loop()
    answers = []
    for first in "result", "exception", "cancel":
        for second in "result", "exception", "cancel":
            fut = loop.create_future()
            for verb in first, second:
                try:
                    if verb == "cancel":
                        answers.append(str(fut.cancel()))
                    elif verb == "result":
                        answers.append(str(fut.set_result(1)))
                    else:
                        answers.append(str(fut.set_exception(Broken("broken"))))
                except BaseException as error:
                    answers.append(say(error))
            if not fut.cancelled():
                fut.exception()
    return ",".join(answers)


# Gather.

@race
async def gather_with_a_failed_child():
    late = asyncio.ensure_future(gives(5, 5))
    first = await outcome(asyncio.gather(gives(1, 1), fails(2, "two"), fails(3, "three"), late))
    return first, late.done(), await late


@race
async def gather_with_a_cancelled_child():
    child = asyncio.ensure_future(gives(5, 5))
    asyncio.get_running_loop().call_later(1, child.cancel)
    group = asyncio.gather(gives(2, 2), child)
    return await outcome(group), group.cancelled()


@race
async def gather_of_outcomes():
    child = asyncio.ensure_future(gives(5, 5))
    asyncio.get_running_loop().call_later(1, child.cancel)
    results = await asyncio.gather(gives(3, 3), fails(2, "two"), child, return_exceptions=True)
    return [say(r) if isinstance(r, BaseException) else str(r) for r in results]


@race
async def gather_that_is_cancelled():
    children = [await started(gives(5, 5)) for _ in range(2)]
    group = asyncio.gather(*children)
    asyncio.get_running_loop().call_later(1, group.cancel)
    return await outcome(group), [c.cancelled() for c in children]


@race
async def gather_of_outcomes_that_is_cancelled():
    children = [await started(gives(5, 5)), await started(stubborn(7))]
    group = asyncio.gather(*children, return_exceptions=True)
    asyncio.get_running_loop().call_later(1, group.cancel)
    return await outcome(group), [c.cancelled() for c in children]


@race
async def gather_of_done_ones_that_is_cancelled():
    fut = asyncio.get_running_loop().create_future()
    fut.set_result(1)
    group = asyncio.gather(fut)
    return group.cancel(), await outcome(group)


@race
async def gather_of_nothing():
    return await outcome(asyncio.gather())


@race
async def gather_awaited_by_a_task_that_is_cancelled():
    children = [await started(gives(5, 5)), await started(stubborn(7))]

    async def body():
        return await asyncio.gather(*children)
    task = await started(body())
    task.cancel()
    return await outcome(task), task.cancelled(), [c.done() for c in children]


# Wait.

def sizes(pair):
    return [len(s) for s in pair]


@race
async def wait_for_the_first_exception_with_a_cancelled_one():
    child = asyncio.ensure_future(gives(9, 9))
    asyncio.get_running_loop().call_later(1, child.cancel)
    tasks = [child, asyncio.ensure_future(fails(2, "two")), asyncio.ensure_future(gives(3, 3))]
    answer = sizes(await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))
    tasks[1].exception()
    return answer


@race
async def wait_for_the_first_exception_and_there_is_none():
    tasks = [asyncio.ensure_future(gives(n, n)) for n in (1, 2)]
    return sizes(await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))


@race
async def wait_for_the_first_with_a_cancelled_one():
    child = asyncio.ensure_future(gives(9, 9))
    asyncio.get_running_loop().call_later(1, child.cancel)
    return sizes(await asyncio.wait([child, asyncio.ensure_future(gives(3, 3))], return_when=asyncio.FIRST_COMPLETED))


@race
async def wait_with_a_timeout():
    tasks = [asyncio.ensure_future(gives(n, n)) for n in (1, 9)]
    answer = sizes(await asyncio.wait(tasks, timeout=2))
    return answer, [t.cancelled() for t in tasks]


@race
async def wait_for_two_that_end_in_one_turn():
    futs = [asyncio.get_running_loop().create_future() for _ in range(3)]
    both(lambda: futs[2].set_result(1), lambda: futs[0].set_result(1))
    return sizes(await asyncio.wait(futs, return_when=asyncio.FIRST_COMPLETED))


@race
async def wait_that_is_cancelled():
    child = await started(gives(9, 9))
    task = await started(asyncio.wait([child]))
    task.cancel()
    return await outcome(task), child.done()


# Events.

@race
async def set_then_clear_in_one_turn():
    event = asyncio.Event()
    tasks = [await started(outcome(event.wait())) for _ in range(3)]
    event.set()
    event.clear()
    late = await started(outcome(event.wait()))
    return [t.done() for t in tasks], late.done()


# Shield.

@race
async def shield_that_is_cancelled():
    inner = await started(gives(5, 5))
    task = await started(outcome(asyncio.shield(inner)))
    task.cancel()
    return await task, inner.done(), await inner


@race
async def shield_whose_inside_is_cancelled():
    inner = await started(gives(5, 5))
    outer = asyncio.shield(inner)
    inner.cancel()
    return await outcome(outer), outer.cancelled()


@race
async def shield_whose_inside_fails():
    return await outcome(asyncio.shield(fails(1, "inside")))


# Task groups.

async def group(*children, body=None):
    async with asyncio.TaskGroup() as g:
        for c in children:
            g.create_task(c)
        if body:
            await body


@race
async def group_whose_tasks_succeed():
    return await outcome(group(gives(1, 1), gives(2, 2)))


@race
async def group_with_a_failed_task():
    return await outcome(group(fails(1, "one"), gives(9, 9), breaks_when_cancelled("two")))


@race
async def group_whose_body_is_interrupted():
    return await outcome(group(fails(1, "one"), body=asyncio.sleep(9)))


@race
async def group_whose_body_fails():
    return await outcome(group(gives(9, 9), breaks_when_cancelled("child"), body=fails(1, "body")))


@race
async def group_that_is_cancelled():
    task = await started(group(gives(9, 9), gives(8, 8)))
    task.cancel()
    return await outcome(task), task.cancelled(), task.cancelling()


@race
async def group_that_is_cancelled_and_fails():
    task = await started(group(breaks_when_cancelled("child")))
    task.cancel()
    return await outcome(task), task.cancelled()


@race
async def group_with_a_cancelled_task():
    child = gives(9, 9)

    async def body():
        async with asyncio.TaskGroup() as g:
            g.create_task(child).cancel()
            return await g.create_task(gives(1, 1))
    return await outcome(body())


@race
async def group_that_fails_and_is_cancelled_in_one_turn():
    task = await started(group(fails(1, "one"), body=asyncio.sleep(9)))
    both_due(5, (2, task.cancel))
    return await outcome(task), task.cancelling()


for row in rows:
    print(row.replace("'", "").replace('"', ""))
