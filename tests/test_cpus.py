"""CPUs: affinity, cgroup quotas of both versions wherever they are set, and the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyffipar.system import cpus

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Affinity allows 64 CPUs, so that a quota is what binds."""
    monkeypatch.setattr(cpus, "_allowed_cpus", lambda: 64)


class Tree:
    """A made-up /proc/self and cgroup mount in one folder."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.mount = folder / "cgroup mount"  # the blank is escaped in mountinfo
        self.proc.mkdir()
        self.mount.mkdir()

    def describe(self, cgroup: str, kind: str, options: str, root: str = "/") -> None:
        point = str(self.mount).replace(" ", "\\040")
        (self.proc / "cgroup").write_text(cgroup)
        (self.proc / "mountinfo").write_text(
            "22 1 0:20 / /proc rw shared:5 - proc proc rw\n"
            f"30 22 0:26 {root} {point} rw,nosuid shared:9 master:1 - {kind} cgroup {options}\n"
        )

    def v2(self, group: str, root: str = "/") -> None:
        self.describe(f"0::{group}\n", "cgroup2", "rw,nsdelegate", root)

    def v1(self, group: str, root: str = "/") -> None:
        cgroup = f"5:memory:/elsewhere\n4:cpu,cpuacct:{group}\n0::/ignored\n"
        self.describe(cgroup, "cgroup", "rw,cpu,cpuacct", root)

    def write(self, group: str, **files: str) -> None:
        folder = self.mount / group.strip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"cpu.{name}").write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_affinity_binds_where_there_is_no_cgroup(tmp_path: Path) -> None:
    assert cpus.usable_cpus(tmp_path / "nothing") == 64


def test_this_process_may_use_some_cpus_but_no_more_than_its_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= cpus.usable_cpus() <= ALL


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the platform has no affinity")
def test_affinity_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpus.usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("400000 100000", 4), ("150000 100000", 2), ("1000 100000", 1), ("max 100000", 64), ("", 64), ("rubbish", 64)],
)
def test_quota_of_version_2_is_rounded_up(tree: Tree, line: str, expected: int) -> None:
    tree.v2("/user/job")
    tree.write("/user/job", max=line)
    assert cpus.usable_cpus(tree.proc) == expected


@pytest.mark.parametrize("level", ["/", "/a", "/a/b", "/a/b/c"])
def test_quota_binds_at_whatever_level_it_is_set(tree: Tree, level: str) -> None:
    tree.v2("/a/b/c")
    tree.write("/a/b/c", max="max 100000")
    tree.write(level, max="300000 100000")
    assert cpus.usable_cpus(tree.proc) == 3


def test_smallest_quota_on_the_way_up_wins(tree: Tree) -> None:
    tree.v2("/a/b")
    tree.write("/a/b", max="500000 100000")
    tree.write("/a", max="200000 100000")
    tree.write("/a/sibling", max="100000 100000")
    assert cpus.usable_cpus(tree.proc) == 2


@pytest.mark.parametrize("level", ["/", "/slurm", "/slurm/job_7"])
def test_quota_of_version_1_binds_at_every_level(tree: Tree, level: str) -> None:
    tree.v1("/slurm/job_7")
    tree.write("/slurm/job_7", cfs_quota_us="-1", cfs_period_us="100000")
    tree.write(level, cfs_quota_us="250000", cfs_period_us="100000")
    assert cpus.usable_cpus(tree.proc) == 3


def test_version_1_without_limit(tree: Tree) -> None:
    tree.v1("/")
    tree.write("/", cfs_quota_us="-1", cfs_period_us="100000")
    assert cpus.usable_cpus(tree.proc) == 64


def test_container_sees_only_its_own_subtree(tree: Tree) -> None:
    tree.v1("/docker/abc/inner", root="/docker/abc")
    tree.write("/", cfs_quota_us="600000", cfs_period_us="100000")
    tree.write("/inner", cfs_quota_us="500000", cfs_period_us="100000")
    assert cpus.usable_cpus(tree.proc) == 5


@pytest.mark.parametrize("group", ["/../../outside", "/kubepods/pod9"])
def test_group_outside_the_mount_falls_back_to_the_mount(tree: Tree, group: str) -> None:
    tree.v2(group, root="/docker/abc" if "pod9" in group else "/")
    tree.write("/", max="200000 100000")
    assert cpus.usable_cpus(tree.proc) == 2


def test_own_variable_goes_before_openmp() -> None:
    assert cpus.default_threads({"PYFFIPAR_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}) == 3
    assert cpus.default_threads({"OMP_NUM_THREADS": " 5 , 2"}) == 5


@pytest.mark.parametrize("environ", [{}, {"PYFFIPAR_NUM_THREADS": "", "OMP_NUM_THREADS": " "}])
def test_without_a_variable_every_usable_cpu_is_used(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "usable_cpus", lambda: 11)
    assert cpus.default_threads(environ) == 11


def test_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYFFIPAR_NUM_THREADS", "17")
    assert cpus.default_threads() == 17


@pytest.mark.parametrize("variable", cpus.THREAD_VARIABLES)
@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", "³", ",4", "4 2"])
def test_nonsense_is_refused_by_the_variables_name(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=variable) as caught:
        cpus.default_threads({variable: text})
    assert repr(text) in str(caught.value)
