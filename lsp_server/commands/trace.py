"""``midfill trace``: explains a recorded request."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from datetime import datetime

from lsp_server.commands.terminal import printable
from lsp_server.history.events import RequestEvent, TracedText
from lsp_server.history.store import events_folder, newest_first

__all__ = ["add_arguments", "run", "text_lines", "trace_lines"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="the request's id, as in the server's log; the last request by default",
    )
    which.add_argument("--last", action="store_true", help="the last request")
    parser.add_argument(
        "--text",
        action="store_true",
        help="print the text as well, where telemetry.keep_text had it kept",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Find the request in the record, print it, and return the exit status.

    Returns:
        0 if it was found, else 1.
    """
    found = _find(arguments.id)
    if found is None:
        sys.stderr.write(printable(_why_none(arguments.id)))
        return 1
    if arguments.json:
        shown = found if arguments.text else dataclasses.replace(found, text=None)
        values = dataclasses.asdict(shown)
        sys.stdout.write(json.dumps(values, default=_json) + "\n")
        return 0
    lines = list(trace_lines(found))
    if arguments.text:
        lines += text_lines(found.text)
    sys.stdout.write(printable("\n".join(lines)) + "\n")
    return 0


def _find(request_id: str | None) -> RequestEvent | None:
    """Return the newest request, or the newest of an id; None where there is none."""
    return next(
        (
            event
            for event in newest_first(events_folder())
            if isinstance(event, RequestEvent) and request_id in (None, event.id)
        ),
        None,
    )


def _why_none(request_id: str | None) -> str:
    """Return what to say where no request was found."""
    which = "No request" if request_id is None else f"No request {request_id}"
    return (
        f"midfill trace: {which} is recorded. Complete something first; with the "
        "setting telemetry.store = false nothing is recorded, and nothing is kept for "
        "longer than 30 days.\n"
    )


def trace_lines(event: RequestEvent) -> Iterator[str]:
    """Yield what is known of a request, without text; lines and columns from 1."""
    yield f"{event.id}, {event.at.astimezone():%Y-%m-%d %H:%M:%S}, {event.editor}"
    by = "by hand" if event.trigger == "invoked" else "automatically"
    where = f"line {event.line + 1}, column {event.character + 1}"
    document = event.suffix or "a document without a suffix"
    yield f"  asked      {by}, {event.language or 'no language'}, {document}, {where}"
    yield f"  outcome    {event.outcome}{_dash(event.sentence)}"
    if event.model or event.source:
        scope = f", to the end of the {event.scope}" if event.scope else ""
        source = event.source or "nothing generated"
        yield f"  answer     {event.model or 'no model'}, {source}{scope}"
    if event.prompt_tokens:
        yield (
            f"  tokens     {event.prompt_tokens} in the prompt, {event.cached_tokens} "
            f"of them cached in the engine; {event.output_tokens} generated"
        )
    if event.total_ms is not None:
        first = "no token" if event.ttft_ms is None else f"{event.ttft_ms:.1f} ms"
        yield f"  times      first token {first}, all {event.total_ms:.1f} ms"
        stages = (f"{name} {ms:.1f}" for name, ms in event.stages_ms.items())
        yield f"  stages     {', '.join(stages)} (ms)"
    for each in event.snippets:
        yield f"  snippet    {each.path} ({each.source}), {each.chars} characters"
    if event.generated_chars:
        yield f"  generated  {_counts(event.generated_chars)} characters"
    for cut in event.cuts:
        yield (
            f"  cut        by {cut.filter_name}: {cut.before_chars} characters before, "
            f"{cut.after_chars} after"
        )
    yield f"  shown      {_counts(event.shown_chars) or 'no'} characters"
    for name, value in event.settings.items():
        yield f"  setting    {name} = {value}"


def text_lines(text: TracedText | None) -> Iterator[str]:
    """Yield the text of a request, each part indented below its name."""
    if text is None:
        yield "  text       none was kept (setting telemetry.keep_text)"
        return
    parts = [("prompt", text.prompt)]
    parts += [("snippet", each) for each in text.snippets]
    parts += [("generated", each) for each in text.generated]
    for before, after in text.cuts:
        parts += [("before a cut", before), ("after it", after)]
    parts += [("shown", each) for each in text.shown]
    for name, content in parts:
        yield f"  {name}:"
        yield from (f"    {line}" for line in content.split("\n"))


def _dash(sentence: str) -> str:
    """Return a sentence behind a colon; nothing where there is none."""
    return f": {sentence}" if sentence else ""


def _counts(numbers: tuple[int, ...]) -> str:
    """Return numbers in a row."""
    return ", ".join(map(str, numbers))


def _json(value: object) -> str:
    """Return what JSON does not know as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
