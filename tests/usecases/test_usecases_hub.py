"""Who watches a job is woken, at once or after a pause that grows with how many they are."""

import asyncio

from stratopt_server.usecases.hub import SECONDS_PER_LISTENER, Hub


async def test_single_listener_is_woken_at_once() -> None:
    """And not by news of another job."""
    hub = Hub()
    with hub.listening("a") as news:
        hub.notify("b")
        assert not news.is_set()
        hub.notify("a")
        assert news.is_set()


async def test_many_listeners_rest_between_wakes() -> None:
    """A second notice within their pause wakes all of them at its end, once; no notice is lost."""
    hub, listeners = Hub(), 40
    with_each = [hub.listening("a") for _ in range(listeners)]
    events = [listening.__enter__() for listening in with_each]
    began = asyncio.get_running_loop().time()
    hub.notify("a")
    assert all(event.is_set() for event in events)
    for event in events:
        event.clear()
    hub.notify("a")
    hub.notify("a")
    assert not any(event.is_set() for event in events)
    async with asyncio.timeout(10):
        await asyncio.gather(*(event.wait() for event in events))
    assert asyncio.get_running_loop().time() - began >= listeners * SECONDS_PER_LISTENER
    for listening in with_each:
        listening.__exit__(None, None, None)
    hub.notify("a")


async def test_everyone_is_woken_at_the_end() -> None:
    """Whatever pauses they have."""
    hub = Hub()
    with hub.listening("a") as first, hub.listening("b") as second:
        hub.notify("a")
        first.clear()
        hub.notify("a")
        hub.notify_all()
        assert first.is_set()
        assert second.is_set()
