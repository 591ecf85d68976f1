"""Writes docs/settings.md from the settings' models: ``python docs/generate_settings.py``."""

from pathlib import Path

from relay.settings import reference

if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(reference(), encoding="utf-8")
