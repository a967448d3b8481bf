"""The page of routes: what OpenAPI's schema says, as HTML of this server alone.

FastAPI's own page loads its scripts from another host, which a closed network does not
reach, and which nobody here answers for.
"""

from collections.abc import Mapping

from fastapi import FastAPI
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

__all__ = ["add_docs_page"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ info.title }} {{ info.version }}</title>
<style>body{font:16px/1.5 system-ui;max-width:60em;margin:2em auto;padding:0 1em}
td,th{text-align:left;vertical-align:top;padding:.1em 1em .1em 0}code{font-size:95%}
</style>
<h1>{{ info.title }} {{ info.version }}</h1>
<p>{{ info.description }}</p>
<p><a href="openapi.json">openapi.json</a> has the same for programs.</p>
{% for route in routes %}<h2><code>{{ route.method }} {{ route.path }}</code></h2>
<p>{{ route.text }}</p>
{% if route.fields %}<table><tr><th>Field<th>What it may be<th>
{% for field in route.fields %}<tr><td><code>{{ field.name }}</code>
<td>{{ field.kind }}<td>{{ field.text }}
{% endfor %}</table>
{% endif %}{% endfor %}</html>
"""

Json = Mapping[str, object]


def add_docs_page(app: FastAPI) -> None:
    """Add the route ``/docs`` to an application that has all its other routes."""
    page = Environment(autoescape=True).from_string(_PAGE)

    @app.get("/docs", include_in_schema=False)
    async def docs(_request: Request) -> HTMLResponse:
        schema = app.openapi()
        routes = [
            _route(schema, path, method, operation)
            for path, operations in schema["paths"].items()
            for method, operation in operations.items()
        ]
        return HTMLResponse(page.render(info=schema["info"], routes=routes))


def _route(schema: Json, path: str, method: str, operation: Json) -> Json:
    """Return what the page says of one route."""
    body = _inner(operation, "requestBody", "content", "application/json", "schema")
    reference = body.get("$ref")
    fields = []
    if isinstance(reference, str):
        described = _inner(schema, "components", "schemas", reference.split("/")[-1])
        needed = described.get("required", ())
        for name, field in _inner(described, "properties").items():
            if not isinstance(field, Mapping) or _is_refused(field):
                continue
            is_needed = isinstance(needed, list) and name in needed
            said = str(field.get("description", ""))
            fields.append(
                {
                    "name": name,
                    "kind": _kind(field),
                    "text": f"Needed. {said}" if is_needed else said,
                }
            )
    text = operation.get("description", operation.get("summary", ""))
    return {"method": method.upper(), "path": path, "text": text, "fields": fields}


def _kind(field: Json) -> str:
    """Return what a field may be, with its limits."""
    choices = field.get("anyOf")
    if isinstance(choices, list):
        kinds = (_kind(each) for each in choices if each.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    reference = field.get("$ref")
    if isinstance(reference, str):
        return reference.split("/")[-1]
    names = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "maxLength": "at most",
        "maxItems": "at most",
    }
    limits = [f"{names[key]} {field[key]}" for key in names if key in field]
    items = field.get("items")
    inner = f" of {_kind(items)}" if isinstance(items, Mapping) else ""
    return " ".join([str(field.get("type", "anything")) + inner, *limits])


def _is_refused(field: Json) -> bool:
    """Return whether a field is there only to be refused: it may be anything."""
    return not field.keys() & {"type", "anyOf", "$ref"}


def _inner(holder: Json, *names: str) -> Json:
    """Return an object within objects; an empty one where there is none."""
    found: object = holder
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
