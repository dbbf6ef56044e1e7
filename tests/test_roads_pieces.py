"""The pieces of scripts/compare.py: protocol, limits, server, what happens where something is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from roads.common import catalogue, jobs, machine, markdown, measure, tables  # noqa: E402 -- scripts are no package
from roads.common.base import Command, Group, Missing, Work  # noqa: E402
from roads.common.server import Server  # noqa: E402
from roads.common.session import Session, WorkerError  # noqa: E402

ROADS = {road.name: road for road in catalogue.all_roads()}


def compare(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "compare.py"), *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


def worker(code: str) -> Command:
    """A worker that is a few lines of Python."""
    return Command((sys.executable, "-c", code), patience=30)


@pytest.mark.parametrize("road", ROADS.values(), ids=list(ROADS))
def test_a_road_says_what_it_is_in_two_sentences(road: Any) -> None:
    sentences = road.what.replace("np.sum", "").count(". ") + 1
    assert sentences in (2, 3), road.what
    assert road.what.endswith(".")
    assert set(road.jobs) <= {"cpu", "sum", "io"}
    assert set(road.overlaps) <= {"native", "interpreted", "witness", "requests"}
    assert ("io" in road.jobs) == ("requests" in road.overlaps)


def test_names_are_unique() -> None:
    assert len(ROADS) == len(catalogue.all_roads())


def test_an_unknown_road_is_named() -> None:
    done = compare("--only", "threads,horse")
    assert done.returncode == 2
    assert "no road is called horse" in done.stderr


def test_list_says_what_can_be_had() -> None:
    done = compare("--list", "--only", "sequential,threads")
    assert done.returncode == 0
    assert "sequential  [holds the GIL]  available" in done.stdout


def test_without_programs_roads_are_absent_with_their_reason(tmp_path: Path) -> None:
    names = "sequential,c-hold,ctypes-cdll,java,jython,ironpython,pypy,graalpy"
    done = compare("--quick", "--json", "--only", names, PATH=str(tmp_path), PYENV_ROOT="")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["roads"]}
    assert rows.pop("sequential")["status"] == "measured"
    assert {row["status"] for row in rows.values()} == {"absent"}
    assert rows["jython"]["install"] == "apt-get install jython"
    assert "no C compiler" in rows["c-hold"]["reason"]
    assert rows["java"]["reason"] in done.stderr


@pytest.mark.parametrize(("name", "words"), [("rich", []), ("matplotlib", ["--out", "nowhere"])])
def test_a_missing_extra_is_named(tmp_path: Path, name: str, words: list[str]) -> None:
    (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name={name!r})\n")
    done = compare("--quick", "--only", "sequential", *words, PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    assert name in done.stderr
    assert "pip install 'pyffipar[roads]'" in done.stderr


def test_a_worker_that_says_nothing_is_ended() -> None:
    session = Session(Command((sys.executable, "-c", "import time; time.sleep(600)"), patience=0.5), 1)
    with pytest.raises(WorkerError, match="no answer within"), session:
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(session.pid, 0)


def test_the_last_words_of_a_worker_are_told() -> None:
    with pytest.raises(WorkerError, match="it is too late"), Session(worker("raise SystemExit('it is too late')"), 5):
        pass


def test_an_answer_that_is_no_json_is_shown() -> None:
    with pytest.raises(WorkerError, match="well, hello"), Session(worker("print('well, hello')"), 5):
        pass


def test_a_worker_may_find_that_something_is_missing() -> None:
    code = 'print(\'{"missing": "the key", "install": "look for it"}\')'
    with pytest.raises(Missing, match="the key") as caught, Session(worker(code), 5):
        pass
    assert caught.value.install == "look for it"


def test_a_mistake_leaves_the_worker_alive(tmp_path: Path) -> None:
    with Session(ROADS["sequential"].command(tmp_path), 30) as session:
        with pytest.raises(WorkerError, match="no job 'tea'"):
            session.prepare(Work("tea"))
        session.prepare(Work("cpu", size=10))
        assert session.run()["value"] == 55


def test_a_crash_at_the_end_does_not_matter() -> None:
    code = 'import os\nprint(\'{"hello": "me", "gil": true}\', flush=True)\ninput()\nos.abort()'
    with Session(worker(code), 5) as session:
        assert session.hello["hello"] == "me"


def test_the_server_counts() -> None:
    with Server(50) as server:
        threads = [threading.Thread(target=jobs.get, args=(server.port,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = server.count()
        assert counted["served"] == 3
        assert 1 <= counted["most"] <= 3
        assert server.count() == {"most": 0, "served": 0}


def test_expectations_follow_the_gil() -> None:
    pydll, threads, asyncio = ROADS["ctypes-pydll"], ROADS["threads"], ROADS["asyncio-blocking"]
    assert not measure.expected(pydll, "native", gil=True)
    assert measure.expected(pydll, "native", gil=False)
    assert measure.expected(pydll, "requests", gil=False)
    assert not measure.expected(threads, "interpreted", gil=True)
    assert measure.expected(threads, "interpreted", gil=False)
    assert not measure.expected(asyncio, "requests", gil=False)


def test_a_road_that_fails_keeps_its_row() -> None:
    row = measure.Row("x", "What.", Group.HOLDS.value, "C", "", status="failed", reason="it broke").as_json()
    table = tables.overlap_table({"roads": [row]})
    assert table.sections[0][1][0].remark == "failed: it broke"
    assert "failed: it broke" in markdown.sections(table)


def test_spans_that_touch_do_not_overlap() -> None:
    assert measure.together([[0.0, 1.0, 0], [1.0, 2.0, 1]]) == 0
    assert measure.together([[0.0, 2.0, 0], [1.0, 3.0, 1], [1.5, 1.75, 2]]) == 1


def test_cpu_time_of_a_process_is_read_from_outside() -> None:
    before = machine.cpu_seconds(os.getpid())
    jobs.fib(18)
    assert machine.cpu_seconds(os.getpid()) > before
    assert machine.cpu_seconds(2**22 + 1) == 0
    assert machine.peak_memory(os.getpid()) > 1 << 20


def test_expected_results() -> None:
    assert [jobs.expected_fib(n) for n in (0, 1, 10)] == [jobs.fib(n) for n in (0, 1, 10)]
    assert jobs.expected_sum(5000) == jobs.total(jobs.numbers(5000))
    assert jobs.borders(10, 3) == [(0, 3), (3, 6), (6, 10)]
