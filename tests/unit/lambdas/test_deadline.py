from __future__ import annotations

import threading
import time

import pytest

from attachment.deadline import DeadlineExceededError, WorkWithDeadline


class Clients:
    """Stands for the clients of the SDK, whose pool has a lock."""

    def __init__(self, abandoned: threading.Event) -> None:
        self.abandoned = abandoned
        self.lock = threading.Lock()


@pytest.fixture
def never() -> threading.Event:
    """An event that nobody sets: work that waits for it hangs as in a name resolution."""
    return threading.Event()


def test_work_returns_its_result_and_its_clients_are_kept() -> None:
    work = WorkWithDeadline(Clients)
    first = work.run(lambda clients: clients, 5)
    assert work.run(lambda clients: clients, 5) is first
    assert not first.abandoned.is_set()


def test_an_error_is_raised_and_the_clients_are_kept() -> None:
    work = WorkWithDeadline(Clients)
    first = work.run(lambda clients: clients, 5)

    def fail(_clients: Clients) -> None:
        raise LookupError("refused")

    with pytest.raises(LookupError, match="refused"):
        work.run(fail, 5)
    assert work.run(lambda clients: clients, 5) is first


def test_an_error_while_the_clients_are_made_is_raised_and_they_are_made_again() -> None:
    errors = [ImportError("no SDK")]

    def make(abandoned: threading.Event) -> Clients:
        if errors:
            raise errors.pop()
        return Clients(abandoned)

    work = WorkWithDeadline(make)
    with pytest.raises(ImportError, match="no SDK"):
        work.run(lambda clients: clients, 5)
    assert isinstance(work.run(lambda clients: clients, 5), Clients)


def test_work_that_hangs_is_abandoned_in_time(never: threading.Event) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        WorkWithDeadline(Clients).run(lambda _: never.wait(), 0.05)
    assert time.monotonic() - started < 1


def test_clients_that_cannot_be_made_are_abandoned_in_time(never: threading.Event) -> None:
    with pytest.raises(DeadlineExceededError):
        WorkWithDeadline(lambda _: never.wait()).run(lambda _: None, 0.05)


def test_a_lock_that_abandoned_work_holds_does_not_stop_the_next(never: threading.Event) -> None:
    work = WorkWithDeadline(Clients)
    seen: list[Clients] = []

    def hang_with_the_lock(clients: Clients) -> None:
        seen.append(clients)
        with clients.lock:
            never.wait()

    def take_the_lock(clients: Clients) -> bool:
        seen.append(clients)
        with clients.lock:
            return True

    with pytest.raises(DeadlineExceededError):
        work.run(hang_with_the_lock, 0.05)
    assert work.run(take_the_lock, 5)
    abandoned, fresh = seen
    assert (abandoned.abandoned.is_set(), fresh.abandoned.is_set()) == (True, False)


def test_abandoned_work_that_ends_later_gives_nothing_to_the_next() -> None:
    work = WorkWithDeadline(Clients)
    go_on, gone = threading.Event(), threading.Event()

    def late(_clients: Clients) -> str:
        go_on.wait()
        gone.set()
        return "late"

    with pytest.raises(DeadlineExceededError):
        work.run(late, 0.05)
    fresh = work.run(lambda clients: clients, 5)
    go_on.set()
    assert gone.wait(5)
    assert work.run(lambda _: "in time", 5) == "in time"
    assert work.run(lambda clients: clients, 5) is fresh


def test_without_time_left_the_work_is_not_begun() -> None:
    begun: list[Clients] = []
    with pytest.raises(DeadlineExceededError):
        WorkWithDeadline(Clients).run(begun.append, 0)
    assert begun == []


def test_work_that_hangs_does_not_keep_the_process(never: threading.Event) -> None:
    with pytest.raises(DeadlineExceededError):
        WorkWithDeadline(Clients).run(lambda _: never.wait(), 0.01)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "work")
