"""The wheels a bare machine with Python 3.12, torch and numpy lacks for `run.py`, into a folder to carry there.

python benchmarks/gpu/wheels.py DIR
pip install --no-index --find-links DIR --no-deps DIR/*.whl     # there
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

MOST_BYTES = 60 * 10**6
NAMES = (
    "accelerate",
    "anyio",
    "certifi",
    "charset-normalizer",
    "diffusers",
    "h11",
    "httpcore2",
    "httpx2",
    "huggingface_hub",
    "idna",
    "importlib_metadata",
    "packaging",
    "pillow",
    "psutil",
    "PyYAML",
    "regex",
    "requests",
    "safetensors",
    "tokenizers",
    "tqdm",
    "transformers",
    "truststore",
    "urllib3",
    "zipp",
)
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints" / "test.txt"


def requirements() -> list[str]:
    """The names at the versions that were tested."""
    pins = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    )
    return [f"{name}=={pins[name]}" for name in NAMES]


def main() -> int:
    """Download them; 1 where they are too large to carry."""
    folder = Path(sys.argv[1])
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--python-version", "3.12", "--implementation", "cp", "--abi", "cp312", "--abi", "abi3", "--abi", "none",
         "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64",
         "--platform", "manylinux2014_x86_64", "--dest", str(folder), *requirements()],
        check=True,
    )  # fmt: skip
    total = 0
    for wheel in sorted(folder.glob("*.whl")):
        total += wheel.stat().st_size
        print(f"{wheel.stat().st_size / 1e6:6.1f} MB  {wheel.name}")
    print(f"{total / 1e6:6.1f} MB in all")
    return 0 if total < MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
