"""What several threads bring at the same moment is done in one go."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.errors import LedgerBusyError
from bridge.together import Together, or_alone

PATIENCE = 30


class Desk:
    """Does one first item alone, and lets the others wait until they are all there."""

    def __init__(self, others: int) -> None:
        self.done: list[list[int]] = []
        self.failing: dict[int, Exception] = {}
        self.together = Together(self.do)
        self._others = others
        self._begun = threading.Event()

    def do(self, items: Sequence[int]) -> Sequence[Exception | None]:
        self._begun.set()
        if items == [0]:
            self._wait_for_the_others()
        self.done.append(list(items))
        return [self.failing.get(item) for item in items]

    def bring_all(self) -> list[BaseException | None]:
        with ThreadPoolExecutor(self._others + 1) as pool:
            first = pool.submit(self.together.add, 0)
            assert self._begun.wait(PATIENCE)
            others = [pool.submit(self.together.add, n + 1) for n in range(self._others)]
            return [it.exception() for it in (first, *others)]

    def _wait_for_the_others(self) -> None:
        waiting = threading.Event()
        for _ in range(PATIENCE * 100):
            if self.together.waiting == self._others:
                return
            waiting.wait(0.01)
        raise AssertionError("they did not come")


def test_what_is_ready_goes_together_and_nothing_waits_for_more() -> None:
    desk = Desk(others=5)
    assert desk.bring_all() == [None] * 6
    first, rest = desk.done
    assert first == [0]
    assert sorted(rest) == [1, 2, 3, 4, 5]


def test_the_trouble_of_one_is_told_to_the_one_who_brought_it() -> None:
    desk = Desk(others=3)
    desk.failing[2] = ValueError("2")
    errors = desk.bring_all()
    assert [type(error) for error in errors] == [type(None), type(None), ValueError, type(None)]


def test_what_goes_wrong_with_all_is_told_to_all() -> None:
    def fail(items: Sequence[int]) -> Sequence[Exception | None]:
        raise OSError(str(items))

    together = Together(fail)
    for item in (1, 2):
        with pytest.raises(OSError, match=str(item)):
            together.add(item)


def test_who_brings_something_gets_what_it_gave() -> None:
    together = Together(lambda items: [item * 2 for item in items])
    assert [together.add(item) for item in (1, 2)] == [2, 4]


def test_what_cannot_be_done_together_is_done_each_alone() -> None:
    def halves(items: Sequence[int]) -> Sequence[float]:
        return [1 / item for item in items]

    first, bad, last = or_alone(halves)([1, 0, 2])
    assert (first, last) == (1, 0.5)
    assert isinstance(bad, ZeroDivisionError)


def test_what_another_program_keeps_all_from_is_not_tried_by_each_alone() -> None:
    tries: list[Sequence[int]] = []

    def locked(items: Sequence[int]) -> Sequence[None]:
        tries.append(items)
        raise LedgerBusyError("the ledger is locked")

    given = or_alone(locked)([1, 2, 3])
    assert [type(it) for it in given] == [LedgerBusyError] * 3
    assert tries == [[1, 2, 3]]
