"""Write the settings into the extension's ``package.json`` and the page of them all.

``python editors/vscode/scripts/generate_settings.py`` takes every setting, its type,
range, default and docstring from ``lsp_server.config``; with ``--check`` it changes
nothing and fails if a file is out of date. The first entry of ``configuration`` is
written by hand: the settings of the extension itself. ``docs/all-settings.md`` has the
settings of processes too, which no editor offers.
"""

import argparse
import dataclasses
import enum
import inspect
import json
import re
import sys
from pathlib import Path
from typing import get_type_hints

from pydantic import TypeAdapter

from lsp_server.config import PROCESS_SECTIONS, Config

PACKAGE = Path(__file__).resolve().parents[1] / "package.json"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "all-settings.md"

PAGE_HEAD = """# Every setting

Made of the program's own texts by `editors/vscode/scripts/generate_settings.py`. Where
settings come from, and who decides which, stands in [settings.md](settings.md).
"""

TITLES = {
    "model": "Model",
    "engine": "Engine",
    "prompt": "Prompt",
    "completion": "Completion",
    "privacy": "Privacy",
    "context": "Context",
    "scripted": "Scripted Engine",
    "log": "Log",
    "telemetry": "Telemetry",
    "registry": "Registry",
    "daemon": "Daemon",
}

# Settings of a process that serves many editors: none of them decides these.
# Nor where code is sent, and with which key: a workspace could be behind the editor.
OF_THE_PROCESS = frozenset(
    {
        "daemon.transport",
        "daemon.idle_exit_s",
        "daemon.max_engines",
        "daemon.url",
        "daemon.key_file",
        "daemon.ca_file",
    }
)

# Where a setting may be set. A registry is an address that models come from: only
# the user says that, never a workspace. The rest of these runs or loads something on
# the machine, so that each machine has its own and a trusted workspace may override it.
SCOPES = {
    "model": "machine-overridable",
    "engine": "machine-overridable",
    "scripted": "machine-overridable",
    "registry": "machine",
    "daemon": "machine",
}

# Settings that an untrusted workspace cannot set, beside the extension's own.
RESTRICTED_SECTIONS = (
    "model",
    "engine",
    "privacy",
    "scripted",
    "telemetry",
    "registry",
    "daemon",
)
RESTRICTED_OWN = (
    "midfill.server.path",
    "midfill.server.arguments",
    "midfill.server.environment",
)

Json = dict[str, object]


def camel(name: str) -> str:
    """Write a setting's name as editors do."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def attribute_texts(section: type) -> dict[str, str]:
    """Read the ``Attributes:`` of a class's docstring: name to description."""
    docstring = inspect.getdoc(section) or ""
    _, _, attributes = docstring.partition("Attributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name = start[1]
            texts[name] = start[2]
        elif name and line.startswith(" " * 8):
            texts[name] += " " + line.strip()
        elif line.strip():
            break
    return texts


def markdown(text: str) -> str:
    """Turn a docstring's literals into Markdown's."""
    return text.replace("``", "`")


def value_schema(hint: object) -> Json:
    """Return which values a type accepts, as JSON Schema."""
    schema = TypeAdapter(hint).json_schema()
    keys = ("type", "enum", "minimum", "maximum")
    return {key: schema[key] for key in keys if key in schema}


def description(text: str, hint: object) -> str:
    """Return a setting's description, with what its enumeration's docstring adds."""
    if not (isinstance(hint, type) and issubclass(hint, enum.Enum)):
        return markdown(text)
    more = " ".join((inspect.getdoc(hint) or "").split())
    is_said = more.startswith(text.removesuffix("."))
    return markdown(more if is_said else f"{text} {more}")


def section_properties(name: str, section: type) -> dict[str, Json]:
    """Describe every setting of a section."""
    texts = attribute_texts(section)
    hints = get_type_hints(section, include_extras=True)
    properties: dict[str, Json] = {}
    for order, field in enumerate(dataclasses.fields(section)):
        if f"{name}.{field.name}" in OF_THE_PROCESS:
            continue
        hint = hints[field.name]
        default = field.default
        properties[f"midfill.{name}.{camel(field.name)}"] = {
            **value_schema(hint),
            "default": default.value if isinstance(default, enum.Enum) else default,
            "markdownDescription": description(texts[field.name], hint),
            "scope": SCOPES.get(name, "window"),
            "order": order,
        }
    return properties


def generated() -> list[Json]:
    """Describe every section of the configuration that is an editor's business."""
    hints = get_type_hints(Config)
    return [
        {"title": TITLES[name], "properties": section_properties(name, hints[name])}
        for name in (field.name for field in dataclasses.fields(Config))
        if name not in PROCESS_SECTIONS
    ]


def updated(package: str) -> str:
    """Return the text of ``package.json`` with today's settings."""
    content = json.loads(package)
    contributes = content["contributes"]
    own, *_ = contributes["configuration"]
    sections = generated()
    contributes["configuration"] = [own, *sections]
    content["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = [
        *RESTRICTED_OWN,
        *(
            key
            for section in sections
            for key in dict(section["properties"])  # type: ignore[call-overload]  # built above
            if key.split(".")[1] in RESTRICTED_SECTIONS
        ),
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """Return ``docs/all-settings.md`` as it has to be today."""
    parts = [PAGE_HEAD]
    for name, section in get_type_hints(Config).items():
        about, _, _ = (inspect.getdoc(section) or "").partition("\n\n")
        texts = attribute_texts(section)
        hints = get_type_hints(section, include_extras=True)
        rows = []
        for field in dataclasses.fields(section):
            hint, default = hints[field.name], field.default
            shown = default.value if isinstance(default, enum.Enum) else default
            cells = (
                f"`{field.name}`",
                value_text(hint),
                f"`{json.dumps(shown)}`",
                description(texts[field.name], hint),
            )
            rows.append(f"| {' | '.join(cells)} |")
        head = (f"## `[{name}]`", "", markdown(" ".join(about.split())), "")
        table = ("| Key | Value | Default | Meaning |", "| --- | --- | --- | --- |")
        parts.append("\n".join([*head, *table, *rows, ""]))
    return "\n".join(parts)


def value_text(hint: object) -> str:
    """Return which values a type accepts, in words."""
    schema = value_schema(hint)
    names = {"boolean": "true or false", "integer": "whole number", "string": "text"}
    choices = schema.get("enum")
    if isinstance(choices, list):
        return ", ".join(f"`{json.dumps(choice)}`" for choice in choices)
    least, most = schema.get("minimum"), schema.get("maximum")
    limits = "" if least is None else f", {least:,} to {most:,}"
    kind = str(schema["type"])
    return names.get(kind, kind) + limits


def main() -> int:
    """Write or check both files, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    written = {PACKAGE: updated(PACKAGE.read_text(encoding="utf-8")), PAGE: page()}
    if not arguments.check:
        for path, text in written.items():
            path.write_text(text, encoding="utf-8")
        return 0
    old = [
        path.name
        for path, text in written.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if old:
        print(
            f"{' and '.join(old)} are out of date: "
            "run editors/vscode/scripts/generate_settings.py",
            file=sys.stderr,
        )
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
