import os
from dataclasses import fields
from pathlib import Path

import pytest

from interchange.errors import InvalidInputError, NotFoundError
from sidecar.__main__ import main
from sidecar.media.paths import PathMapping
from sidecar.settings import (
    OPTION_NAMES,
    ListenAddress,
    Settings,
    command_line,
    default_folders,
    load_settings,
)


def _load(tmp_path, *, overrides=None, toml=None, **environment):
    if toml is not None:
        (tmp_path / "config.toml").write_text(toml, encoding="utf-8")
        environment["LTXBRIDGE_CONFIG"] = str(tmp_path / "config.toml")
    return load_settings(overrides, environment={"HOME": str(tmp_path)} | environment)


def test_every_setting_has_an_option():
    assert set(OPTION_NAMES) == {field.name for field in fields(Settings)}


def test_defaults_need_nothing(tmp_path):
    settings = _load(tmp_path)
    assert settings == Settings(
        state_dir=tmp_path / ".local/state/ltxbridge",
        runtime_dir=tmp_path / ".local/state/ltxbridge/run",
    )


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("engine", ('"a"', "b", "c"), ["a", "b", "c"]),
        ("slate", ("false", "yes", "no"), [False, True, False]),
        ("log_level", ('"debug"', "ERROR", "warning"), ["debug", "error", "warning"]),
        ("log_format", ('"json"', "human", "json"), ["json", "human", "json"]),
        ("drain_grace_s", ("1", "2", "3"), [1, 2, 3]),
        ("state_dir", ('"/a"', "/b", Path("/c")), [Path("/a"), Path("/b"), Path("/c")]),
        (
            "media_roots",
            ('["/a", "/b"]', f"/c{os.pathsep}/d", (Path("/e"),)),
            [(Path("/a"), Path("/b")), (Path("/c"), Path("/d")), (Path("/e"),)],
        ),
        (
            "listen",
            ('"127.0.0.1:1"', "[::1]:2", "localhost:0"),
            [
                ListenAddress("127.0.0.1", 1),
                ListenAddress("::1", 2),
                ListenAddress("127.0.0.1", 0),
            ],
        ),
        ("quota_gb", ("1", "2", "3"), [1, 2, 3]),
        ("worker_memory_gb", ("1", "2", "3"), [1, 2, 3]),
        ("device", ('"cuda:1"', "MPS", "cpu"), ["cuda:1", "mps", "cpu"]),
        ("gpu_memory_gb", ("1", "2", "3"), [1, 2, 3]),
        ("model_cache_gb", ("1", "0", "3"), [1, 0, 3]),
        (
            "metrics",
            ('"127.0.0.1:1"', "[::1]:2", "localhost:3"),
            [
                ListenAddress(host, n)
                for n, host in ((1, "127.0.0.1"), (2, "::1"), (3, "127.0.0.1"))
            ],
        ),
        (
            "notify_command",
            ('["a", "b c"]', "d 'e f'", ["g", "$(h)"]),
            [("a", "b c"), ("d", "e f"), ("g", "$(h)")],
        ),
        ("notify_desktop", ("true", "no", "yes"), [True, False, True]),
        (
            "path_maps",
            ('["/V=/a"]', "/V=/b", ["/V=/c"]),
            [(PathMapping("/V", "/a"),), (PathMapping("/V", "/b"),), (PathMapping("/V", "/c"),)],
        ),
    ],
)
def test_command_line_wins_over_environment_over_file(tmp_path, name, given, expected):
    toml, variable, option = given
    toml = f"{name} = {toml}"
    environment = {f"LTXBRIDGE_{name.upper()}": variable}
    found = [
        getattr(_load(tmp_path, toml=toml), name),
        getattr(_load(tmp_path, toml=toml, **environment), name),
        getattr(_load(tmp_path, toml=toml, overrides={name: option}, **environment), name),
    ]
    assert found == expected


def test_what_the_command_line_does_not_say_counts_as_not_given(tmp_path):
    overrides = {"engine": None, "media_roots": ()}
    settings = _load(tmp_path, toml='engine = "a"\nmedia_roots = ["/m"]', overrides=overrides)
    assert (settings.engine, settings.media_roots) == ("a", (Path("/m"),))


def test_relative_paths_start_where_they_were_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    assert _load(tmp_path, toml='media_roots = ["x/../y"]').media_roots == (tmp_path / "y",)
    assert _load(tmp_path, LTXBRIDGE_MEDIA_ROOTS="z").media_roots == (tmp_path.parent / "z",)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('media_root = ["/m"]', "did you mean media_roots"),
        ('enigne = "x"', "did you mean engine"),
        ("zzz = 1", "there are state_dir"),
        ("engine = 1", "engine in .* must be text"),
        ("slate = 1", "must be yes or no"),
        ("media_roots = 3", "must be a list"),
        ("media_roots = [3]", "must be a path"),
        ('state_dir = ""', "must be a path"),
        ('path_maps = ["x"]', "not a path mapping"),
        ('log_level = "loud"', "must be one of debug, info"),
        ("drain_grace_s = -1", "whole seconds"),
        ("drain_grace_s = true", "whole seconds"),
        ("engine = ", "cannot be read"),
        ('listen = "50051"', "must look like"),
        ('listen = "127.0.0.1:99999"', "must look like"),
        ("quota_gb = -1", "whole gigabytes"),
        ("quota_gb = 1.5", "whole gigabytes"),
        ('device = "gpu"', "must be cuda, cuda:1, mps or cpu"),
        ('device = "cuda:x"', "must be cuda, cuda:1, mps or cpu"),
        ('metrics = "0.0.0.0:9464"', "no other machine"),
        ('metrics = "example.org:9464"', "no other machine"),
        ('metrics = "127.0.0.1:99999"', "no other machine"),
        ('metrics = "9464"', "no other machine"),
        ("notify_command = 1", "must be a list"),
        ("notify_command = []", "must name a program"),
        ('notify_command = [""]', "must name a program"),
        ("notify_command = [1]", "must name a program"),
        ('notify_command = "\'"', "not closed"),
    ],
)
def test_bad_file_is_refused_with_the_setting(tmp_path, toml, said):
    with pytest.raises(InvalidInputError, match=said):
        _load(tmp_path, toml=toml)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "10.0.0.1", "[fe80::1]"])  # noqa: S104 - mutual TLS
def test_address_other_machines_can_reach_is_told_from_loopback(tmp_path, host):
    settings = _load(tmp_path, overrides={"listen": f"{host}:50051"})
    assert not settings.listen.loopback
    assert str(settings.listen) == f"{host}:50051"


@pytest.mark.parametrize("host", ["example.org", "sidecar", "127.1", "2130706433", "0x7f000001"])
def test_name_or_odd_spelling_instead_of_an_address_is_refused(tmp_path, host):
    with pytest.raises(InvalidInputError, match="must be an address") as caught:
        _load(tmp_path, overrides={"listen": f"{host}:50051"})
    assert caught.value.metadata["setting"] == "--listen"


def test_network_address_without_a_fixed_port_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="must name a port"):
        _load(tmp_path, overrides={"listen": "10.0.0.1:0"})


def test_file_that_was_named_must_be_there(tmp_path):
    with pytest.raises(NotFoundError):
        load_settings(config_file=tmp_path / "none.toml", environment={"HOME": str(tmp_path)})
    with pytest.raises(NotFoundError):
        _load(tmp_path, LTXBRIDGE_CONFIG=str(tmp_path / "none.toml"))


def test_other_variables_with_our_prefix_are_left_alone(tmp_path):
    assert _load(tmp_path, LTXBRIDGE_CORPUS="/corpus") == _load(tmp_path)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        (
            "linux",
            {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/run/user/1", "XDG_CONFIG_HOME": "/c"},
            ("/s/ltxbridge", "/run/user/1/ltxbridge", "/c/ltxbridge/config.toml"),
        ),
        (
            "linux",
            {"XDG_STATE_HOME": "relative"},
            (
                "/h/.local/state/ltxbridge",
                "/h/.local/state/ltxbridge/run",
                "/h/.config/ltxbridge/config.toml",
            ),
        ),
        (
            "darwin",
            {},
            tuple(
                f"/h/Library/Application Support/ltxbridge{end}"
                for end in ("", "/run", "/config.toml")
            ),
        ),
        (
            "win32",
            {"LOCALAPPDATA": "/l"},
            ("/l/ltxbridge", "/l/ltxbridge/run", "/l/ltxbridge/config.toml"),
        ),
    ],
)
def test_folders_follow_the_platform(platform, environment, expected):
    found = default_folders({"HOME": "/h"} | environment, platform=platform)
    assert found == tuple(map(Path, expected))


def test_command_line_gives_another_process_the_same_settings(tmp_path, monkeypatch):
    settings = Settings(
        state_dir=tmp_path / "state",
        runtime_dir=tmp_path / "run",
        media_roots=(tmp_path / "-a", tmp_path / "b c"),
        output_roots=(tmp_path / "out",),
        path_maps=(PathMapping("/V", "/m"),),
        listen=ListenAddress("::1", 0),
        engine="identity",
        slate=False,
        log_level="error",
        log_format="json",
        drain_grace_s=3,
        quota_gb=7,
        worker_memory_gb=8,
        device="cuda:1",
        gpu_memory_gb=20,
        model_cache_gb=3,
        metrics=ListenAddress("127.0.0.1", 9464),
        notify_command=("tell", "-a b"),
        notify_desktop=True,
    )
    served = []
    monkeypatch.setattr("sidecar.app.serve", lambda given, **_: served.append(given))
    assert main(["serve", *command_line(settings)]) == 0
    assert served == [settings]


def test_bad_settings_are_told_in_one_line(capsys):
    assert main(["serve", "--listen", "0.0.0.0:1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_settings_file_that_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "loop"):
        with pytest.raises(InvalidInputError, match=str(place)):
            _load(tmp_path, LTXBRIDGE_CONFIG=str(place))


def test_folder_that_is_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("state_dir", "runtime_dir", "media_roots", "output_roots"):
        value = tmp_path / "loop" if name.endswith("dir") else (tmp_path / "loop",)
        with pytest.raises(InvalidInputError, match="cannot be followed"):
            _load(tmp_path, overrides={name: value})
