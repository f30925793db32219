"""Links in a delivered timeline must make sense to the machine that wrote it, whatever its paths look like."""

from pathlib import Path

import pytest

from ltxbridge.roundtrip.delivery import document_url
from sidecar.media.paths import PathMapping

TAKE = Path("/mnt/san/job/out/takes/A 1.mov")


@pytest.mark.parametrize(
    ("mapping", "url"),
    [
        ("/Volumes/SAN=/mnt/san", "file:///Volumes/SAN/job/out/takes/A%201.mov"),
        ("//server/share=/mnt/san", "file://server/share/job/out/takes/A%201.mov"),
        (r"\\server\share=/mnt/san", "file://server/share/job/out/takes/A%201.mov"),
        (r"D:\media=/mnt/san", "file:///D:/media/job/out/takes/A%201.mov"),
        ("/=/mnt/san", "file:///job/out/takes/A%201.mov"),
        ("/elsewhere=/data", "file:///mnt/san/job/out/takes/A%201.mov"),
    ],
)
def test_take_is_linked_as_the_editors_machine_sees_it(mapping, url):
    assert document_url(TAKE, mappings=[PathMapping.parse(mapping)]) == url
