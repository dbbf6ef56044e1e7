"""Kernels on large arrays run as jobs that nobody looks after at first: what happens when that is not enough."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import pyffipar as pf
from pyffipar.executors import native
from pyffipar.kernels import prepare
from pyffipar.kernels.jobs import Job

N = 16_000_000  # a job of this size is not over within a single look


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that run during the test, each at its first use."""
    seen: list[Job] = []
    run = Job.run

    def noted(self: Job, arrays: Any = None) -> Any:
        if self not in seen:
            seen.append(self)
        return run(self, arrays)

    monkeypatch.setattr(Job, "run", noted)
    return seen


def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no job is over at once."""
    begin = native.Job.is_done_at_once

    def in_no_time(self: native.Job) -> bool:
        self._template.slice_ns = 0
        try:
            return begin(self)
        finally:
            self._template.slice_ns = native.AT_ONCE

    monkeypatch.setattr(native.Job, "is_done_at_once", in_no_time)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_job_that_is_not_over_at_once_is_taken_up(
    threads: int, job: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(1).standard_normal(N)
    with pf.options(threads=threads):
        expected = pf.sum(x)
        cut_short(monkeypatch)
        assert pf.sum(x) == prepare(pf.sum, x)() == expected
    assert job
    assert all(not one._call._job.state for one in job)


@pytest.mark.parametrize("threads", [1, 2])
def test_nobody_is_in_the_arrays_after_an_interruption_between_two_steps(
    threads: int, job: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come right behind the native call, when workers are at work and nobody looks after them yet."""
    x = np.ones(N)
    cut_short(monkeypatch)
    begin = native.Job.is_done_at_once

    def interrupted(self: native.Job) -> bool:
        if begin(self):
            return True  # a worker has done all of it before the caller looked at the clock
        assert self._job.state
        raise KeyboardInterrupt

    with pf.options(threads=threads):
        monkeypatch.setattr(native.Job, "is_done_at_once", interrupted)
        with pytest.raises(KeyboardInterrupt):
            [pf.sum(x) for _ in range(1000)]
        monkeypatch.undo()
        assert not job[0]._call._job.state
        assert pf.sum(x) == N


def test_jobs_are_not_shared_by_threads_that_call_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(monkeypatch)
    arrays = [np.full(200_000, float(number)) for number in range(8)]
    sums: dict[int, float] = {}

    def add(number: int) -> None:
        for _ in range(20):
            sums[number] = pf.sum(arrays[number])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {number: 200_000.0 * number for number in range(8)}
