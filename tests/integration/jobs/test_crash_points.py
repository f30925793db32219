"""A kill at every point of a job's whole path, twice over: nothing lost, nothing doubled, nothing half.

No list of points is kept here. A clean life tells which there are (`support.crash_points`), and one more life is
killed at each of them. See docs/adr/0023-crash-points.md.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.crash_points import HOWS
from support.crash_scenarios import KINDS, ORIGINALS
from support.model_examples import RATE
from support.numbered import read_movie_numbers, write_numbered_movie
from support.zygote import Outcome, Zygote

from sidecar.credentials.verify import verify_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

NAME = "A001_010_LTX_v001"
FRAMES = 10
TAKE_BYTES = FRAMES * 12 + 8  # of tiny frames, and a signature
KILLED = {"exit": 137, "kill": -9}
NOT_REACHED = "was never reached"
TRIES = 5
# How often progress is written, and which calls happen to share a transaction, depends on the machine's speed:
# a life may do without a point of these.
PASSING = ("record_progress", "Advanced", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True)
class Plan:
    """What is killed.

    Args:
        scenario: One of `crash_scenarios.SCENARIOS`.
        kind: Kind of the job.
        fresh: In a state folder that is not there yet.
        before: Calls of the zygote that come first.
    """

    scenario: str
    kind: str = "retake"
    fresh: bool = False
    before: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class House:
    """Where lives are lived.

    Args:
        zygote: Runs them.
        roots: Folder for their folders; in memory where there is such a thing, since no power is cut here.
        started: A state folder that a sidecar has used before.
    """

    zygote: Zygote
    roots: Path
    started: Path

    def call(self, name: str, root: Path, scenario: str, kind: str, **points: object) -> Outcome:
        return self.zygote.call(
            f"support.crash_scenarios:{name}",
            root=str(root),
            scenario=scenario,
            kind=kind,
            **points,
        )

    def new_root(self, plan: Plan) -> Path:
        """A folder with originals and what the plan says came before."""
        root = Path(tempfile.mkdtemp(dir=self.roots))
        for number, name in enumerate(ORIGINALS):
            if plan.scenario == "real_job":
                shutil.copy2(self.roots / name, root / name)
            else:
                (root / name).write_bytes(b"original %d" % number)
        if not plan.fresh:
            shutil.copytree(self.started, root / "state")
        for before in plan.before:
            self.call(root=root, kind=plan.kind, **before)
        return root

    def points(self, plan: Plan) -> list[str]:
        """The points of a clean life, in the order in which they were reached."""
        root = self.new_root(plan)
        record = root.with_suffix(".points")
        outcome = self.call("live", root, plan.scenario, plan.kind, record=str(record))
        assert outcome.returncode == 0
        shutil.rmtree(root)
        return record.read_text().splitlines()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() else tmp_path_factory.mktemp("lives")
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="ltxb-crash-") as roots,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]), prepend=":")
        with Zygote("support.crash_scenarios") as zygote:
            house = House(zygote, Path(roots), Path(roots) / "state")
            root = house.new_root(Plan("nothing", fresh=True))
            assert house.call("finish", root, "nothing", "retake").returncode == 0
            (root / "state").rename(house.started)
            shutil.rmtree(root)
            yield house


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_anywhere_in_a_job_of_any_kind(house, kind, how):
    plan = Plan("job", kind)
    points = house.points(plan)
    assert_hears_the_whole_path(points, sources=kind != "generate")
    kill_at_each(house, plan, how, points)


def assert_hears_the_whole_path(points, *, sources):
    """The listeners listen: what ADR-0023 names is there, so an empty list cannot pass for a clean one."""
    steps = [
        "server sql INSERT in create",
        "server sql UPDATE in claim",
        "server say Start",
        "worker hear Start",
        *(["worker stage before open_span"] if sources else []),
        "worker stage before write",
        "worker stage after finishing",
        "worker stage after check_take",
        "worker stage after sign",
        "worker stage after verify",
        "worker say Finished",
        "server hear Finished",
        "server sql UPDATE in record_draft",
        "server file fsync_file .c2pa.part",
        "server os link .c2pa",
        "server os remove .c2pa.part",
        "server os link .mov",
        "server os remove .mov.part",
        "server file fsync_folder takes",
        "server sql UPDATE in succeed",
        "server scenario ended",
    ]
    found = [points.index(step) for step in steps]
    assert found == sorted(found)


def kill_at_each(house, plan, how, points):
    """One life for each occurrence of each point, several at once, since most of a life is waiting."""
    cases = [
        (point, number)
        for point, count in Counter(points).items()
        for number in range(1, count + 1)
    ]
    assert cases
    with ThreadPoolExecutor(6) as threads:
        findings = list(threads.map(lambda case: one_kill(house, plan, how, *case), cases))
    wrong = [
        f"{point}, {number}: {finding}"
        for (point, number), finding in zip(cases, findings, strict=True)
        if finding
    ]
    assert not wrong, "\n".join(wrong)


def one_kill(house, plan, how, point, number):
    """Kill one life at one point, and say what is wrong after the next ones; empty where nothing is."""
    for _ in range(TRIES):
        finding = one_try(house, plan, how, point, number)
        if finding != NOT_REACHED:
            return finding
    # A drain may come before the job has begun to work.
    passing = (*PASSING, "free_bytes") if plan.scenario == "drain" else PASSING
    return "" if any(text in point for text in passing) else NOT_REACHED


def one_try(house, plan, how, point, number):
    root = house.new_root(plan)
    originals = identities(root)
    try:
        points = {"point": point, "number": number, "how": how, "record": None}
        life = house.call("live", root, plan.scenario, plan.kind, **points)
        if point.startswith("server ") and life.returncode == 0:
            return NOT_REACHED
        if life.returncode != (KILLED[how] if point.startswith("server ") else 0):
            return f"ended otherwise: {life}"
        wrong = half_files(root, plan)
        after = house.call("finish", root, plan.scenario, plan.kind)
        if after.returncode != 0:
            return f"could not be carried on: {after}"
        wrong += [*EXPECTED[plan.scenario](root, after.value), *half_files(root, plan)]
        if identities(root) != originals:
            wrong.append("an original was touched")
        wrong += [f"{path.name} was left" for path in takes(root) if path.name.startswith(".")]
        return "; ".join(wrong)
    finally:
        shutil.rmtree(root)


def identities(root):
    """What the originals are: the same files, never written, with the same content."""
    paths = [root / name for name in ORIGINALS]
    return [(p.stat().st_ino, p.stat().st_mtime_ns, p.read_bytes()) for p in paths]


def half_files(root, plan):
    """What an editor would see and could not use."""
    wrong = []
    for path in takes(root):
        if path.suffix != ".mov":
            continue
        if not path.with_suffix(".c2pa").exists():
            wrong.append(f"{path.name} has no manifest")  # which is named first
        if plan.scenario == "real_job":
            verify_file(path, identity_folder=root / "state")
            if len(read_movie_numbers(path)) != FRAMES:
                wrong.append(f"{path.name} is half a take")
        elif path.stat().st_size != TAKE_BYTES:
            wrong.append(f"{path.name} is half a take")
    return wrong


def takes(root):
    folder = root / "takes"
    return sorted(p for p in folder.iterdir() if p.name != "died-once") if folder.exists() else []


def once(root, after):
    """The job succeeded once, and a third life changed nothing."""
    yield from settled(after)
    job = after["lives"][0][0]
    if job["state"] != "succeeded":
        yield f"the job is {job['state']}: {job['error']}"
    elif job["path"] != str(root / "takes" / f"{NAME}.mov"):
        yield f"its take is {job['path']}"
    elif hashlib.sha256(Path(job["path"]).read_bytes()).hexdigest() != job["sha256"]:
        yield "its take is another file"
    names = [path.name for path in takes(root)]
    if names != [f"{NAME}.c2pa", f"{NAME}.mov"]:
        yield f"there are {names}"


def settled(after):
    if after["integrity"] != "ok":
        yield f"the database is damaged: {after['integrity']}"
    if after["lives"][0] != after["lives"][1]:
        yield f"a third life made a difference: {after['lives']}"


def ended_cancelled(root, after):
    yield from settled(after)
    states = [job["state"] for job in after["lives"][0]]
    if states != ["cancelled", "cancelled"]:
        yield f"the jobs are {states}"
    if takes(root):
        yield f"there are {takes(root)}"


def forgotten(root, after):
    yield from settled(after)
    if after["lives"][0]:
        yield f"there are jobs: {after['lives'][0]}"
    names = [path.name for path in takes(root)]
    if names != [f"{NAME}.c2pa", f"{NAME}.mov"]:
        yield f"there are {names}"


EXPECTED = {
    "job": once,
    "real_job": once,
    "retry": once,
    "drain": once,
    "start": once,
    "cancel": ended_cancelled,
    "delete": forgotten,
}


@pytest.mark.parametrize("how", HOWS)
def test_a_kill_anywhere_in_the_first_start(house, how):
    plan = Plan("start", fresh=True)
    points = house.points(plan)
    assert "server sql COMMIT in __init__" in points
    kill_at_each(house, plan, how, points)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("scenario", ["cancel", "retry", "drain"])
def test_a_kill_anywhere_in_a_cancel_a_retry_and_a_drain(house, scenario, how):
    plan = Plan(scenario)
    kill_at_each(house, plan, how, house.points(plan))


@pytest.mark.parametrize("how", HOWS)
def test_a_kill_anywhere_while_a_job_is_forgotten(house, how):
    plan = Plan("delete", before=({"name": "finish", "scenario": "job"},))
    points = house.points(plan)
    assert "server sql DELETE in delete" in points
    kill_at_each(house, plan, how, points)


# Where the life before was killed: with a take nobody noted, with a draft, half published, published.
FIRST_KILLS = (
    "server hear Finished",
    "server file fsync_file .c2pa.part",
    "server os remove .mov.part",
    "server sql UPDATE in succeed",
)


def killed_at(point):
    return {"name": "live", "scenario": "job", "point": point, "record": None}


def start_of(points):
    """The points up to the first look at the queue: what a recovery or a migration does."""
    return points[: points.index("server sql WITH in claim")]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("first", FIRST_KILLS)
def test_a_kill_anywhere_in_the_recovery_from_a_kill(house, first, how):
    plan = Plan("job", before=(killed_at(first),))
    points = start_of(house.points(plan))
    assert "server sql UPDATE in adopt" in points
    kill_at_each(house, plan, how, points)


@pytest.mark.parametrize("how", HOWS)
def test_a_kill_anywhere_while_an_older_database_is_brought_forward(house, how):
    first = killed_at("server os remove .mov.part")
    plan = Plan("job", before=(first, {"name": "age", "scenario": "job"}))
    points = start_of(house.points(plan))
    assert "server file replace .backup" in points
    assert "server sql DROP in __init__" in points
    kill_at_each(house, plan, how, points)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_around_each_real_stage_of_any_kind(house, kind):
    for number, name in enumerate(ORIGINALS, start=1):
        if not (house.roots / name).exists():
            write_numbered_movie(
                house.roots / name, rate=RATE, count=100, size=(64, 36), tag=number
            )
    plan = Plan("real_job", kind)
    points = [point for point in house.points(plan) if point.startswith("worker stage ")]
    # Each stage once, and one picture of many.
    kill_at_each(house, plan, "kill", sorted(set(points)))
