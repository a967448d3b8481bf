"""Write ``dashboards/midfill.json``: one table of panels, made into Grafana's format.

``python deploy/grafana/make_dashboard.py`` writes it; with ``--check`` it changes
nothing and fails if the file is out of date.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PANELS", "Panel", "dashboard"]

FILE = Path(__file__).parent / "dashboards" / "midfill.json"

_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One graph.

    Attributes:
        title: What it shows.
        unit: Grafana's name of the unit.
        queries: PromQL by what each line is called; ``{{x}}`` is the label x.
    """

    title: str
    unit: str
    queries: dict[str, str]


_SELECT = 'model=~"$model",language=~"$language"'


def _quantiles(histogram: str, *more: str) -> dict[str, str]:
    """Return the queries of a histogram's quantiles; the labels ``more`` stay apart."""
    by = ", ".join(["le", *more])
    name = " ".join(["", *(f"{{{{{each}}}}}" for each in more)])
    return {
        f"p{quantile}{name}": f"histogram_quantile(0.{quantile}, sum by ({by}) "
        f"(rate({histogram}_bucket{{{_SELECT}}}[$__rate_interval])))"
        for quantile in (50, 95, 99)
    }


def _stages(quantile: str) -> dict[str, str]:
    """Return the query of one quantile of every stage."""
    rate = f"rate(midfill_stage_duration_seconds_bucket{{{_SELECT}}}[$__rate_interval])"
    return {"{{stage}}": f"histogram_quantile({quantile}, sum by (le, stage) ({rate}))"}


def _rate(counter: str, by: str, select: str = _SELECT) -> str:
    """Return the query of a counter's rate by a label."""
    return f"sum by ({by}) (rate({counter}{{{select}}}[$__rate_interval]))"


_MODEL = 'model=~"$model"'
_VLLM = 'model_name=~"$model"'

PANELS = (
    Panel(
        title="Requests",
        unit="reqps",
        queries={"{{outcome}}": _rate("midfill_requests_total", "outcome")},
    ),
    Panel(
        title="End to end",
        unit="s",
        queries=_quantiles("midfill_request_duration_seconds"),
    ),
    Panel(
        title="First token",
        unit="s",
        queries=_quantiles("midfill_time_to_first_token_seconds"),
    ),
    Panel(title="Stages, p50", unit="s", queries=_stages("0.5")),
    Panel(title="Stages, p95", unit="s", queries=_stages("0.95")),
    Panel(
        title="Prefix cache hit rate",
        unit="percentunit",
        queries={
            "of our prompts": "sum(rate(midfill_prompt_tokens_total"
            f'{{{_SELECT},source="cached"}}[$__rate_interval])) / '
            f"sum(rate(midfill_prompt_tokens_total{{{_SELECT}}}[$__rate_interval]))",
            "vLLM's own": "sum(rate(vllm:prefix_cache_hits_total"
            f"{{{_VLLM}}}[$__rate_interval])) / "
            f"sum(rate(vllm:prefix_cache_queries_total{{{_VLLM}}}[$__rate_interval]))",
        },
    ),
    Panel(
        title="Tokens",
        unit="cps",
        queries={
            "prompt, {{source}}": _rate("midfill_prompt_tokens_total", "source"),
            "output": f"sum(rate(midfill_output_tokens_total{{{_SELECT}}}"
            "[$__rate_interval]))",
            "saved, {{outcome}}": _rate(
                "midfill_saved_tokens_total", "outcome", _MODEL
            ),
        },
    ),
    Panel(
        title="KV cache in use",
        unit="percentunit",
        queries={"{{model_name}}": f"vllm:kv_cache_usage_perc{{{_VLLM}}}"},
    ),
    Panel(
        title="Generations in the engine",
        unit="short",
        queries={
            "running": f"sum(midfill_running_generations{{{_MODEL}}})",
            "waiting": f"sum(midfill_waiting_generations{{{_MODEL}}})",
            "waiting in vLLM": f"sum(vllm:num_requests_waiting{{{_VLLM}}})",
        },
    ),
    Panel(
        title="Suggestions",
        unit="cps",
        queries={"{{event}}": _rate("midfill_suggestions_total", "event")},
    ),
    Panel(
        title="Accepted of those shown, kept of those accepted",
        unit="percentunit",
        queries={
            "accepted": f"sum(increase(midfill_suggestions_total{{{_SELECT},"
            'event="accepted"}[$__range])) / sum(increase(midfill_suggestions_total'
            f'{{{_SELECT},event="shown"}}[$__range]))',
            "kept": f'sum(increase(midfill_suggestions_total{{{_SELECT},event="kept"}}'
            "[$__range])) / sum(increase(midfill_suggestions_total"
            f'{{{_SELECT},event=~"kept|discarded"}}[$__range]))',
        },
    ),
    Panel(
        title="Why there was no suggestion",
        unit="cps",
        queries={"{{reason}}": _rate("midfill_empty_requests_total", "reason", _MODEL)},
    ),
    Panel(
        title="Overload: step (0 to 5), and refusals",
        unit="short",
        queries={
            "step": f"max by (model) (midfill_overload_step{{{_MODEL}}})",
            "refused/s, {{reason}}": "sum by (reason) "
            "(rate(midfill_refused_requests_total[$__rate_interval]))",
        },
    ),
    Panel(
        title="Failures, and restarts of the engine",
        unit="short",
        queries={
            "failed/s": "sum(rate(midfill_failed_requests_total"
            f"{{{_MODEL}}}[$__rate_interval]))",
            "restarts": f"sum by (model) (midfill_engine_restarts_total{{{_MODEL}}})",
            "ready": f'sum by (model) (midfill_engine_state{{{_MODEL},state="ready"}})',
        },
    ),
    Panel(
        title="Memory",
        unit="bytes",
        queries={"{{process}}": "midfill_process_resident_memory_bytes"},
    ),
    Panel(
        title="GPU: busy, and memory in use (empty without an NVIDIA GPU)",
        unit="percentunit",
        queries={
            "{{instance}} GPU {{gpu}} busy": "midfill_gpu_utilisation_ratio",
            "{{instance}} GPU {{gpu}} memory": "midfill_gpu_memory_used_bytes / "
            "midfill_gpu_memory_total_bytes",
        },
    ),
)


def dashboard() -> dict[str, object]:
    """Return the dashboard as Grafana reads it."""
    return {
        "uid": "midfill",
        "title": "Midfill",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                _variable("model", "label_values(midfill_engine_state, model)"),
                _variable("language", "label_values(midfill_requests_total, language)"),
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _variable(name: str, query: str) -> dict[str, object]:
    """Return a variable whose values Grafana asks Prometheus for."""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, object]:
    """Return a panel in its place of the grid."""
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {
            "x": number % _COLUMNS * _WIDTH,
            "y": number // _COLUMNS * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query, "legendFormat": name}
            for at, (name, query) in enumerate(panel.queries.items())
        ],
    }


def main() -> int:
    """Write or check the file, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    text = json.dumps(dashboard(), indent=2) + "\n"
    if not parser.parse_args().check:
        FILE.write_text(text, encoding="utf-8")
    elif text != FILE.read_text(encoding="utf-8"):
        print(f"{FILE.name} is out of date: run {Path(__file__).name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
