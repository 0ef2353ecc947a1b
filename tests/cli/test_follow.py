"""Waiting without a queue: a list that grows stands for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pychronix.errors import UsageError
from pychronix.follow import follow


class Growing:
    """Ends where the data ends, goes on there when iterated again; ``script`` is what each sleep brings."""

    def __init__(self, *script: list[int]) -> None:
        self.items: list[int] = []
        self.script = list(script)
        self.slept: list[float] = []
        self.at = 0

    def __iter__(self) -> Iterator[int]:
        while self.at < len(self.items):
            self.at += 1
            yield self.items[self.at - 1]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self.script:
            raise KeyboardInterrupt
        self.items += self.script.pop(0)


def test_it_yields_what_is_there_and_what_comes() -> None:
    source = Growing([1, 2], [], [3])
    got = []
    with pytest.raises(KeyboardInterrupt):
        for item in follow(source, sleep=source.sleep):
            got.append(item)
    assert [1, 2, 3] == got


def test_the_pause_doubles_up_to_its_limit_and_starts_again_after_an_item() -> None:
    source = Growing([], [], [], [], [7], [])
    with pytest.raises(KeyboardInterrupt):
        list(follow(source, poll_ms_min=1, poll_ms_max=5, sleep=source.sleep))
    assert [0.001, 0.002, 0.004, 0.005, 0.005, 0.001, 0.002] == source.slept


def test_a_method_may_stand_for_the_source() -> None:
    source = Growing([1], [2])
    following = follow(source.__iter__, sleep=source.sleep)
    assert [1, 2] == [next(following), next(following)]


def test_it_stops_between_two_items() -> None:
    source, stop = Growing(), threading.Event()
    source.items = [1, 2, 3]
    got = []
    for item in follow(source, stop=stop, sleep=source.sleep):
        got.append(item)
        if item == 2:
            stop.set()
    assert [1, 2] == got
    assert [3] == list(source), "what was not yielded is still there"


def test_it_does_not_begin_when_stopped() -> None:
    source, stop = Growing([1]), threading.Event()
    source.items = [1]
    stop.set()
    assert [] == list(follow(source, stop=stop, sleep=source.sleep))


@pytest.mark.parametrize("source", [5, None, object()])
def test_what_cannot_be_iterated_is_refused_at_once(source: object) -> None:
    with pytest.raises(TypeError, match=r"^follow\(\) takes a tailer or a method of one, not (int|NoneType|object)$"):
        follow(source)  # type: ignore[type-var]


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (2, 1)])
def test_impossible_pauses_are_refused_at_once(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="poll_ms_min"):
        follow([], poll_ms_min=low, poll_ms_max=high)
