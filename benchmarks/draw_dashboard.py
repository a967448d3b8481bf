"""Draw Grafana's dashboard without Grafana, from what a Prometheus holds.

``python -m benchmarks.draw_dashboard http://127.0.0.1:9090 picture.png`` asks for every
query of ``deploy/grafana/dashboards/midfill.json`` and draws each panel.
"""

import argparse
import json
import math
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.ticker import (
    EngFormatter,
    Formatter,
    PercentFormatter,
    StrMethodFormatter,
)

__all__ = ["draw"]

_DASHBOARD = Path(__file__).parents[1] / "deploy/grafana/dashboards/midfill.json"
_COLUMNS = 3
_SCALED = {"s": "s", "bytes": "B"}
"""Grafana's names of the units that are written with prefixes, and how."""
_RATES = frozenset({"reqps", "cps"})


def draw(address: str, picture: Path, *, minutes: float, window: str) -> int:
    """Draw the last minutes, and return how many queries had no data.

    Args:
        address: Prometheus' address.
        picture: Where the picture goes.
        minutes: How far it goes back.
        window: What rates are taken over, ``1m`` for example.
    """
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the back end comes first

    panels = json.loads(_DASHBOARD.read_text(encoding="utf-8"))["panels"]
    rows = -(-len(panels) // _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(15, 2.8 * rows), layout="constrained", squeeze=False
    )
    empty = 0
    end_s = time.time()
    begin_s = end_s - minutes * 60
    for panel, axis in zip(panels, axes.flat, strict=False):
        axis.set_title(panel["title"], fontsize=10, loc="left")
        axis.tick_params(labelsize=7)
        axis.grid(visible=True, alpha=0.3)
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", window)
            for name, value in (("$__range", window), ("$model", ".*")):
                query = query.replace(name, value)
            query = query.replace("$language", ".*")
            found = _range(address, query, begin_s, end_s)
            empty += not found
            for labels, points in found:
                legend = target["legendFormat"]
                for key, value in labels.items():
                    legend = legend.replace(f"{{{{{key}}}}}", value)
                axis.plot(
                    [at - begin_s for at, _ in points],
                    [each for _, each in points],
                    label=legend,
                    linewidth=1.2,
                )
        values = [float(each) for line in axis.lines for each in line.get_ydata()]
        # A share of nothing is no number.
        most = max(filter(math.isfinite, values), default=0.0)
        axis.set(xlim=(0, minutes * 60), ylim=(0, 1.1 * most or 1))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g} s"))
        axis.yaxis.set_major_formatter(_formatter(panel))
        if axis.lines:
            axis.legend(
                fontsize=6,
                ncols=3,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.1),
                frameon=False,
            )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(picture, dpi=80)
    return empty


def _formatter(panel: dict[str, Any]) -> Formatter:  # Any: Grafana's JSON
    """Return what writes the values of a panel, in its unit."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if unit == "percentunit":
        return PercentFormatter(1.0)
    if unit in _SCALED:
        return EngFormatter(_SCALED[unit])
    # Not with a prefix: 800 m/s would be a speed.
    return StrMethodFormatter("{x:g} /s" if unit in _RATES else "{x:g}")


def _range(
    address: str, query: str, begin_s: float, end_s: float
) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    """Return the labels and points of each series of a query."""
    parameters = urllib.parse.urlencode(
        {"query": query, "start": begin_s, "end": end_s, "step": 1}
    )
    url = f"{address}/api/v1/query_range?{parameters}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http
        result = json.load(answer)["data"]["result"]
    return [
        (
            {str(key): str(value) for key, value in series["metric"].items()},
            [(float(at), float(value)) for at, value in series["values"]],
        )
        for series in result
    ]


def main() -> int:
    """Draw, and say how many queries had no data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--window", default="30s")
    options = parser.parse_args()
    empty = draw(
        options.address, options.picture, minutes=options.minutes, window=options.window
    )
    print(f"{empty} queries without data; drawn to {options.picture}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
