from __future__ import annotations

import signal
import socket
import time

import pytest

from attachment.deadline import DeadlineExceededError, deadline


def test_work_that_ends_in_time_is_left_alone() -> None:
    with deadline(5):
        done = True
    assert done
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_wait_that_never_ends_is_interrupted() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(DeadlineExceededError), deadline(0.05):
        ours.recv(1)


def test_code_that_swallows_every_exception_is_interrupted_all_the_same() -> None:
    def stubborn() -> None:
        while True:
            try:
                time.sleep(1)
            except Exception:  # noqa: BLE001, S112, PERF203
                continue

    with pytest.raises(DeadlineExceededError), deadline(0.05):
        stubborn()


def test_without_time_left_the_work_is_not_begun() -> None:
    begun = False
    with pytest.raises(DeadlineExceededError), deadline(0):
        begun = True
    assert not begun


def test_the_signal_handler_of_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with deadline(1):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
