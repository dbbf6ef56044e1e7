"""Worker processes that somebody kills: idle ones are replaced, and one at work is an error."""

from __future__ import annotations

from typing import Any


def test_workers_that_somebody_kills_are_replaced(scene: Any) -> None:
    told = scene("""
        apart("who")(np.ones(50))
        server, = children()
        workers = children(server)
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not children(server), "the workers are gone")
        assert apart("total")(np.ones(5000)) == 5000
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), "the server is gone")
        assert apart("total")(np.ones(5000)) == 5000
        for worker in descendants():
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, descendants())), "all are gone")
        assert apart("total")(np.ones(5000)) == 5000
        say("done")
    """)
    assert told.stdout == "done\n"
    assert told.stderr == ""


def test_whether_a_killed_worker_is_missed_before_it_is_given_something_makes_no_difference(scene: Any) -> None:
    told = scene("""
        def workers():
            return children(children()[0])
        apart("who")(np.ones(50))
        for turn in range(20):  # dying, when the call begins
            for worker in workers():
                os.kill(worker, signal.SIGKILL)
            assert apart("total")(np.ones(5000)) == 5000
        apart("who")(np.ones(50))
        for worker in workers():  # stopped, it takes what it is sent and does nothing with it
            os.kill(worker, signal.SIGSTOP)
        future = apart("total").submit(np.ones(5000))
        time.sleep(0.3)
        for worker in workers():
            os.kill(worker, signal.SIGKILL)
        assert future.result(timeout=60) == 5000
        say("done")
    """)
    assert told.stdout == "done\n"
    assert told.stderr == ""


def test_a_worker_killed_at_work_is_an_error_whoever_killed_it(scene: Any) -> None:
    told = scene("""
        def killed(victims):
            gate, y = pf.shared_empty(1, np.int64), pf.shared_empty(4)
            future = apart("held").submit(np.ones(4), gate=gate, out=y)
            wait_until(lambda: (y == -2).sum() == 2, "both workers are inside")
            for process in victims():
                os.kill(process, signal.SIGKILL)
            try:
                future.result(timeout=60)
            except pf.ChunkError as error:
                say(str(error).split("its worker process ")[1].split("\\n")[0])
            gate[0] = 1
            assert apart("held")(np.ones(4), gate=gate).tolist() == [1.0] * 4
        killed(lambda: children(children()[0]))
        killed(descendants)  # with the server nobody is left who could tell
    """)
    first, second = told.stdout.splitlines()
    assert first == "was killed by SIGKILL"
    assert second in ("was killed by SIGKILL", "ended, and nobody knows how")
    assert told.stderr == ""
