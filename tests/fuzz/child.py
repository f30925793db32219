"""`python -m fuzz.child TARGET CORPUS EXECUTIONS`: one batch under atheris, inside hard limits.

The limits are the operating system's, set before anything is imported: a parser that eats memory or time ends
this process and nothing else. libFuzzer's own limits are tighter and say which input it was.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

MEMORY_BYTES = 4 << 30  # address space; the resident limit below is the one that counts
RESIDENT_MB = 1024
SECONDS_PER_INPUT = 5


def main() -> None:
    name, corpus, executions = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import atheris

    with atheris.instrument_imports(include=["interchange", "ltxbridge", "sidecar"]):
        from fuzz.targets import all_targets

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        target = all_targets(Path(folder))[name]
        for index, seed in enumerate(target.seeds):
            (corpus / f"seed-{index}").write_bytes(seed)
        atheris.Setup(
            [
                sys.argv[0],
                str(corpus),
                f"-runs={executions}",
                f"-timeout={SECONDS_PER_INPUT}",
                f"-rss_limit_mb={RESIDENT_MB}",
                f"-artifact_prefix={corpus.parent}/finding-{name}-",
                "-max_len=65536",
                "-print_final_stats=1",
                "-verbosity=0",
            ],
            target.run,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
