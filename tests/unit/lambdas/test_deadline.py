from __future__ import annotations

import threading

import pytest

from attachment.deadline import DeadlineExceededError, DeadlineRunner


class Clients:
    """Stands in for the SDK's clients, whose connection pool has a lock."""

    def __init__(self, abandoned: threading.Event) -> None:
        self.abandoned = abandoned
        self.lock = threading.Lock()


def _hang(_: object) -> None:
    """Hang as in name resolution."""
    threading.Event().wait()


def _clients(runner: DeadlineRunner[Clients]) -> Clients:
    return runner.run(lambda clients: clients, 5)


def test_runner_keeps_the_clients_after_results_and_errors() -> None:
    runner = DeadlineRunner(Clients)
    first = _clients(runner)

    def fail(_: Clients) -> None:
        raise LookupError("refused")

    with pytest.raises(LookupError, match="refused"):
        runner.run(fail, 5)
    assert _clients(runner) is first
    assert not first.abandoned.is_set()


def test_runner_creates_the_clients_again_after_an_error() -> None:
    errors = [ImportError("no SDK")]

    def make(abandoned: threading.Event) -> Clients:
        if errors:
            raise errors.pop()
        return Clients(abandoned)

    runner = DeadlineRunner(make)
    with pytest.raises(ImportError, match="no SDK"):
        _clients(runner)
    assert isinstance(_clients(runner), Clients)


def test_runner_abandons_hanging_work_and_hanging_clients() -> None:
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(Clients).run(_hang, 0.05)
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(_hang).run(lambda _: None, 0.05)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "work")


def test_runner_does_not_reuse_the_clients_of_abandoned_work() -> None:
    runner = DeadlineRunner(Clients)
    used: list[Clients] = []
    resume, ended = threading.Event(), threading.Event()

    def hang_with_the_lock(clients: Clients) -> None:
        used.append(clients)
        with clients.lock:
            resume.wait()
        ended.set()

    with pytest.raises(DeadlineExceededError):
        runner.run(hang_with_the_lock, 0.05)
    fresh = _clients(runner)
    assert not fresh.lock.locked()
    assert (used[0].abandoned.is_set(), fresh.abandoned.is_set()) == (True, False)
    resume.set()
    assert ended.wait(5)
    assert _clients(runner) is fresh  # work that ends later changes nothing


def test_runner_does_not_start_work_without_time() -> None:
    started: list[Clients] = []
    with pytest.raises(DeadlineExceededError):
        DeadlineRunner(Clients).run(started.append, 0)
    assert started == []
