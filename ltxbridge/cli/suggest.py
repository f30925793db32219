"""`ltxbridge suggest`: a model looks at the pictures at each mark and proposes a prompt for it."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import click

from interchange.errors import NotFoundError, Reason, UnsupportedError
from interchange.model.segment import Problem
from interchange.plan import Plan, describe_take, plan_reading
from ltxbridge.cli.options import (
    TIMELINE,
    TakeChoices,
    as_json,
    place_options,
    policy_for,
    settings_from,
)
from ltxbridge.cli.plan_page import problem_document, problem_lines
from ltxbridge.cli.printing import say
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.plates import engine_free
from ltxbridge.roundtrip.suggestions import Suggestion, suggest_prompts
from ltxbridge.roundtrip.timeline import open_timeline
from sidecar.filesystem import FileSystem
from sidecar.pipelines.base import EngineFolders, SuggestsPrompts
from sidecar.pipelines.registry import EngineRegistry, find_engines
from sidecar.readers.box import ReaderBox
from sidecar.readers.limits import STREAM_LIMITS
from sidecar.readers.process import ReaderProcess

SCHEMA = "ltxbridge.Suggestions.1"


@click.command()
@click.argument("timeline", type=TIMELINE)
@click.option("--shot", help="Only this shot, by the name `ltxbridge plan` gives it.")
@click.option("--engine", help="Engine that looks; default: the settings' one.")
@click.option(
    "--device",
    metavar="NAME",
    help="Where the model runs, such as cpu or cuda:0; default: a GPU with room for it, else the processor.",
)
@place_options
@as_json
@click.pass_obj
def suggest(
    reader: ReaderProcess,
    /,
    timeline: Path,
    shot: str | None,
    engine: str | None,
    device: str | None,
    media_roots: tuple[Path, ...],
    path_maps: tuple[str, ...],
    config_file: Path | None,
    as_json: bool,
) -> int:
    """Propose a prompt for each mark of TIMELINE, from the pictures at its edges, ready to paste into the mark.

    Offline, beside the sidecar and whatever it is making. Ends with 1 where a mark cannot be met.
    """
    settings = settings_from(media_roots=media_roots, path_maps=path_maps, config_file=config_file)
    name = engine or settings.engine
    registry = find_engines(folders=EngineFolders.below(settings.state_dir))
    _refuse_unable(registry, name)
    with ReaderBox(first=reader) as box, ReaderBox(STREAM_LIMITS) as decoder:
        originals = Originals(policy_for(timeline, settings), filesystem=FileSystem(), box=box)
        planned = plan_reading(
            # Whoever looks proposes for every mark, whichever engine is to make it.
            engine_free(open_timeline(timeline, box=box).reading),
            facts_of=originals.facts_of,
            engines=registry.limits(),
            options=TakeChoices(engine=name).plan_options(timeline, settings),
            path_of=originals.path_of,
        )
        wanted = planned if shot is None else _only(planned, shot)
        results: list[Suggestion | Problem] = list(wanted.problems)
        for problem in wanted.problems:
            _show(problem, quiet=as_json)
        if wanted.takes:
            looking = _looking_engine(registry, name)
            for result in suggest_prompts(wanted, looking, box=decoder, device=device):
                results.append(result)
                _show(result, quiet=as_json)
    problems = [result for result in results if isinstance(result, Problem)]
    if as_json:
        say(
            json.dumps(
                {
                    "schema": SCHEMA,
                    "suggestions": [
                        _document(result) for result in results if isinstance(result, Suggestion)
                    ],
                    "problems": [problem_document(problem) for problem in problems],
                },
                indent=2,
            )
        )
    return 1 if problems else 0


def _refuse_unable(registry: EngineRegistry, name: str) -> None:
    if name not in registry.entries:
        registry.create(name)  # says which engines there are
    if name not in registry.suggesting:
        raise _unable(registry, name)


def _looking_engine(registry: EngineRegistry, name: str) -> SuggestsPrompts:
    made = registry.create(name)
    if not isinstance(made, SuggestsPrompts):
        raise _unable(registry, name)
    return made


def _unable(registry: EngineRegistry, name: str) -> UnsupportedError:
    able = [
        other
        for other in registry.suggesting
        if other != name and not registry.entries[other].limits.test_only
    ]
    others = f"Use --engine {' or '.join(able)}." if able else "No engine that is installed can."
    return UnsupportedError(
        f"The engine {name} cannot look at pictures and propose prompts. {others}",
        metadata={"engine": name, "able": ", ".join(able)},
    )


def _only(plan: Plan, shot: str) -> Plan:
    takes = tuple(planned for planned in plan.takes if planned.request.shot == shot)
    if not takes:
        names = list(dict.fromkeys(planned.request.shot for planned in plan.takes))
        near = difflib.get_close_matches(shot, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names) or 'none'}."
        raise NotFoundError(
            f"No mark that can be met makes a shot named {shot!r}. {hint}",
            reason=Reason.INVALID_ARGUMENT,
            metadata={"shot": shot},
        )
    return Plan(takes, ())


def _show(result: Suggestion | Problem, *, quiet: bool) -> None:
    if quiet:
        return
    if isinstance(result, Problem):
        say("\n".join(problem_lines(result)), err=True)
        return
    text = describe_take(result.planned)
    say(f"{text.shot}  {text.kind}\n  where     {text.where}\n  {_pasted(result)}\n")


def _pasted(suggestion: Suggestion) -> str:
    return f'prompt="{suggestion.prompt}"'


def _document(suggestion: Suggestion) -> dict[str, object]:
    text = describe_take(suggestion.planned)
    return {
        "shot": text.shot,
        "kind": text.kind,
        "where": text.where,
        "mark": suggestion.planned.segment.directive.text,
        "prompt": suggestion.prompt,
        "paste": _pasted(suggestion),
    }
