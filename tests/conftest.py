"""What every test may ask for: the corpus, Debian programs, short folders, a clean environment.

On a machine without a program or the corpus the test skips and says why. In CI (`CI` is set) nothing but a
missing GPU may skip: a skip there is a failure, so that a broken installation cannot look green.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint

if TYPE_CHECKING:  # torch takes seconds to import
    from support.tiny_ltx import TinyModel

REPOSITORY = Path(__file__).resolve().parents[1]

# The tiny model's work is too small to share out: with a thread a core, and a test process a core, torch waits
# for itself (eight times slower on two busy cores). Before torch is imported, and for the processes tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "ltxbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", parent=settings.get_profile("ltxbridge"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "ltxbridge")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing."""
    for mark in item.iter_markers("program"):
        for name in mark.args:
            if shutil.which(name) is None:
                pytest.skip(f"needs the program {name!r}, which is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, turn a skip into a failure."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") is not None
    if os.environ.get("CI") and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"A skip is a failure in CI: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, turn the skip of a whole module into a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"A skip is a failure in CI: {collector.nodeid}: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's own settings, state and keys out of the tests, and the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in tuple(os.environ):
            if name.startswith("LTXBRIDGE_") and name != "LTXBRIDGE_CORPUS":
                patch.delenv(name)
        for name in ("CONFIG", "STATE", "DATA", "CACHE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout the tests are in; the package under test is the installed one."""
    return REPOSITORY


@pytest.fixture(scope="session")
def corpus_dir() -> Path:
    """The folder of real timelines: LTXBRIDGE_CORPUS, else `../shared/corpus` beside the checkout."""
    named = os.environ.get("LTXBRIDGE_CORPUS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip(f"needs the corpus of real timelines, and {folder} is not there")
    return folder


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """An own folder with a path short enough for a Unix socket (104 bytes on macOS)."""
    root = Path(tempfile.gettempdir())
    if len(str(root)) > 40 and Path("/tmp").is_dir():
        root = Path("/tmp")
    with tempfile.TemporaryDirectory(prefix="ltxb-", dir=root) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The tiny LTX-2.3, built once per session whatever the number of its processes."""
    from support.tiny_ltx import shared_cache

    from sidecar.pipelines.ltx23 import tiny

    return tiny.tiny_checkpoint(shared_cache(tmp_path_factory), FileSystem())


@pytest.fixture(scope="session")
def tiny_folder(tiny_checkpoint: Checkpoint) -> Path:
    """Its folder in the diffusers layout; read only."""
    return tiny_checkpoint.path


@pytest.fixture(scope="session")
def tiny_components(tiny_checkpoint: Checkpoint) -> TinyModel:
    """Its loaded components, shared: a test that changes one loads its own with `load_tiny`."""
    from support.tiny_ltx import load_tiny

    return load_tiny(tiny_checkpoint)
