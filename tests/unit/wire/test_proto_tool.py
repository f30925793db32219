"""The committed code is what the contract generates, and the linter really complains."""

import importlib.util

import pytest

pytest.importorskip("grpc_tools", reason="needs the dependency group `check`")


@pytest.fixture(scope="module")
def tool(repository):
    spec = importlib.util.spec_from_file_location("proto_tool", repository / "tools" / "proto.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_code_is_what_the_contract_says(tool, capfd):
    assert tool.main(["drift"]) == 0, capfd.readouterr().err


def test_contract_is_lint_clean(tool, capfd):
    assert tool.main(["lint"]) == 0, capfd.readouterr().out


def test_linter_complains_about_a_bad_contract(tool, tmp_path, capfd):
    folder = tmp_path / "ltxbridge" / "v1"
    folder.mkdir(parents=True)
    (folder / "bad.proto").write_text(
        'syntax = "proto3";\npackage ltxbridge.v1;\nmessage foo { int32 Bar = 1; }\n'
    )
    assert tool.lint(tmp_path) != 0
    assert "PascalCase" in capfd.readouterr().out
