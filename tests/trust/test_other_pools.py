"""Libraries with threads of their own: threadpoolctl limits ours with theirs; the size of OpenMP's teams in workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Scene = Callable[..., Any]  # plays a program of its own

parallel = pytest.mark.parametrize("executor", ["native", "threads"])


def test_threadpoolctl_lists_the_pool(scene: Scene) -> None:
    told = scene(
        """
        import threadpoolctl
        pf.register_threadpoolctl()
        pf.register_threadpoolctl()  # twice is once
        (pool,) = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "pyffipar"]
        say(pool["internal_api"], pool["num_threads"], pool["prefix"], pool["version"] == str(pf._native.ABI_VERSION))
        """,
        PYFFIPAR_NUM_THREADS="3",
    )
    assert told.stdout == "pyffipar 3 libpyffipar True\n"


@parallel
def test_threadpoolctl_limits_calls_whatever_they_ask_for(scene: Scene, executor: str) -> None:
    """With the workers there already: they stay where they are."""
    told = scene(
        """
        import threadpoolctl
        pf.register_threadpoolctl()
        def team(threads):
            return len(set(function("who", executor, threads)(np.ones(300)).tolist()))
        def meeting(threads):
            gate = Gate()
            seen = function("meet", executor, threads)(gate, threads, np.ones(8))
            return len(set(seen.tolist())) if gate.is_good else 0
        before = meeting(4)
        with threadpoolctl.threadpool_limits(1):
            alone = team(4)
        with threadpoolctl.threadpool_limits(2, user_api="pyffipar"):
            two = team(4)
            alone_again = team(1)
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            not_ours = meeting(3)
        after = meeting(4)
        say(before, alone, two <= 2, alone_again, not_ours, after)
        """,
        executor,
        PYFFIPAR_NUM_THREADS="4",
    )
    assert told.stdout == "4 1 True 1 3 4\n"


_REGION = '''
import threadpoolctl
k = pf.compile("""
    #include <omp.h>
    #include <stdatomic.h>
    #include <stddef.h>
    #include <sched.h>
    static _Atomic int arrived;
    void again(void) { arrived = 0; }
    void region(int parties, size_t n, const double *x, int *size) {
        arrived++;
        while (arrived < parties) { sched_yield(); }
        for (size_t i = 0; i < n; i++) {
            int team = (int)x[i];
            #pragma omp parallel
            {
                #pragma omp single
                team = omp_get_num_threads();
            }
            size[i] = team;
        }
    }
""", """
    void again(void);
    void region(int parties, size_t n, const double x[n], int size[n]) chunk(max = 1);
""", flags=["-fopenmp"])
def sizes():
    k.again()
    return sorted(set(k.region.options(executor=executor, threads=2)(2, np.ones(8)).tolist()))
'''


@parallel
def test_openmp_regions_in_workers_have_the_size_that_the_environment_says(scene: Scene, executor: str) -> None:
    """What the manual says to set for functions with parallel regions; without it every worker has a whole team."""
    one = scene(_REGION + "say(sizes())", executor, PYFFIPAR_NUM_THREADS="2", OMP_NUM_THREADS="1")
    assert one.stdout == "[1]\n"
    three = scene(
        _REGION + "say(sizes())", executor, PYFFIPAR_NUM_THREADS="2", OMP_NUM_THREADS="3", OMP_DYNAMIC="false"
    )
    assert three.stdout == "[3]\n"


@parallel
def test_threadpoolctl_limits_openmp_in_the_calling_thread_only(scene: Scene, executor: str) -> None:
    """In OpenMP every thread has a number of its own: so the manual names the environment, not threadpoolctl."""
    told = scene(
        _REGION
        + """
with threadpoolctl.threadpool_limits(1, user_api="openmp"):
    inside = sizes()
say(inside)
""",
        executor,
        PYFFIPAR_NUM_THREADS="2",
        OMP_NUM_THREADS="3",
        OMP_DYNAMIC="false",
    )
    # a Python thread or worker started inside the block has the number of the environment
    assert told.stdout == "[1, 3]\n"


def test_numpys_own_pool_may_be_used_inside_a_callback(stage: Any) -> None:
    a = np.random.default_rng(1).standard_normal((60, 60))
    expected = float((a @ a).sum())
    result = stage.function("apply", "native")(lambda x: x * float((a @ a).sum()), np.ones(50))
    np.testing.assert_allclose(result, expected)
