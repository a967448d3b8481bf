"""Draw Grafana's dashboard without Grafana, from what a Prometheus holds.

``python -m benchmarks.draw_dashboard http://127.0.0.1:9090 picture.png`` asks for every
query of ``deploy/grafana/dashboards/midfill.json`` and draws each panel.
"""

import argparse
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

import matplotlib as mpl

__all__ = ["draw"]

_DASHBOARD = Path(__file__).parents[1] / "deploy/grafana/dashboards/midfill.json"
_COLUMNS = 3


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
    for panel, axis in zip(panels, axes.flat, strict=False):
        axis.set_title(panel["title"], fontsize=10, loc="left")
        axis.tick_params(labelsize=7)
        axis.grid(visible=True, alpha=0.3)
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", window)
            for name, value in (("$__range", window), ("$model", ".*")):
                query = query.replace(name, value)
            query = query.replace("$language", ".*")
            found = _range(address, query, minutes)
            empty += not found
            for labels, points in found:
                legend = target["legendFormat"]
                for key, value in labels.items():
                    legend = legend.replace(f"{{{{{key}}}}}", value)
                start = points[0][0] if points else 0.0
                axis.plot(
                    [at - start for at, _ in points],
                    [each for _, each in points],
                    label=legend,
                    linewidth=1.2,
                )
        axis.set_ylim(bottom=0)
        axis.set_xlabel(f"s  ({panel['fieldConfig']['defaults']['unit']})", fontsize=7)
        if axis.lines:
            axis.legend(fontsize=6, ncols=2)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(picture, dpi=80)
    return empty


def _range(
    address: str, query: str, minutes: float
) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    """Return the labels and points of each series of a query."""
    end_s = time.time()
    parameters = urllib.parse.urlencode(
        {"query": query, "start": end_s - minutes * 60, "end": end_s, "step": 1}
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
