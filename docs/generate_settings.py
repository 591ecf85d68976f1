"""Writes docs/settings.md and config/production.yaml from the settings' models: ``python docs/generate_settings.py``."""

from pathlib import Path

from relay.settings import production, reference

if __name__ == "__main__":
    here = Path(__file__).parent
    (here / "settings.md").write_text(reference(), encoding="utf-8")
    config = here.parent / "config"
    (config / "production.yaml").write_text(production(), encoding="utf-8")
