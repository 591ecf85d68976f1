"""``relay migrate``: bring the store's tables up to date, and say what was done.

A relay does the same when it starts. By itself it is for who upgrades several of them, one after the other.
"""

import asyncio
import os

from relay.app.stores import Upgrade, upgrade_store
from relay.cli.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    mistakes_exit,
    print_json,
    say,
)
from relay.observe.logs import configure
from relay.settings import load_place

__all__ = ["migrate"]

#: How long the last lines may take to be written.
_LOG_FLUSH_S = 1.0


def migrate(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Bring the store's tables up to date, as a relay does when it starts; nothing is received or delivered.

    Of the configuration only `data_dir` and `store` are read. A database may be served by relays meanwhile, a file may
    not. There is no way back: an older relay does not start on newer tables.
    """
    with mistakes_exit(json_about=config if json else None):
        place = load_place(config, os.environ)
        lines = configure(level="info", form="auto")
        try:
            done = asyncio.run(upgrade_store(place))
        finally:
            lines.flush(within_s=_LOG_FLUSH_S)
    if json:
        print_json(
            {
                "ok": True,
                "store": done.store,
                "before": done.before,
                "after": done.after,
                "steps": done.steps,
            }
        )
    else:
        say(_in_words(done))


def _in_words(done: Upgrade) -> str:
    if done.before == done.after:
        return f"{done.store} is up to date: schema {done.after}. Nothing was changed."
    if not done.before:
        return f"{done.store} was empty and has schema {done.after} now."
    steps = ", ".join(done.steps)
    return f"{done.store} had schema {done.before} and has {done.after} now: {steps}."
