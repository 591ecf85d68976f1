"""Writes the alerts that the chart brings, from those of ``config``: ``python docs/generate_alerts.py``.

``helm/relay/alerts.yaml``: Helm reads nothing that is outside of a chart.
"""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


def alerts() -> str:
    """The rules for Prometheus, as the chart has them."""
    said = "# config/alerts.yaml, copied by docs/generate_alerts.py\n"
    return said + (ROOT / "config" / "alerts.yaml").read_text(encoding="utf-8")


if __name__ == "__main__":
    (ROOT / "helm" / "relay" / "alerts.yaml").write_text(alerts(), encoding="utf-8")
