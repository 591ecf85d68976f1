"""Settings: every knob of the relay.

Owns what can be set, within which limits, and reading it from a YAML file and an environment. One
module per section of the file; ``loading`` turns the file into ``Settings`` or into every mistake at
once. Read by ``app`` and ``cli`` only: workers take plain arguments. Nothing here acts on a setting.
"""

from relay.settings.access import Auth, HttpProxy, HttpTls, Sasl, Tls
from relay.settings.api import Api
from relay.settings.destinations import (
    Destination,
    FileDestination,
    HttpDestination,
    KafkaDestination,
    Rotate,
)
from relay.settings.forms import ListenAddress
from relay.settings.keys import RunflowKey, SigningKey, VerifyingKey
from relay.settings.limits import Limits
from relay.settings.listeners import Operator, Public
from relay.settings.loading import load, load_place, parse, review
from relay.settings.log import Log
from relay.settings.mistakes import ConfigError, Mistake, render
from relay.settings.production import production
from relay.settings.reference import reference
from relay.settings.retention import Retention
from relay.settings.root import Place, Settings
from relay.settings.routes import Route
from relay.settings.secret import Secret
from relay.settings.section import fixed_changes
from relay.settings.sources import RunflowChannel, Source, StandardChannel, Sweep
from relay.settings.units import Duration
from relay.settings.written import secrets_as_written

__all__ = [
    "Api",
    "Auth",
    "ConfigError",
    "Destination",
    "Duration",
    "FileDestination",
    "HttpDestination",
    "HttpProxy",
    "HttpTls",
    "KafkaDestination",
    "Limits",
    "ListenAddress",
    "Log",
    "Mistake",
    "Operator",
    "Place",
    "Public",
    "Retention",
    "Rotate",
    "Route",
    "RunflowChannel",
    "RunflowKey",
    "Sasl",
    "Secret",
    "Settings",
    "SigningKey",
    "Source",
    "StandardChannel",
    "Sweep",
    "Tls",
    "VerifyingKey",
    "fixed_changes",
    "load",
    "load_place",
    "parse",
    "production",
    "reference",
    "render",
    "review",
    "secrets_as_written",
]
