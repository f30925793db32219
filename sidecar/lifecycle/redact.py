"""Takes out of text what must not leave the machine: secrets, prompts, and where things are.

A path becomes a pseudonym that is the same wherever the path is named: `<root-1>/…/1f3a9c0e.mov`. In running
text all of a line goes from where a path begins, since names of folders have spaces and quotes in them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

SECRET = "<secret>"  # noqa: S105 - what stands in its place
PROMPT = "<prompt>"
_SHORTEST_PROMPT = 4

# A slash or drive at the start of a word; what follows on its line belongs to it, or might.
_PATH = re.compile(
    r"(?<![\w<>/.:…])"
    r"(?:file:/|[A-Za-z]:[\\/](?=\S)|//?(?=[^\s/])(?!ltxbridge\.v1\.)|\\\\(?=\S)|~[\\/])[^\n]*"
)
_WORD_END = re.compile(r"[\s,;:)\]]")
# In the state folder; a spool holds takes, whose names are shots'.
_OUR_NAMES = re.compile(
    r"logs|run|uploads|cache|pki|token|(signing-identity|root-certificate)\.pem|sidecar\.(json|lock)|config\.toml|jobs\.sqlite3[-.\w]*"
)
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(?:-----END [^-]+-----|\Z)", re.DOTALL)
_LONG_HEX = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_BEARER = re.compile(r"Bearer\s+\S+", re.IGNORECASE)


class Redactor:
    """Cleans texts and values for one bundle.

    Args:
        state_dir: Paths inside are kept, from `<state>` on.
        roots: Named folders of the settings; their paths become `<root-1>/…/NAME`.
        code: Folders of programs; paths inside are kept, from `<code>` on.
        secrets: Texts that are taken out wherever they stand.
        prompts: Likewise.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        roots: Sequence[Path] = (),
        code: Sequence[Path] = (),
        secrets: Iterable[str] = (),
        prompts: Iterable[str] = (),
    ) -> None:
        self._state = state_dir
        self._roots = tuple(roots)
        self._code = tuple(sorted(code, key=lambda folder: -len(str(folder))))
        found = {text: SECRET for text in secrets if text}
        found |= {text: PROMPT for text in prompts if len(text) >= _SHORTEST_PROMPT}
        # The longest first: one may be a part of another. Also as JSON and `repr` write them.
        found |= {
            written: word
            for text, word in found.items()
            for written in (
                repr(text)[1:-1],
                json.dumps(text)[1:-1],
                text.encode("unicode_escape").decode(),
            )
        }
        self._words = dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def text(self, text: str) -> str:
        """A text without any of it."""
        for word, substitute in self._words.items():
            text = text.replace(word, substitute)
        text = _PEM.sub(SECRET, text)
        text = _BEARER.sub(f"Bearer {SECRET}", text)
        text = _LONG_HEX.sub("<digest>", text)
        return _PATH.sub(self._substitute, text)

    def value(self, value: object) -> object:
        """A value of JSON, cleaned all through; keys too."""
        match value:
            case str():
                return self.text(value)
            case PurePath():
                return self.path(value)
            case Mapping():
                return {self.text(str(key)): self.value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case bool() | int() | float() | None:
                return value
            case _:
                return f"<{type(value).__name__}>"

    def path(self, path: PurePath) -> str:
        """The pseudonym of a path."""
        if path.is_relative_to(self._state):
            inside = path.relative_to(self._state)
            if _OUR_NAMES.fullmatch(inside.parts[0] if inside.parts else "logs"):
                return str(PurePosixPath("<state>", *inside.parts))
            return f"<state>/\N{HORIZONTAL ELLIPSIS}/{_name(path)}"
        for folder in self._code:
            if path.is_relative_to(folder):
                return str(PurePosixPath("<code>", *path.relative_to(folder).parts))
        for number, root in enumerate(self._roots, 1):
            if path == root:
                return f"<root-{number}>"
            if path.is_relative_to(root):
                return f"<root-{number}>/\N{HORIZONTAL ELLIPSIS}/{_name(path)}"
        return f"<elsewhere>/\N{HORIZONTAL ELLIPSIS}/{_name(path)}"

    def _substitute(self, match: re.Match[str]) -> str:
        line = match[0]
        before = match.string[match.start() - 1 : match.start()]
        quote = before if before in {'"', "'", "`"} else ""
        end = line.find(quote) if quote else _search(_WORD_END, line)
        word, rest = (line, "") if end < 0 else (line[:end], line[end:])
        if any(Path(word).is_relative_to(folder) for folder in (self._state, *self._code)):
            return self.path(Path(word)) + self.text(rest)
        # A name may hold spaces and quotes: where somebody else's path ends on its line, nobody knows.
        plain = (word if quote else line).removeprefix("file://").removeprefix("file:").rstrip()
        foreign = "\\" in plain or re.match(r"[A-Za-z]:", plain)
        return self.path(PureWindowsPath(plain) if foreign else Path(plain)) + quote


def _search(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return found.start() if found else -1


def _name(path: PurePath) -> str:
    suffix = path.suffix.lower()
    plain = suffix if re.fullmatch(r"\.[a-z0-9]{1,7}", suffix) else ""
    return hashlib.sha256(str(path).encode(errors="replace")).hexdigest()[:8] + plain
