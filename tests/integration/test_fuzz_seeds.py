"""Fuzz targets exist for every parser and RPC, and refuse small mutations of honest input in good order."""

from __future__ import annotations

import random
import time

import pytest
from fuzz.rpc_targets import methods
from fuzz.targets import all_targets

MUTATIONS = 40
LONGEST_S = 5

PARSERS = {
    "fcpxml-read", "fcpxml-apply", "fcpxml-gate", "fcpxml-time", "directive", "timecode", "path",
    "output-folder", "path-mapping", "settings", "discovery", "stored-job", "stored-request",
    "worker-line", "server-line", "answer-job", "answer-engine", "manifest-report", "media-probe",
    "media-picture", "media-sound", "media-samples", "media-still", "media-timecode", "bmff-boxes",
    "manifest-file", "credentials", "hot-journal", "hot-ledger", "hot-name", "enrolment", "clients",
    "upload-record", "reader-message", "reader-answer", "preset", "weights-header", "weights-gguf",
    "weights-config", "weights-index", "model-registry", "model-licences",
}  # fmt: skip


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    return all_targets(tmp_path_factory.mktemp("fuzz"))


def test_every_parser_and_every_rpc_has_a_target(targets):
    rpcs = {f"rpc-{method.containing_service.name}-{method.name}" for method in methods()}
    assert targets.keys() == PARSERS | rpcs
    assert all(target.seeds for target in targets.values())


@pytest.mark.parametrize("seed", range(3))
def test_targets_refuse_or_answer_and_do_nothing_else(targets, seed):
    chance = random.Random(seed)
    for name, target in targets.items():
        for data in target.seeds:
            for _ in range(MUTATIONS if not target.decodes else MUTATIONS // 4):
                started = time.monotonic()
                target.run(_mutated(data, chance))
                assert time.monotonic() - started < LONGEST_S, name


def _mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(6)):
        position = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[position : position + 1] = bytes([chance.randrange(256)])
            case 1:
                del changed[position : position + chance.randrange(1, 9)]
            case 2:
                changed[position:position] = bytes(chance.randrange(256) for _ in range(8))
            case 3:
                changed = changed[:position]
    return bytes(changed)
