from __future__ import annotations

import threading
import time

import pytest

from attachment.deadline import DeadlineExceededError, DeadlineRunner


class Clients:
    """Stands in for the SDK's clients, whose connection pool has a lock."""

    def __init__(self, abandoned: threading.Event) -> None:
        self.abandoned = abandoned
        self.lock = threading.Lock()


@pytest.fixture
def never() -> threading.Event:
    """An event that is never set: work that waits for it hangs as in name resolution."""
    return threading.Event()


def test_runner_returns_the_result_and_keeps_the_clients() -> None:
    runner = DeadlineRunner(Clients)
    first = runner.run(lambda clients: clients, 5)
    assert runner.run(lambda clients: clients, 5) is first
    assert not first.abandoned.is_set()


def test_runner_raises_the_error_of_the_work_and_keeps_the_clients() -> None:
    runner = DeadlineRunner(Clients)
    first = runner.run(lambda clients: clients, 5)

    def fail(_: Clients) -> None:
        raise LookupError("refused")

    with pytest.raises(LookupError, match="refused"):
        runner.run(fail, 5)
    assert runner.run(lambda clients: clients, 5) is first


def test_runner_creates_the_clients_again_after_an_error() -> None:
    errors = [ImportError("no SDK")]

    def make(abandoned: threading.Event) -> Clients:
        if errors:
            raise errors.pop()
        return Clients(abandoned)

    runner = DeadlineRunner(make)
    with pytest.raises(ImportError, match="no SDK"):
        runner.run(lambda clients: clients, 5)
    assert isinstance(runner.run(lambda clients: clients, 5), Clients)


def test_runner_abandons_hanging_work_in_a_daemon_thread(never: threading.Event) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(Clients).run(lambda _: never.wait(), 0.05)
    assert time.monotonic() - started < 1
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "work")


def test_runner_abandons_the_creation_of_clients(never: threading.Event) -> None:
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(lambda _: never.wait()).run(lambda _: None, 0.05)


def test_runner_does_not_reuse_the_clients_of_abandoned_work(never: threading.Event) -> None:
    runner = DeadlineRunner(Clients)
    used: list[Clients] = []

    def hang_with_the_lock(clients: Clients) -> None:
        used.append(clients)
        with clients.lock:
            never.wait()

    def take_the_lock(clients: Clients) -> bool:
        used.append(clients)
        with clients.lock:
            return True

    with pytest.raises(DeadlineExceededError):
        runner.run(hang_with_the_lock, 0.05)
    assert runner.run(take_the_lock, 5)
    assert [each.abandoned.is_set() for each in used] == [True, False]


def test_runner_ignores_abandoned_work_that_ends_later() -> None:
    runner = DeadlineRunner(Clients)
    resume, ended = threading.Event(), threading.Event()

    def end_late(_: Clients) -> str:
        resume.wait()
        ended.set()
        return "late"

    with pytest.raises(DeadlineExceededError):
        runner.run(end_late, 0.05)
    fresh = runner.run(lambda clients: clients, 5)
    resume.set()
    assert ended.wait(5)
    assert runner.run(lambda clients: clients, 5) is fresh


def test_runner_does_not_start_work_without_time() -> None:
    started: list[Clients] = []
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(Clients).run(started.append, 0)
    assert started == []
