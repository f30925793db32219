"""Rules of the house that no linter of ours can say; the reasons are in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interchange.errors import BridgeError, Reason

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("interchange", "ltxbridge", "sidecar")
LONGEST_MODULE = 400
TOO_GENERAL = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "manager"}


def _modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if "v1" not in path.relative_to(REPOSITORY).parts:  # generated
                yield path


def _named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _calls(tree: ast.AST, name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(tree)
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rules_see_the_code() -> None:
    """Every rule below would pass over an empty list."""
    assert len(list(_modules(*PACKAGES))) > 50
    assert len(list(_modules("tests"))) > 20


def test_no_test_mocks() -> None:
    """ADR-0008: fakes that behave, not mocks that record."""
    offenders = [
        _named(path)
        for path in _modules(*PACKAGES, "tests", "benchmarks")
        if any(name.split(".")[-1] == "mock" or ".mock." in name for name in _imports(_tree(path)))
    ]
    assert offenders == []


def test_modules_have_one_reason_to_change() -> None:
    lengths = {
        _named(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in _modules(*PACKAGES)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_modules_are_named_for_what_they_do() -> None:
    assert [_named(path) for path in _modules(*PACKAGES) if path.stem in TOO_GENERAL] == []


def test_packages_log_and_never_print() -> None:
    assert [_named(path) for path in _modules(*PACKAGES) if _calls(_tree(path), "print")] == []


def test_only_the_settings_read_the_environment() -> None:
    readers = set()
    for path in _modules(*PACKAGES):
        for node in ast.walk(_tree(path)):
            named = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if named in {"environ", "getenv", "environb"}:
                readers.add(_named(path))
    assert readers <= {"sidecar/settings.py"}


def test_every_module_says_what_it_is_for() -> None:
    assert [
        _named(path) for path in _modules(*PACKAGES) if not ast.get_docstring(_tree(path))
    ] == []


def test_no_process_wide_mutable_state() -> None:
    """`global` is how a module comes to have some."""
    offenders = [
        _named(path)
        for path in _modules(*PACKAGES)
        if any(isinstance(node, ast.Global) for node in ast.walk(_tree(path)))
    ]
    assert offenders == []


def test_nothing_unpickles() -> None:
    """A pickle from disk or from a peer is code; our own pipes use multiprocessing's."""
    offenders = [
        _named(path)
        for path in _modules(*PACKAGES)
        if {"pickle", "shelve", "marshal", "dill"} & set(_imports(_tree(path)))
    ]
    assert offenders == []


def test_nothing_goes_through_a_shell() -> None:
    offenders = []
    for path in _modules(*PACKAGES):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                offenders.append(_named(path))
            if isinstance(node, ast.Attribute) and node.attr in {"system", "popen"}:
                offenders.append(_named(path))
    assert offenders == []


def test_only_bridge_errors_are_raised_for_people() -> None:
    """A plain Exception, OSError or RuntimeError raised by us would reach a person without a reason."""
    banned = {"Exception", "RuntimeError", "OSError", "IOError", "PermissionError", "TimeoutError"}
    offenders = []
    for path in _modules(*PACKAGES):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised = node.exc.func
                if isinstance(raised, ast.Name) and raised.id in banned:
                    offenders.append(f"{_named(path)}:{node.lineno}")
    assert offenders == []


def test_every_reason_is_in_the_contract_and_back() -> None:
    contract = (REPOSITORY / "proto/ltxbridge/v1/error_reason.proto").read_text(encoding="utf-8")
    in_contract = re.findall(r"^\s*ERROR_REASON_(\w+) = \d+;", contract, re.MULTILINE)
    assert sorted(in_contract) == sorted({"UNSPECIFIED", *(reason.value for reason in Reason)})


def test_every_reason_is_used() -> None:
    """A reason that nothing raises is a promise that nobody keeps."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in _modules(*PACKAGES))
    unused = {reason for reason in Reason if f"Reason.{reason.name}" not in text}
    assert unused == set()


def test_every_error_is_in_the_tree_of_the_docstring() -> None:
    import interchange.errors as module

    kinds = [BridgeError, *BridgeError.__subclasses__()]
    assert [kind.__name__ for kind in kinds if kind.__name__ not in (module.__doc__ or "")] == []


def test_all_layers_are_named() -> None:
    """A new package under ltxbridge that no layer names would be free to import anything."""
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r"layers = \[(.*?)\]", text, re.DOTALL)
    assert layers is not None
    named = set(re.findall(r"[\w.]+", layers[1]))
    rooms = {
        f"ltxbridge.{path.stem}"
        for path in (REPOSITORY / "ltxbridge").iterdir()
        if (path.is_dir() and (path / "__init__.py").is_file())
        or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert rooms <= named


def test_every_decision_is_indexed() -> None:
    folder = REPOSITORY / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert records
    assert [name for name in records if f"({name})" not in index] == []
    assert len({name[:4] for name in records}) == len(records)


def test_links_in_documents_lead_somewhere() -> None:
    documents = [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
        *(REPOSITORY / "sidecar").rglob("*.md"),
    ]
    dead = [
        f"{document.relative_to(REPOSITORY)}: {link}"
        for document in documents
        for link in re.findall(
            r"\]\((?!https?:|mailto:)([^)\s]+)", document.read_text(encoding="utf-8")
        )
        if not _leads_somewhere(document, link)
    ]
    assert len(documents) > 40
    assert dead == []


def _leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    if not anchor or not target.is_file():
        return target.exists()
    headings = re.findall(r"(?m)^#+ (.+)$", target.read_text(encoding="utf-8"))
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return anchor in slugs


def test_packages_under_test_are_the_installed_ones() -> None:
    """Sources beside the tests must not be importable by accident (`make test` installs the wheel)."""
    origin = importlib.metadata.distribution("ltxbridge").read_text("direct_url.json")
    if json.loads(origin or "{}").get("dir_info", {}).get("editable"):
        pytest.skip("ltxbridge is installed editable here; `make test` installs the wheel")
    inside = [name for name in PACKAGES if Path(_origin(name)).parent.parent == REPOSITORY]
    assert inside == []
    assert str(REPOSITORY) not in sys.path
    assert "" not in sys.path


def test_child_processes_see_the_installed_package_too() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sidecar; print(sidecar.__file__)"],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        text=True,
    ).stdout.strip()
    assert Path(found) == Path(_origin("sidecar"))


def _origin(name: str) -> str:
    from importlib.util import find_spec

    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def test_architecture_names_every_module() -> None:
    """The file map is how a newcomer finds a room; the insides of engines are mapped beside them."""
    modules = [path for path in _modules(*PACKAGES) if path.stem != "__init__"]
    engines = [path for path in modules if path.parent.parent.name == "pipelines"]
    rooms = [path for path in modules if path not in engines]
    assert engines
    assert _unnamed(rooms, REPOSITORY / "ARCHITECTURE.md") == []
    assert _unnamed(engines, REPOSITORY / "sidecar" / "pipelines" / "README.md") == []


def _unnamed(modules: list[Path], document: Path) -> list[str]:
    words = set(re.findall(r"\w+", document.read_text(encoding="utf-8")))
    return [_named(path) for path in modules if path.stem not in words]
