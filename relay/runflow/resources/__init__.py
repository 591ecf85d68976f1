"""Resources: the endpoints, grouped by what they are about."""

from relay.runflow.resources.auth import Auth
from relay.runflow.resources.batches import Batches
from relay.runflow.resources.callback_secrets import CallbackSecrets
from relay.runflow.resources.models import Models
from relay.runflow.resources.runs import Runs

__all__ = ["Auth", "Batches", "CallbackSecrets", "Models", "Runs"]
