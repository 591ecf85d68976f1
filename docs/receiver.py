"""An endpoint for trying things out: ``.venv/bin/python docs/receiver.py``.

Verifies each delivery, knows repeats by the event's id, and answers 2xx once it has the event. It
listens where the destination ``hook`` of config/local.yaml points.
"""

import json
import sys
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_b25seS1mb3ItdHJ5aW5nLW91dC1ieS1oYW5k"  # noqa: S105 - of config/local.yaml
seen: set[str] = set()  # in a real service: a unique column in its database


class Receiver(BaseHTTPRequestHandler):
    """One request, one event."""

    def do_POST(self) -> None:
        """Take an event."""
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            Webhook(SECRET).verify(body, dict(self.headers), json_parse=False)
        except WebhookVerificationError as error:
            say(f"refused: {error}")
            self.answer(401)
            return
        event = json.loads(body, parse_float=Decimal)
        repeat = "again" if event["id"] in seen else "new"
        seen.add(event["id"])
        say(f"{repeat} {event['type']} {event['subject']}")
        self.answer(204)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response_only(status)
        self.end_headers()


def say(line: str) -> None:
    """A line at once, into a file as well."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 9099), Receiver)
    say("listens on http://127.0.0.1:9099")
    with suppress(KeyboardInterrupt):
        server.serve_forever()
