"""`ltxbridge models`, from the shell's side: words, JSON and exit codes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.command import ltxbridge
from support.fake_hub import Hub, Repository, repository_of, running

from ltxbridge.cli.main import run
from ltxbridge.cli.models import models
from sidecar.filesystem import FileSystem
from sidecar.models.catalogue import CATALOGUE
from sidecar.models.licences import ALL, LicenceRecord
from sidecar.models.registry import ModelRegistry

ENTRY = CATALOGUE["ltx-2.3-distilled"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LTXBRIDGE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def weights(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "ltx-2.3-distilled-mine"))


@pytest.fixture
def hub(tiny_folder: Path):
    repository = repository_of(tiny_folder)
    upsampler = repository.files["latent_upsampler/diffusion_pytorch_model.safetensors"]
    repository.files["LICENSE"] = b"the text that counts"
    first, second = ENTRY.sources
    with running(
        {first.repo: repository, second.repo: Repository({second.patterns[0]: upsampler})}
    ) as served:
        yield served


def test_add_list_use_verify_remove(
    state: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "add", str(weights)]) == 0
    said = capsys.readouterr()
    assert "Found: folder, distilled (by its name), 22 files." in said.out
    assert "digesting 100 %" in said.err
    assert run(["models", "add", str(weights), "--name", "second", "--variant", "dev"]) == 0
    assert "ltx-2.3 uses ltx-2.3-distilled-mine; change it with" in capsys.readouterr().out
    assert run(["models", "use", "second"]) == 0
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {each["name"]: each["in_use"] for each in document["checkpoints"]} == {
        "ltx-2.3-distilled-mine": False,
        "second": True,
    }
    assert {each["name"] for each in document["catalogue"]} == set(CATALOGUE)
    assert run(["models", "verify"]) == 0
    assert "second: as it was installed." in capsys.readouterr().out
    assert run(["models", "remove", "second"]) == 0
    assert f"Its files are still in {weights}" in capsys.readouterr().out
    assert [each.name for each in ModelRegistry(state / "models", FileSystem()).checkpoints()] == [
        "ltx-2.3-distilled-mine"
    ]
    assert run(["models", "list"]) == 0
    assert "72 GB to pull" in capsys.readouterr().out


def test_verify_names_the_file_what_was_expected_and_what_is_there(
    state: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert state
    run(["models", "add", str(weights), "--name", "mine"])
    changed = weights / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    (weights / "vocoder" / "config.json").unlink()
    capsys.readouterr()
    assert run(["models", "verify", "mine", "--json"]) == 1
    faults = json.loads(capsys.readouterr().out)["checkpoints"][0]["faults"]
    assert {fault["path"]: fault["found"][:8] for fault in faults} == {
        str(changed): "SHA-256 ",
        str(weights / "vocoder" / "config.json"): "no file",
    }
    assert run(["models", "verify"]) == 1
    assert "2 files differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("use", "nobody"), "No checkpoint is called nobody"),
        (("remove", "nobody"), "No checkpoint is called nobody"),
        (("add", "/nowhere/at-all.safetensors"), "is not there"),
        (("add", "/nowhere/weights.ckpt"), "can run programs"),
    ],
)
def test_what_cannot_be_ends_with_two_and_says_why(
    state: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not state.exists()


def test_pull_shows_both_licences_and_asks_once(state: Path, hub: Hub) -> None:
    command = ["pull", ENTRY.name, "--hub", hub.endpoint]
    runner = CliRunner()
    refused = runner.invoke(models, command, input="y\nn\n")
    assert "was not accepted, so nothing was downloaded" in str(refused.exception)
    assert hub.asked == []
    assert "10 million US dollars" in refused.output
    assert "Gemma Terms of Use" in refused.output
    accepted = runner.invoke(models, command, input="y\n")  # the first is on record
    assert accepted.exit_code == 0, accepted.output
    assert "10 million" not in accepted.output
    assert "The licence that counts:" in accepted.output
    again = runner.invoke(models, command)
    assert again.exit_code == 0
    assert "Do you accept" not in again.output
    record = LicenceRecord(state / "models", FileSystem()).acceptances()
    assert [(each.name, each.digest) for each in record] == [
        (each.name, each.digest) for each in ALL
    ]
    if sys.platform != "win32":
        assert (state / "models" / "licences.json").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("hub", ["ftp://hub.example", "hub.example", "http://[", "http://"])
def test_a_hub_that_is_no_address_is_refused_before_anything_is_asked(
    hub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "pull", ENTRY.name, "--hub", hub]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Write it as https://" in said.err


@pytest.mark.usefixtures("state")
def test_a_token_is_not_sent_in_the_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("hf_secret")
    token.chmod(0o600)
    command = ["models", "pull", ENTRY.name, "--hub", "http://hub.example"]
    assert run([*command, "--token-file", str(token)]) == 2
    said = capsys.readouterr()
    assert "in the clear" in said.err
    assert "hf_secret" not in said.out + said.err


@pytest.mark.usefixtures("state")
def test_verify_says_that_nothing_is_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "verify"]) == 0
    assert capsys.readouterr().out == "Nothing is installed.\n"


def test_scripts_accept_by_an_option_and_still_see_the_terms(state: Path, hub: Hub) -> None:
    done = CliRunner().invoke(
        models, ["pull", ENTRY.name, "--accept-licences", "--hub", hub.endpoint]
    )
    assert done.exit_code == 0, done.output
    assert "10 million US dollars" in done.output
    assert LicenceRecord(state / "models", FileSystem()).missing() == ()


@pytest.mark.parametrize("content", ["", "two words\n", "a\nb\n", "\udcff"])
def test_a_token_file_holds_one_token(
    state: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert run(["models", "pull", ENTRY.name, "--token-file", str(token)]) == 2
    assert "token file" in capsys.readouterr().err
    assert not state.exists()


def test_the_program_itself_and_its_doctor(weights: Path, short_dir: Path) -> None:
    ltxbridge("models", "add", weights, "--name", "mine", folder=short_dir)
    done = ltxbridge("models", "list", folder=short_dir)
    assert "in use  mine" in done.stdout
    report = ltxbridge("doctor", folder=short_dir).stdout
    assert "ltx-2.3 uses mine: distilled" in report
    (weights / "vae" / "config.json").unlink()
    report = ltxbridge("doctor", folder=short_dir, expect=1).stdout
    assert "mine is not whole" in report
