"""The benchmarks run, and say what they wanted and what they got."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyffipar.system.cpus import usable_cpus

BENCH = Path(__file__).parents[1] / "scripts" / "bench.py"
SUBJECTS = ("dispatch", "kernels", "lift", "skew", "oversubscribe", "scaling", "memory", "processes", "executors")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules it is made of."""
    monkeypatch.syspath_prepend(str(BENCH.parent))
    import bench
    from benchmarks import harness, peers

    class Parts:
        pass

    made: Any = Parts()
    made.bench, made.harness, made.peers = bench, harness, peers
    harness.leave_unpinned()  # the tests that follow want all CPUs
    yield made
    for name in [name for name in sys.modules if name.split(".")[0] in ("bench", "benchmarks")]:
        del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_quick_run_measures_every_figure(subject: str, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH), subject, "--quick", "--json", "--png", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[subject]
    assert found["scheduled"]
    assert all(timing["seconds"] > 0 and timing["spread"] >= 0 for timing in found["timings"])
    whose = {timing["is_ours"] for timing in found["timings"]}
    assert whose == {"memory": set(), "executors": {True}}.get(subject, {True, False})
    assert all(math.isfinite(figure["value"]) and figure["value"] >= 0 for figure in found["figures"])
    goals = [figure for figure in found["figures"] if figure["goal"]]
    assert goals
    assert all(figure["met"] in (True, False) for figure in goals)
    assert all(math.isfinite(value) for curve in found["curves"] for value in (*curve["seconds"], *curve["model"]))
    assert bool(found["curves"]) == (subject == "scaling")
    assert (tmp_path / f"{subject}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot keep a program to a CPU")
@pytest.mark.parametrize("subject", ["dispatch", "kernels", "lift", "skew", "oversubscribe", "scaling", "processes"])
def test_on_one_cpu_what_wants_two_is_named_and_the_rest_is_measured(subject: str, tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    alone = "import os, sys; os.sched_setaffinity(0, {%d}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", alone % cpu, str(BENCH), subject, "--quick", "--json", "--png", str(tmp_path)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[subject]
    assert found["cpus"] == 1
    assert found["timings"] or subject == "processes"
    shared = [timing["name"] for timing in found["timings"] if "2 threads" in timing["name"]]
    # several callers on few CPUs are what oversubscription is; numba refuses to start more threads than CPUs
    wanted = "numba" if subject == "oversubscribe" else "2 threads want as many CPUs, and this program may use 1"
    assert bool(shared) == (subject == "oversubscribe")
    assert (
        wanted in "\n".join(found["missing"])
        or subprocess.run([sys.executable, "-c", "import numba"], capture_output=True, check=False).returncode
    )
    assert all(math.isfinite(figure["value"]) for figure in found["figures"])
    assert (tmp_path / f"{subject}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(usable_cpus() < 2, reason="two threads share the work")
def test_the_timelines_of_the_documentation_can_be_made_again(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH), "skew", "--quick", "--trace", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    shown = (BENCH.parents[1] / "docs" / "tracing.md").read_text(encoding="utf-8")
    assert "scripts/bench.py skew --trace docs/pictures" in " ".join(shown.split())
    for title in ("chunk(min = 400, max = 400)", "no clause"):
        assert f"{title}:\n1 call of rows took " in done.stdout
        assert f"{title}:\n1 call of rows took " in shown
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_every_subject_is_tried(parts: Any) -> None:
    assert parts.bench.SUBJECTS == SUBJECTS
    assert {path.stem for path in (BENCH.parent / "benchmarks").glob("*.py")} == {
        *SUBJECTS, "__init__", "harness", "peers", "pictures", "processes_child", "executors_child", "timeline",
    }  # fmt: skip


def test_cases_take_turns(parts: Any) -> None:
    called: list[str] = []
    cases = {name: lambda name=name: called.append(name) for name in "ab"}
    timings = parts.harness.interleave(cases, repeats=2, pause=0)
    assert called == [*"ab", *"ba", *"ab"]
    assert [(timing.name, timing.repeats) for timing in timings.values()] == [("a", 2), ("b", 2)]


def test_a_case_of_microseconds_is_called_often_and_its_time_is_that_of_one_call(parts: Any) -> None:
    called: list[int] = []
    timing = parts.harness.interleave({"a": lambda: called.append(1)}, repeats=3, pause=0, times={"a": 100})["a"]
    assert len(called) == 1 + 3 * 110
    assert timing.seconds < 1e-3


def test_goals_stand_beside_what_was_measured_met_or_not(parts: Any) -> None:
    harness = parts.harness
    report = harness.Report({"a": harness.Timing("a", 2e-6, 0.1, 3)})
    report.compare("small enough", 1.0, at_most=1.5)
    report.compare("too small", 1.0, at_least=1.5, unit="us")
    report.compare("free", 2.0)
    report.compare("not known", report.seconds("b") / report.seconds("a"), at_least=1)
    report.missing.append("b: it is not there")
    assert [entry.met for entry in report.figures] == [True, False, None]
    lines = harness.show(report).splitlines()
    assert lines[1].split() == ["a", "2", "us", "10%"]
    assert [line.split()[-1] for line in lines[3:6]] == ["reached", "REACHED", "x"]
    assert "NOT REACHED" in lines[4]
    assert lines[6] == "not measured: b: it is not there"
    assert json.loads(json.dumps(harness.as_json(report)))["missing"] == ["b: it is not there"]


def test_a_peer_that_is_not_installed_is_named(parts: Any) -> None:
    report = parts.harness.Report()
    assert parts.peers.peer("math", report) is math
    assert parts.peers.peer("no_such_peer", report) is None
    assert report.missing == ["no_such_peer: No module named 'no_such_peer' (pip install --group bench)"]


def test_a_peer_that_fails_is_named_and_not_measured(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Peer:
        limit = 1

        def set_num_threads(self, threads: int) -> None:
            if threads > self.limit:
                raise ValueError(f"at most {self.limit}\nand much more")

    def fail() -> None:
        raise RuntimeError("it does not compile")

    monkeypatch.setitem(sys.modules, "a_peer", Peer())
    report = parts.harness.Report()
    assert parts.peers.peer_cases("a_peer", report, 2, lambda _: {"a": print}) == {}
    assert parts.peers.peer_cases("a_peer", report, 1, lambda _: {"a": list, "b": fail}) == {}
    assert report.missing == ["a_peer: ValueError: at most 1", "a_peer: RuntimeError: it does not compile"]
    assert parts.peers.peer_cases("a_peer", report, 1, lambda _: {"a": list}) == {"a": list}
    assert len(report.missing) == 2


def test_what_wants_more_cpus_than_there_are_is_named(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.harness, "_there", [2])
    report = parts.harness.Report()
    assert report.has_cpus("two", 2)
    assert not report.has_cpus("three", 3)
    assert report.missing == ["three: 3 threads want as many CPUs, and this program may use 2"]


def test_a_subject_that_fails_among_all_is_named(
    parts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: object) -> Any:
        subject = command[2]
        if subject == "lift":
            return subprocess.CompletedProcess(command, 7, stdout="half of it")
        return subprocess.CompletedProcess(command, 0, stdout=json.dumps({subject: {}}))

    monkeypatch.setattr(parts.bench.subprocess, "run", run)
    assert parts.bench.main(["all", "--json"]) == 7
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(SUBJECTS)
    assert found["lift"]["missing"] == ["everything: lift ended with status 7"]


def test_help_says_of_every_subject_what_it_is(parts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parts.bench.main(["lift", "--help"])
    told = capsys.readouterr().out
    for subject in (*SUBJECTS, "all"):
        assert re.search(rf"^  {subject} +[A-Z].*\.$", told, re.MULTILINE), subject


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lift", "--png", "{file}/below"], "--png {file}/below: it is no folder that can be written to"),
        (["lift", "--beside", "{file}", "--png", "."], "it is for scaling, which has curves; lift has none"),
        (["lift", "--trace", "."], "--trace .: it records calls of skew, not of lift"),
        (["skew", "--trace", "{file}"], "--trace {file}: it is no folder that can be written to"),
        (["scaling", "--beside", "{file}"], "it is drawn in a picture: say --png FOLDER, too"),
        (["scaling", "--beside", "{file}", "--png", "."], "not what `bench.py scaling --json` prints"),
        (["all", "--beside", "{file}.not", "--png", "."], "it cannot be read: No such file or directory"),
    ],
)
def test_a_command_line_that_cannot_be_followed_is_refused_before_anything_is_measured(
    parts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    words: list[str], told: str,
) -> None:  # fmt: skip
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.write_text("{}")
    monkeypatch.setattr(parts.harness, "schedule", lambda **_: pytest.fail("it went on"))
    with pytest.raises(SystemExit, match="2"):
        parts.bench.main([word.format(file=file) for word in words])
    assert told.format(file=file) in capsys.readouterr().err


def test_pictures_show_whose_times_are_whose_and_no_empty_axes(
    parts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import pictures
    from matplotlib.colors import to_hex

    drawn: list[Any] = []

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda picture, *_, **__: drawn.append(picture))
    timings = parts.harness.interleave(
        parts.harness.ours({"erf, 1 thread": list}) | {"a peer of pyffipar": list}, repeats=1, pause=0
    )
    goals = [parts.harness.figure("none", 0.0, at_most=8), parts.harness.figure("free", 1.0)]
    for report in (
        parts.harness.Report(timings, goals), parts.harness.Report(figures=goals), parts.harness.Report(timings),
        parts.harness.Report(),
    ):  # fmt: skip
        pictures.draw("title", report, tmp_path / "p.png")
    assert [len(picture.axes) for picture in drawn] == [2, 1, 1, 0]
    assert [to_hex(bar.get_facecolor()) for bar in drawn[0].axes[0].patches] == [
        pictures.BLUE.lower(), pictures.GREY.lower(),
    ]  # fmt: skip
    assert drawn[1].axes[0].get_xlim()[1] < 1000


def test_the_curves_of_another_machine_are_drawn_beside(parts: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import pictures

    report = parts.harness.Report(curves=[parts.harness.Curve("sum", (1, 2), (2.0, 1.0), (2.0, 1.1), {})])
    other = {"curves": [{"name": "sum", "threads": [1, 4], "seconds": [2.0, 0.5], "model": [2.0, 0.6]}]}
    pictures.draw("alone", report, tmp_path / "one.png")
    pictures.draw("beside", report, tmp_path / "two.png", other)
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("verdict", ["allowed", "refused"])
def test_the_real_time_scheduler_is_taken_where_it_is_allowed_whoever_asks(
    parts: Any, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    """Root in a container is refused more often than not."""
    started: list[object] = []

    def refuse(*_: object) -> None:
        if verdict == "refused":
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv(parts.harness.GUARD, "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command))
    parts.harness.schedule(realtime=True)
    assert bool(started) == bool(os.environ[parts.harness.GUARD]) == (verdict == "allowed")
    before = len(started)
    parts.harness.schedule(realtime=False)
    assert len(started) == before


def test_where_no_other_scheduler_may_be_chosen_threads_are_pinned(tmp_path: Path) -> None:
    code = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
from benchmarks import harness
os.environ.pop(harness.GUARD, None)
before = sorted(os.sched_getaffinity(0))
wait = threading.Event()
thread = threading.Thread(target=wait.wait, daemon=True)
thread.start()
harness.pin_threads()
print(sorted(os.sched_getaffinity(0)) == before[:1] or len(before) == 1)
print(sorted(os.sched_getaffinity(thread.native_id)) == before[1:2] or len(before) == 1)
print("threads pinned" in harness.scheduled() or len(before) == 1)
wait.set()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(BENCH.parent)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["True"] * 3
