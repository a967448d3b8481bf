"""The real server, real traffic and a real Prometheus: every query has data."""

import asyncio
import importlib.util
import json
import os
import re
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from daemons import daemon_home
from free_ports import free_port
from live_prometheus import (
    FAKE_DRIVER,
    ROOT,
    RULES,
    Prometheus,
    find_program,
    prometheus_reading,
)
from lsp_editor import LspEditor
from lsprotocol import types
from obtain.record import UnobtainableError

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "midfill.json"
GENERATOR = ROOT / "deploy" / "grafana" / "make_dashboard.py"
COMPARISON = re.compile(r" (<=|>=|==|<|>) (?=[\d.e]+$)")
NAME = re.compile(r"\b(?:midfill_|vllm:)\w+")


@pytest.fixture
def generator() -> ModuleType:
    """The script that writes the dashboard."""
    spec = importlib.util.spec_from_file_location("make_dashboard", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_dashboard_is_what_the_script_writes(generator: ModuleType) -> None:
    """The file is never edited by hand."""
    text = json.dumps(generator.dashboard(), indent=2) + "\n"
    assert text == DASHBOARD.read_text(encoding="utf-8")


def expressions() -> dict[str, str]:
    """Return every query of dashboard and rules, as it can be asked now.

    Grafana's variables have their values, and a rule's comparison says 0 or 1.
    """
    found = {}
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name in ("$model", "$language"):
                query = query.replace(name, ".*")
            for name in ("$__rate_interval", "$__range"):
                query = query.replace(name, "1m")
            found[f"{panel['title']}: {target['legendFormat']}"] = query
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            assert {"for", "labels", "annotations"} <= set(rule)
            assert rule["annotations"]["action"]
            found[rule["alert"]] = COMPARISON.sub(r" \1 bool ", rule["expr"])
    return found


async def type_and_accept(editor: LspEditor) -> None:
    """Make what an editor makes: suggestions, some accepted, some thrown away."""
    text = "def total(values):\n    result = 0\n    for value in values:\n        "
    version = 1
    # A line that is longer than completions are offered in gets none.
    editor.open("x" * 100_001, uri="file:///project/long.py")
    assert [] == await editor.complete(0, 5, uri="file:///project/long.py")
    editor.open(text)
    for number in range(12):
        line = text.count("\n")
        items = await editor.complete(line, 8)
        if not items or number % 3 == 2:
            continue
        suggested = str(items[0].insert_text)
        text += suggested + "\n        "
        version += 1
        # The whole text: what it takes the place of does not matter here.
        editor.change(version, types.TextDocumentContentChangeWholeDocument(text))
        command = items[0].command
        assert command is not None
        await editor.workspace_execute_command_async(
            types.ExecuteCommandParams(command.command, command.arguments)
        )
        if number % 4 == 1:
            text = text.replace(suggested, "pass")
            version += 1
            editor.change(version, types.TextDocumentContentChangeWholeDocument(text))


@pytest.fixture
async def prometheus(tmp_path: Path) -> AsyncGenerator[Prometheus]:
    """A Prometheus that has read a daemon while an editor used the real engine."""
    try:
        find_program("prometheus")
    except UnobtainableError as error:
        pytest.skip(str(error))
    port = free_port()
    with (
        daemon_home(
            ENGINE_KIND="vllm",
            METRICS_LISTEN=f"127.0.0.1:{port}",
            METRICS_KEPT_AFTER_S="1",
        ) as home,
        prometheus_reading(port, tmp_path) as reading,
    ):
        # Nothing else asks for this module; the engine runs on the CPU.
        paths = [str(FAKE_DRIVER), os.environ.get("PYTHONPATH", "")]
        home.environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        home.midfill("daemon", "start")
        editor = LspEditor()
        await editor.start(home.environment)
        await editor.introduce()
        async with asyncio.timeout(180):
            await asyncio.to_thread(reading.wait_for, READY, limit_s=170)
        for _ in range(2):
            await type_and_accept(editor)
            await asyncio.sleep(3)
        yield reading
        await editor.put_down()


READY = 'midfill_engine_state{state="ready"} == 1'


@pytest.mark.prometheus
@pytest.mark.engine
@pytest.mark.slow
async def test_every_query_of_dashboard_and_rules_has_data(
    prometheus: Prometheus,
) -> None:
    """No panel and no rule asks for a name that does not exist, or for nothing."""
    names = set(prometheus.get("/api/v1/label/__name__/values"))  # type: ignore[call-overload]  # JSON
    asked = {name for query in expressions().values() for name in NAME.findall(query)}
    assert asked <= names
    missing = [
        f"{what}: {query}"
        for what, query in expressions().items()
        if not prometheus.query(query)
    ]
    assert [] == missing
    rules = prometheus.get("/api/v1/rules")
    assert "err" not in re.findall(r'"health": "(\w+)"', json.dumps(rules))


@pytest.mark.prometheus
def test_promtool_accepts_the_rules() -> None:
    """Prometheus' own checker reads rules and configuration."""
    try:
        promtool = find_program("promtool")
    except UnobtainableError as error:
        pytest.skip(str(error))
    for kind, file in (("rules", RULES), ("config", RULES.with_name("prometheus.yml"))):
        subprocess.run([promtool, "check", kind, file], check=True)
