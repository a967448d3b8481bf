"""The settings of the VS Code extension are those of the server."""

import dataclasses
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest

from lsp_server.config import PROCESS_SECTIONS, Config
from lsp_server.setting_layers import editor_layer
from lsp_server.settings import resolve

EXTENSION = Path(__file__).resolve().parents[1] / "editors" / "vscode"


@pytest.fixture
def generator() -> ModuleType:
    """The script that writes the server's settings into the extension."""
    script = EXTENSION / "scripts" / "generate_settings.py"
    spec = importlib.util.spec_from_file_location("generate_settings", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def properties() -> dict[str, dict[str, Any]]:  # Any: JSON Schema, read as it stands
    """Every setting of the extension."""
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    sections = package["contributes"]["configuration"]
    return {
        key: value
        for section in sections
        for key, value in section["properties"].items()
    }


def test_the_extension_lists_the_settings_of_today(generator: ModuleType) -> None:
    """``package.json`` is what the script would write now."""
    text = (EXTENSION / "package.json").read_text(encoding="utf-8")

    assert text == generator.updated(text)


def test_the_page_of_all_settings_is_that_of_today(generator: ModuleType) -> None:
    """Type, range, default and meaning of each are what the program has."""
    page = generator.PAGE.read_text(encoding="utf-8")

    assert page == generator.page()
    for section, cls in get_type_hints(Config).items():
        _, _, rows = page.partition(f"## `[{section}]`")
        rows, _, _ = rows.partition("## ")
        for field in dataclasses.fields(cls):
            assert f"\n| `{field.name}` | " in rows


def test_every_setting_of_the_server_is_there_and_described(
    generator: ModuleType,
    properties: dict[str, dict[str, Any]],
) -> None:
    """No setting that an editor may decide is missing or without a description."""
    for section, cls in get_type_hints(Config).items():
        if section in PROCESS_SECTIONS:
            assert not any(key.startswith(f"midfill.{section}.") for key in properties)
            continue
        for field in dataclasses.fields(cls):
            if f"{section}.{field.name}" in generator.OF_THE_PROCESS:
                continue
            first, *others = field.name.split("_")
            name = first + "".join(word.capitalize() for word in others)
            described = properties[f"midfill.{section}.{name}"]["markdownDescription"]
            assert described.endswith("."), (section, name)


def test_no_workspace_says_where_code_is_sent(
    properties: dict[str, dict[str, Any]],
) -> None:
    """Trusted or not: arguments and variables can name a server, and a key to it.

    The executable is what a trusted workspace runs anyway, as its ``.venv``.
    """
    never = ["midfill.server.arguments", "midfill.server.environment"]
    never += [key for key in properties if key.startswith("midfill.registry.")]
    assert {"machine"} == {properties[key]["scope"] for key in never}
    assert not any("key" in key.lower() or "url" in key.lower() for key in properties)
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    limits = package["capabilities"]["untrustedWorkspaces"]
    overridable = {
        key
        for key, schema in properties.items()
        if schema["scope"] == "machine-overridable"
    }
    assert {*never, *overridable} <= {*limits["restrictedConfigurations"]}


def test_the_server_takes_every_default_of_the_extension(
    properties: dict[str, dict[str, Any]],
) -> None:
    """What the extension calls a default is accepted, and is the server's own."""
    sent: dict[str, dict[str, object]] = {}
    for key, schema in properties.items():
        _, section, *name = key.split(".")
        if name and section not in {"server", "hint"}:
            sent.setdefault(section, {})[name[0]] = schema["default"]

    resolved = resolve([editor_layer({"midfill": sent})])

    assert resolved.problems == ()
    assert resolved.config == Config()


def test_no_link_of_the_extensions_page_leads_out_of_it() -> None:
    """Without an address of a repository, vsce packages no page with such a link."""
    page = (EXTENSION / "README.md").read_text(encoding="utf-8")
    assert "](../" not in page
