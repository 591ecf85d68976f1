"""``relay demo``: two hundred runs with faults, through everything, before your eyes.

``verb`` is the command, ``stage`` puts sandbox, relay and endpoint together, ``endpoint`` is a consumer
written as its own developer would, ``compare`` decides whether everyone heard the truth, ``show`` draws.
"""

from relay.cli.demo.verb import demo

__all__ = ["demo"]
