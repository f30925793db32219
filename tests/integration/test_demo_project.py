from __future__ import annotations

from pathlib import Path

import pytest

from interchange.formats.fcpxml import read_fcpxml
from interchange.model.directive import JobKind
from ltxbridge.demo import write_demo_project
from sidecar.media.probe import probe_media


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_project(tmp_path_factory.mktemp("demo project"))


def test_demo_timeline_has_one_mark_of_every_sort(project: Path) -> None:
    reading = read_fcpxml(project.read_bytes())
    assert [segment.directive.verb for segment in reading.segments] == [
        JobKind.RETAKE, JobKind.BRIDGE, JobKind.REGENERATE, JobKind.EXTEND,
    ]  # fmt: skip
    assert [problem.text for problem in reading.problems] == ['LTX: relight prompt="golden hour"']


def test_demo_media_are_what_the_timeline_says(project: Path) -> None:
    segments = read_fcpxml(project.read_bytes()).segments
    links = {s.clip.media.url: s.clip.media for s in segments if s.clip and s.clip.media}
    assert len(links) == 2
    for movie in sorted((project.parent / "media").iterdir()):
        facts = probe_media(movie)
        assert str(facts.frame_rate) == "23.976"
        assert facts.frame_count == 96
        assert facts.reel == movie.stem
        link = links.get(movie.as_uri())
        if link is not None:
            assert facts.frame_rate.exact_frame(link.start) == facts.start_frame


def test_demo_written_again_keeps_its_movies(project: Path) -> None:
    movies = sorted((project.parent / "media").iterdir())
    before = [(movie.name, movie.stat().st_mtime_ns) for movie in movies]
    document = project.read_bytes()
    assert write_demo_project(project.parent) == project
    assert project.read_bytes() == document
    assert [(movie.name, movie.stat().st_mtime_ns) for movie in movies] == before
