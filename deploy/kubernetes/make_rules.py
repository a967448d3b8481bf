"""Write ``components/monitoring/rules.yaml``: the rules for Prometheus' operator.

``python deploy/kubernetes/make_rules.py`` takes the groups of
``deploy/prometheus/midfill.rules.yml`` as they are.
"""

from pathlib import Path

import yaml

__all__ = ["FILE", "prometheus_rule"]

FILE = Path(__file__).parent / "components" / "monitoring" / "rules.yaml"

_RULES = Path(__file__).parents[1] / "prometheus" / "midfill.rules.yml"


def prometheus_rule() -> str:
    """Return the object as YAML."""
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "midfill", "namespace": "midfill"},
        "spec": yaml.safe_load(_RULES.read_text(encoding="utf-8")),
    }
    return "# Written by make_rules.py.\n" + yaml.safe_dump(made, sort_keys=False)


if __name__ == "__main__":
    FILE.write_text(prometheus_rule(), encoding="utf-8")
