"""What a `.safetensors` file says about itself: names, shapes and metadata, without a byte of its weights."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interchange.errors import InvalidInputError, NotFoundError, Reason, UnsupportedError

SUFFIX = ".safetensors"
# That of LTX-2.3 has 1 MB; reading one of 100 MB takes 10 s and 1 GB.
_LONGEST_HEADER_BYTES = 32 << 20
_LARGEST = 1 << 62  # bytes or elements; no disk holds more
_PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file.

    Args:
        dtype: As the format names it: `BF16`, `F8_E4M3`.
        shape: Its sizes.
    """

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file.

    Args:
        metadata: Free text by name.
        tensors: By key.
    """

    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]

    def config(self) -> Mapping[str, Any]:
        """The configuration that original LTX files carry as JSON; empty where there is none."""
        try:
            value = json.loads(self.metadata.get("config", "{}"))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def refuse_pickle(path: Path) -> None:
    """Refuse weights that are programs.

    Raises:
        UnsupportedError: The name says that it is a pickle.
    """
    if path.suffix.lower() in _PICKLES:
        raise UnsupportedError(
            f"{path} is not read: a {path.suffix} file can run programs on this machine when it is opened. "
            "Take the .safetensors of the same weights.",
            reason=Reason.FORMAT_UNSUPPORTED,
            metadata={"path": str(path)},
        )


def read_header(path: Path) -> Header:
    """Read a file's header, and make sure that the file is as long as it says.

    Raises:
        NotFoundError: It is not there.
        UnsupportedError: It is a pickle.
        InvalidInputError: It is no whole `.safetensors` file.
    """
    refuse_pickle(path)
    try:
        status = path.stat()
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise _damaged(path, "it is no plain file")  # a pipe would never end
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER_BYTES, size - 8):
                raise _damaged(path, "it has no header")
            fields = json.loads(file.read(length))
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be read: {error.strerror}. Check the path and its disk.",
            metadata={"path": str(path)},
        ) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise _damaged(path, "its header is no JSON") from error
    header, end = _parsed(path, fields)
    if size != 8 + length + end:
        raise _damaged(
            path,
            f"it should be {8 + length + end:,} bytes and is {size:,}, as after a download that broke off",
        )
    return header


def _parsed(path: Path, fields: Any) -> tuple[Header, int]:
    end = 0
    tensors: dict[str, TensorEntry] = {}
    metadata: dict[str, str] = {}
    try:
        for key, entry in fields.items():
            if key == "__metadata__":
                metadata = {str(name): str(value) for name, value in entry.items()}
                continue
            end = max(end, int(entry["data_offsets"][1]))
            tensors[key] = TensorEntry(str(entry["dtype"]), tuple(map(int, entry["shape"])))
    except (ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise _damaged(path, "its header does not describe tensors") from error
    sizes = (end, *(size for tensor in tensors.values() for size in tensor.shape))
    if min(sizes) < 0 or max(sizes) > _LARGEST:
        raise _damaged(path, "its header does not describe tensors")
    return Header(metadata, tensors), end


def _damaged(path: Path, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is no whole .safetensors file: {problem}. Download it again.",
        metadata={"path": str(path)},
    )
