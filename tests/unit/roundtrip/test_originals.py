"""The proof that originals are untouched tells the truth, also where they are gone or were changed."""

from ltxbridge.roundtrip.originals import Originals
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathPolicy
from sidecar.readers.box import ReaderBox


def test_proof_tells_kept_changed_and_vanished_files_apart(tmp_path):
    kept, changed, gone = (tmp_path / name for name in ("kept.mov", "changed.mov", "gone.mov"))
    for path in (kept, changed, gone):
        path.write_bytes(b"original")
    originals = Originals(PathPolicy((tmp_path,)), filesystem=FileSystem(), box=ReaderBox())
    originals.note_digests({str(kept), str(changed), str(gone)})
    changed.write_bytes(b"somebody's")
    gone.unlink()

    proof = {item.path: item.unchanged for item in originals.proof()}
    assert proof == {str(kept): True, str(changed): False, str(gone): False}
