"""Presets: what is shipped, what a user may write, and what is said of one that cannot be right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import BridgeError, InvalidInputError, NotFoundError
from sidecar.models.checkpoint import LoraUse
from sidecar.pipelines.ltx23.presets import (
    Preset,
    Reference,
    find_preset,
    preset_names,
    shipped_presets,
)

NOIR = """
summary = "Hard light."
recipe = "two-stage"
prompt = "{prompt} Film noir."
checkpoint = "mine"
reference = "edges"

[[lora]]
path = "loras/noir.safetensors"
strength = 0.8

[[lora]]
path = "/elsewhere/grain.safetensors"
"""


def written(folder: Path, content: str | bytes, name: str = "noir.toml") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_shipped_presets_cover_each_way_to_make_a_shot() -> None:
    shipped = shipped_presets()
    assert {"single-stage", "two-stage", "dev", "restyle"} <= set(shipped)
    assert shipped["single-stage"].recipe == "distilled"
    assert shipped["restyle"].reference is Reference.EDGES
    assert all(preset.summary for preset in shipped.values())
    assert preset_names() == set(shipped)


def test_a_users_preset_has_all_it_says_and_relative_paths_start_at_its_folder(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, NOIR)
    assert find_preset("noir", tmp_path) == Preset(
        name="noir",
        summary="Hard light.",
        recipe="two-stage",
        checkpoint="mine",
        loras=(
            LoraUse(tmp_path / "loras" / "noir.safetensors", 0.8),
            LoraUse(Path("/elsewhere/grain.safetensors"), 1.0),
        ),
        reference=Reference.EDGES,
        prompt_template="{prompt} Film noir.",
        origin=str(path),
    )
    assert "noir" in preset_names(tmp_path)


def test_a_users_file_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    written(tmp_path, 'recipe = "distilled"', "dev.toml")
    assert find_preset("dev", tmp_path).recipe == "distilled"
    assert find_preset("dev").recipe == "dev"
    assert preset_names(tmp_path) == preset_names()


def test_a_folder_that_is_not_there_holds_no_presets(tmp_path: Path) -> None:
    assert preset_names(tmp_path / "gone") == preset_names()
    assert find_preset("dev", tmp_path / "gone").recipe == "dev"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "recipe in the preset {path} is missing"),
        ('recipe = "two_stage"', "recipe .* did you mean two-stage"),
        ('recipe = "dev"\npromt = "x"', "unknown key promt; did you mean prompt"),
        ('recipe = "dev"\nprompt = "no place"', "prompt .* once, .* not 0 times"),
        ('recipe = "dev"\nprompt = "{prompt}{prompt}"', "prompt .* not 2 times"),
        ('recipe = "dev"\nprompt = 3', "prompt .* must be text, not 3"),
        ('recipe = "dev"\nsummary = ["x"]', "summary .* must be text"),
        ('recipe = "dev"\ncheckpoint = ""', "checkpoint .* must be text"),
        ('recipe = "dev"\nreference = "edges"', r"reference .* there is no \[\[lora\]\]"),
        ('recipe = "dev"\nlora = "x.safetensors"', r"lora .* \[\[lora\]\] tables"),
        ('recipe = "dev"\n[[lora]]\nstrength = 1.0', "lora 1 path .* is missing"),
        ('recipe = "dev"\n[[lora]]\npath = "x"\nstrenght = 1', "unknown key lora 1 strenght; did you mean strength"),
        ('recipe = "dev"\n[[lora]]\npath = "x"\nstrength = nan', "lora 1 strength .* from -4 to 4"),
        (f'recipe = "dev"\n[[lora]]\npath = "x"\nstrength = {"9" * 400}', "lora 1 strength .* from -4 to 4"),
        (f'recipe = "dev"\n[[lora]]\npath = "x"\nstrength = 0x{"f" * 9000}', "lora 1 strength .* from -4 to 4"),
        ('recipe = "dev"\n[[lora]]\npath = "x"\nstrength = 99', "lora 1 strength .* from -4 to 4"),
        ('recipe = "dev"\n[[lora]]\npath = "x"\nstrength = true', "lora 1 strength .* a number"),
        ('recipe = "dev"\n[[lora]]\npath = "~nobody-here/x"', "lora 1 path .* no home folder"),
        ('recipe = "dev"\nreference = "depth"\n[[lora]]\npath = "x"', "reference .* pictures, edges"),
        ("[[lora]]\npath = 'x'\n" * 9 + "", "recipe .* missing"),
        ('recipe = "dev"\n' + "[[lora]]\npath = 'x'\n" * 9, "lora .* 8 are the most"),
        ("recipe = ", "no valid TOML"),
        (b'recipe = "\xff"', "no valid TOML"),
        ("a = " + "[" * 30_000, "no valid TOML"),
        ("a = " + "9" * 5000, "no valid TOML"),
        (b"#" * (32 * 1024 + 1), "larger than 32 KiB"),
        (b"recipe." + b".".join([b"a"] * 9000) + b" = 1", r"recipe .* must be text, not .'a'"),
    ],
)  # fmt: skip
def test_a_broken_preset_names_the_file_and_the_key(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InvalidInputError, match=said.format(path=path)) as caught:
        find_preset("noir", tmp_path)
    assert caught.value.metadata["path"] == str(path)
    assert str(path) in caught.value.message


def test_a_broken_preset_stops_nothing_but_itself(tmp_path: Path) -> None:
    written(tmp_path, "recipe = ")
    assert find_preset("dev", tmp_path).recipe == "dev"
    assert "noir" in preset_names(tmp_path)
    with pytest.raises(InvalidInputError, match=r"noir\.toml"):
        find_preset("noir", tmp_path)


def test_a_file_no_mark_can_name_is_told(tmp_path: Path) -> None:
    written(tmp_path, 'recipe = "dev"', "my preset.toml")
    with pytest.raises(InvalidInputError, match="Rename the file"):
        preset_names(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
def test_a_pipe_in_the_folder_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "noir.toml")
    with pytest.raises(InvalidInputError, match="no plain file"):
        find_preset("noir", tmp_path)


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="did you mean two-stage"):
        find_preset("twostage", tmp_path)


def test_a_missing_lora_is_told_with_where_to_put_it(tmp_path: Path) -> None:
    restyle = find_preset("restyle", tmp_path)
    (lora,) = restyle.loras
    with pytest.raises(NotFoundError, match=r"union-control.* is not there") as caught:
        restyle.check_files()
    assert str(tmp_path / "loras") in caught.value.message
    assert "(from Lightricks/LTX-2.3-22b-IC-LoRA-Union-Control)" in caught.value.message
    lora.path.parent.mkdir()
    lora.path.touch()
    restyle.check_files()


@given(words=st.text(max_size=40), before=st.text(max_size=20), after=st.text(max_size=20))
def test_the_words_of_an_editor_stand_in_the_template_as_they_are(
    words: str, before: str, after: str
) -> None:
    preset = Preset("p", "", "dev", prompt_template=before + "{prompt}" + after)
    if preset.prompt_template.count("{prompt}") == 1:
        assert preset.prompt(words) == (before + words + after).strip()


@given(content=st.binary(max_size=200))
def test_whatever_is_in_a_file_is_a_preset_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("presets")
    written(folder, content)
    try:
        assert find_preset("noir", folder).name == "noir"
    except BridgeError as error:
        assert "noir.toml" in error.message  # noqa: PT017 - either outcome is right


def test_presets_load_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from sidecar.pipelines.ltx23.presets import find_preset; find_preset('dev');"
        "sys.exit(bool({'torch', 'numpy', 'cv2', 'av'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_systems_and_editors_leave_beside_a_preset_stops_nothing(tmp_path: Path) -> None:
    written(tmp_path, NOIR)
    written(tmp_path, b"\0\5\26\7", "._noir.toml")
    (tmp_path / ".#noir.toml").symlink_to("somebody@somewhere.1234")
    assert find_preset("noir", tmp_path).recipe == "two-stage"
    assert preset_names(tmp_path) == preset_names() | {"noir"}


def test_a_lora_whose_name_no_disk_can_have_is_not_there(tmp_path: Path) -> None:
    written(tmp_path, f'recipe = "dev"\n[[lora]]\npath = "{"a" * 5000}"')
    with pytest.raises(NotFoundError, match="is not there"):
        find_preset("noir", tmp_path).check_files()
