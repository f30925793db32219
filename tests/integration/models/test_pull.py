"""Pulling from a hub on loopback: whole, pinned, checked, resumed, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fake_hub import COMMIT, Hub, Repository, repository_of, running

from interchange.errors import (
    ConflictError,
    ExhaustedError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)
from sidecar.filesystem import FileSystem
from sidecar.models.catalogue import CATALOGUE, Entry
from sidecar.models.pull import Pulled, pull
from sidecar.models.registry import ModelRegistry

ENTRY = CATALOGUE["ltx-2.3-distilled"]
REPO = ENTRY.sources[0].repo
WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def hub(tiny_folder: Path):
    repository = repository_of(tiny_folder)
    upsampler = repository.files["latent_upsampler/diffusion_pytorch_model.safetensors"]
    repository.files["README.md"] = b"not asked for"
    repository.files["LICENSE"] = b"the text that counts"
    original = Repository(
        {
            ENTRY.sources[1].patterns[0]: upsampler,
            "ltx-2.3-22b-dev.safetensors": b"never downloaded",
        }
    )
    with running({REPO: repository, ENTRY.sources[1].repo: original}) as served:
        yield served


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models", FileSystem())


def _pulled(hub: Hub, registry: ModelRegistry, entry: Entry = ENTRY, **options: object) -> Pulled:
    given = {"token": None, "progress": lambda *_: None, "filesystem": FileSystem()} | options
    return pull(entry, registry, engine="ltx-2.3", endpoint=hub.endpoint, **given)


def _gets(hub: Hub, name: str) -> list[str | None]:
    return [span for method, path, span in hub.asked if method == "GET" and path.endswith(name)]


def test_a_pull_brings_checks_and_pins_what_was_asked_for(
    hub: Hub, registry: ModelRegistry
) -> None:
    heard: list[tuple[str, int, int]] = []
    pulled = _pulled(hub, registry, progress=lambda *step: heard.append(step))
    checkpoint = pulled.checkpoint
    assert registry.current("ltx-2.3") == checkpoint
    assert checkpoint.variant == "distilled"
    assert checkpoint.source == f"{REPO}@{COMMIT}, Lightricks/LTX-2.3@{COMMIT}"
    assert [path.read_bytes() for path in pulled.licences] == [b"the text that counts"]
    for file in checkpoint.files:
        assert file.sha256 == FileSystem().sha256(file.path)
    assert registry.verify(ENTRY.name) == ()
    assert not (checkpoint.path / "README.md").exists()
    assert not _gets(hub, "ltx-2.3-22b-dev.safetensors")
    done = [step for step in heard if step[2] == heard[-1][2]]
    assert [step[1] for step in done] == sorted(step[1] for step in done)
    assert heard[-1][1] == heard[-1][2] > 5_000_000


def test_a_second_pull_downloads_nothing(hub: Hub, registry: ModelRegistry) -> None:
    first = _pulled(hub, registry).checkpoint
    hub.asked.clear()
    assert _pulled(hub, registry).checkpoint == first
    assert all(path.startswith("/api/") for _, path, _ in hub.asked)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a broken download is whole chunks; really 10 MB each."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)


@pytest.mark.usefixtures("small_chunks")
def test_a_cut_connection_goes_on_where_it_stopped(hub: Hub, registry: ModelRegistry) -> None:
    hub.repositories[REPO].cuts[WEIGHTS] = 2
    _pulled(hub, registry)
    spans = _gets(hub, WEIGHTS)
    assert len(spans) == 3
    assert spans[0] is None
    assert all(span is not None and span != "bytes=0-" for span in spans[1:])
    assert registry.verify(ENTRY.name) == ()


@pytest.mark.usefixtures("small_chunks")
def test_a_pull_that_was_given_up_goes_on_with_the_same_commit(
    hub: Hub, registry: ModelRegistry
) -> None:
    hub.repositories[REPO].cuts[WEIGHTS] = 1000
    with pytest.raises(UnavailableError, match="run the command again to go on"):
        _pulled(hub, registry)
    assert registry.checkpoints() == ()
    hub.repositories[REPO].cuts.clear()
    hub.asked.clear()
    _pulled(hub, registry)
    assert f"/api/models/{REPO}/revision/{COMMIT}" in {path for _, path, _ in hub.asked}
    assert all(span is not None for span in _gets(hub, WEIGHTS))


@pytest.mark.parametrize("file", [WEIGHTS, "vae/config.json"])
def test_a_file_that_is_not_what_the_hub_says_is_never_installed(
    hub: Hub, registry: ModelRegistry, file: str
) -> None:
    """A large one by its SHA-256, a small one by its git digest."""
    hub.repositories[REPO].lies.add(file)
    with pytest.raises(InvalidInputError, match="is not what the hub says it is") as caught:
        _pulled(hub, registry)
    assert caught.value.metadata["file"] == file
    assert registry.checkpoints() == ()
    folder = (registry.folder / "weights" / ENTRY.name / file).parent
    assert not any(Path(file).name in path.name for path in folder.iterdir())
    hub.repositories[REPO].lies.clear()
    _pulled(hub, registry)
    assert registry.verify(ENTRY.name) == ()


def test_a_gated_repository_says_how_to_get_in(hub: Hub, registry: ModelRegistry) -> None:
    hub.repositories[REPO].gated = True
    with pytest.raises(NotAllowedError, match="--token-file"):
        _pulled(hub, registry)
    with pytest.raises(NotAllowedError, match="does not let your token in"):
        _pulled(hub, registry, token="hf_bad")  # noqa: S106
    assert _pulled(hub, registry, token=hub.token).checkpoint.name == ENTRY.name


def test_a_repository_or_file_that_is_gone_is_said(hub: Hub, registry: ModelRegistry) -> None:
    gone = hub.repositories.pop(REPO)
    with pytest.raises(NotAllowedError, match=REPO):
        _pulled(hub, registry)
    hub.repositories[REPO] = Repository({"README.md": b""})
    with pytest.raises(NotFoundError, match="any more"):
        _pulled(hub, registry)
    hub.repositories[REPO] = gone
    del gone.files["connectors/config.json"]
    with pytest.raises(NotFoundError, match=r"connectors/config\.json is missing"):
        _pulled(hub, registry)


@pytest.mark.parametrize(
    "name",
    [
        "../../escape.json",
        "/etc/escape.json",
        "transformer/..\\e.json",
        "transformer/./escape.json",
        "transformer/\0escape.json",
        "transformer/\x1b[2Jescape.json",
        f"transformer/{'a' * 300}escape.json",
    ],
)
def test_a_hub_cannot_write_elsewhere(hub: Hub, registry: ModelRegistry, name: str) -> None:
    hub.repositories[REPO].files[name] = b"{}"
    entry = replace(ENTRY, sources=(replace(ENTRY.sources[0], patterns=("*.json", "*")),))
    with pytest.raises(InvalidInputError, match="would be written elsewhere"):
        _pulled(hub, registry, entry)
    assert not any(registry.folder.parent.rglob("*escape.json"))


class _Small(FileSystem):
    def free_bytes(self, folder: Path) -> int:
        assert folder
        return 1_000_000_000


def test_a_disk_that_is_too_small_is_said_before_anything_arrives(
    hub: Hub, registry: ModelRegistry
) -> None:
    with pytest.raises(ExhaustedError, match=r"1\.0 GB free"):
        _pulled(hub, registry, filesystem=_Small())
    assert all(path.startswith("/api/") for _, path, _ in hub.asked)


def test_no_hub_at_all_is_said(registry: ModelRegistry) -> None:
    with running({}) as hub:
        pass
    with pytest.raises(UnavailableError, match="could not be downloaded"):
        _pulled(hub, registry)


def _each(**said: object) -> Callable[[dict[str, Any]], object]:
    """A listing that says this of every file."""
    return lambda honest: honest | {"siblings": [file | said for file in honest["siblings"]]}


@pytest.mark.parametrize(
    "listing",
    [
        lambda _: None,
        lambda _: [],
        lambda honest: honest | {"siblings": "x"},
        lambda honest: honest | {"sha": "../../main"},
        lambda honest: {key: said for key, said in honest.items() if key != "sha"},
        _each(size="12"),
        _each(size=-1),
        _each(rfilename=5),
        _each(lfs=[1]),
        _each(lfs=None, blobId=None),
        _each(lfs={"sha256": "0", "size": 1, "pointerSize": 1}),
    ],
)
def test_a_listing_that_cannot_be_believed_is_refused_before_anything_arrives(
    hub: Hub, registry: ModelRegistry, listing: Callable[[dict[str, Any]], object]
) -> None:
    """A file without a digest would be installed as whatever arrived."""
    hub.repositories[REPO].listing = listing
    with pytest.raises(InvalidInputError, match="Nothing was downloaded"):
        _pulled(hub, registry)
    assert not [path for method, path, _ in hub.asked if "/resolve/" in path and method == "GET"]


def test_a_token_is_not_shown_to_the_host_a_file_is_kept_at(
    hub: Hub, registry: ModelRegistry
) -> None:
    repository = hub.repositories[REPO]
    repository.gated = True
    with running({REPO: replace(repository, gated=False, away={})}) as elsewhere:
        path = f"{REPO}/resolve/{COMMIT}/{WEIGHTS}"
        repository.away[WEIGHTS] = f"{elsewhere.endpoint.replace('127.0.0.1', 'localhost')}/{path}"
        _pulled(hub, registry, token=hub.token)
        assert elsewhere.shown == [None]
    assert f"Bearer {hub.token}" in hub.shown


def test_two_pulls_at_once_do_not_spoil_each_other(hub: Hub, registry: ModelRegistry) -> None:
    inner: list[str] = []

    def again(*_: object) -> None:
        if not inner:
            with pytest.raises(ConflictError) as caught:
                _pulled(hub, registry)
            inner.append(caught.value.message)

    _pulled(hub, registry, progress=again)
    assert "Another `ltxbridge models pull` works" in inner[0]
    assert registry.verify(ENTRY.name) == ()
