"""Which words a set of validation codes becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from interchange.errors import Reason
from sidecar.credentials import verify

PATH = Path("/out/takes/A001_LTX_v001.mov")


@pytest.mark.parametrize(
    ("codes", "beside", "words"),
    [
        (("signingCredential.untrusted", "assertion.bmffHash.mismatch"), False, "picture, sound or timing"),
        (("assertion.dataHash.mismatch",), True, ".c2pa beside it belongs to another file"),
        (("signingCredential.expired", "signingCredential.untrusted"), False, "has expired"),
        (("assertion.bmffHash.mismatch", "signingCredential.expired"), False, "changed after signing"),
        (("signingCredential.untrusted", "claimSignature.mismatch"), False, "(claimSignature.mismatch)"),
        (("signingCredential.invalid",), False, "(signingCredential.invalid)"),
        ((), False, "no reason given"),
    ],
)  # fmt: skip
def test_the_most_telling_code_leads(codes, beside, words):
    error = verify._judged(PATH, codes, is_beside=beside)
    assert words in error.message
    assert str(PATH) in error.message
    assert error.reason is Reason.CREDENTIALS_INVALID
    assert error.metadata["codes"] == ",".join(codes)


def test_an_expired_certificate_is_not_called_a_change():
    error = verify._judged(PATH, ("signingCredential.expired",), is_beside=False)
    assert "changed" not in error.message.replace("unchanged", "")
