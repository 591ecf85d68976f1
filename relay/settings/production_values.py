"""Production values: what the production configuration sets, and what it shows of what it leaves unset.

Owns the values that a deployment has of its own; defaults are the models'. A path names its way through the
file; in ``[…]`` stands which of several sections an entry of a list is.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["EXAMPLES", "LIVE", "NOTES"]

#: What is set.
LIVE: Final[Mapping[str, str]] = {
    "data_dir": "/var/lib/relay",
    "store": (
        "postgresql://relay@db.internal/relay"
        "?sslmode=verify-full&sslrootcert=/run/secrets/db/ca.crt"
    ),
    "public.listen": "0.0.0.0:8080",
    "public.url": "https://relay.example.com",
    "public.trusted_proxies": "[10.0.0.0/8]",
    "public.drain_delay": "5s",
    "operator.listen": "0.0.0.0:8081",
    "sources[].name": "acme",
    "sources[].secrets[].id": "k1",
    "sources[].secrets[].secret": '"${RUNFLOW_CALLBACK_SECRET}"',
    "sources[].api.token": '"${RUNFLOW_TOKEN}"',
    "sources[].sweep.every": "5m",
    "destinations[http].name": "orders",
    "destinations[http].kind": "http",
    "destinations[http].url": "https://orders.example.com/hooks",
    "destinations[http].secrets[].id": "s1",
    "destinations[http].secrets[].secret": '"${ORDERS_SECRET}"',
    "destinations[kafka].name": "lake",
    "destinations[kafka].kind": "kafka",
    "destinations[kafka].bootstrap_servers": '"kafka-1.internal:9093,kafka-2.internal:9093"',
    "destinations[kafka].topic": "runflow.runs",
    "destinations[kafka].tls.check_hostname": "true",
    "destinations[kafka].sasl.mechanism": "SCRAM-SHA-512",
    "destinations[kafka].sasl.username": "relay",
    "destinations[kafka].sasl.password": '"${KAFKA_PASSWORD}"',
    "routes[].name": "everything",
    "routes[].match": "[]",
    "routes[].to": "[orders, lake]",
    "limits.body_bytes": "6MiB",
    "limits.backlog": "1000000",
    "limits.store_bytes": "256GiB",
    "retention.payloads": "30d",
    "retention.attempts": "90d",
    "retention.dead_letters": "90d",
    "retention.identities": "5y",
    "log.format": "json",
}

_NOT_BEFORE: Final = "2026-01-01T00:00:00Z"
_NOT_AFTER: Final = "2036-01-01T00:00:00Z"

#: What stands for a setting that is left unset and has no default.
EXAMPLES: Final[Mapping[str, str]] = {
    "sources[].secret": '"${RUNFLOW_CALLBACK_SECRET}"',
    "sources[].secrets[].not_before": _NOT_BEFORE,
    "sources[].secrets[].not_after": _NOT_AFTER,
    "sources[].channels[runflow].name": "second",
    "sources[].channels[runflow].scheme": "runflow",
    "sources[].channels[runflow].secret": '"${SECOND_SECRET}"',
    "sources[].channels[runflow].secrets[].id": "c1",
    "sources[].channels[runflow].secrets[].secret": '"${SECOND_SECRET}"',
    "sources[].channels[runflow].secrets[].not_before": _NOT_BEFORE,
    "sources[].channels[runflow].secrets[].not_after": _NOT_AFTER,
    "sources[].channels[standard-webhooks].name": "org",
    "sources[].channels[standard-webhooks].scheme": "standard-webhooks",
    "sources[].channels[standard-webhooks].secret": '"${ORG_WEBHOOK_SECRET}"',
    "sources[].channels[standard-webhooks].secrets[].id": "w1",
    "sources[].channels[standard-webhooks].secrets[].secret": '"${ORG_WEBHOOK_SECRET}"',
    "sources[].channels[standard-webhooks].secrets[].not_before": _NOT_BEFORE,
    "sources[].channels[standard-webhooks].secrets[].not_after": _NOT_AFTER,
    "sources[].api.organization_id": '"${RUNFLOW_ORGANIZATION_ID}"',
    "destinations[http].max_bytes": "1MiB",
    "destinations[http].secret": '"${ORDERS_SECRET}"',
    "destinations[http].secrets[].not_before": _NOT_BEFORE,
    "destinations[http].secrets[].not_after": _NOT_AFTER,
    "destinations[http].headers": "{X-Tenant: acme}",
    "destinations[http].rate": "100/s",
    "destinations[http].auth.bearer": '"${ORDERS_TOKEN}"',
    "destinations[http].auth.username": "relay",
    "destinations[http].auth.password": '"${ORDERS_PASSWORD}"',
    "destinations[http].tls.ca": "/run/secrets/orders/ca.crt",
    "destinations[http].tls.cert": "/run/secrets/orders/tls.crt",
    "destinations[http].tls.key": "/run/secrets/orders/tls.key",
    "destinations[http].proxy.url": "http://proxy.internal:3128",
    "destinations[http].proxy.username": "relay",
    "destinations[http].proxy.password": '"${PROXY_PASSWORD}"',
    "destinations[kafka].max_bytes": "1MiB",
    "destinations[kafka].tls.ca": "/run/secrets/kafka/ca.crt",
    "destinations[kafka].tls.cert": "/run/secrets/kafka/tls.crt",
    "destinations[kafka].tls.key": "/run/secrets/kafka/tls.key",
    "destinations[file].name": "audit",
    "destinations[file].kind": "file",
    "destinations[file].path": "events.jsonl",
    "destinations[file].max_bytes": "1MiB",
    "destinations[file].rotate.bytes": "1GiB",
    "destinations[file].rotate.keep": "7",
}

#: What a deployment has to know beside a setting's meaning.
NOTES: Final[Mapping[str, str]] = {
    "store": (
        "PostgreSQL for any number of relays; its password is in the environment as PGPASSWORD, or the whole URL"
        " is {file: PATH}. One relay alone does with the default, a file below data_dir."
    ),
    "public.listen": "Only the ingress needs to reach it.",
    "public.trusted_proxies": "Where the ingress dials from: a wrong guess limits everybody for one who fails.",
    "public.drain_delay": "As long as the ingress takes to notice that this one is not ready.",
    "operator.listen": "Never through the ingress: it asks nobody who they are.",
    "sources[].secret": "Instead of `secrets`.",
    "sources[].secrets": "To replace one, add the next beside it: docs/receiving.md.",
    "sources[].channels[runflow].secret": "Instead of `secrets`.",
    "sources[].channels[standard-webhooks].secret": "Instead of `secrets`.",
    "destinations[http].secret": "Instead of `secrets`.",
    "destinations[http].secrets": "`relay keys new` makes one, `relay keys rotate` replaces it.",
    "destinations[http].private": "Metadata addresses of clouds stay closed whatever is said.",
    "destinations[http].auth.bearer": "Instead of `username` and `password`.",
    "destinations[http].auth.username": "Instead of `bearer`.",
    "destinations[file]": "Of one relay alone: give several relays no such destination.",
    "routes[].match": "Such as {exact: {type: io.runflow.run.failed}}; docs/operating.md has more.",
    "limits.body_bytes": "The ingress must let as much through.",
    "limits.min_free_disk": "Of a store that is a file; PostgreSQL's own disk is not seen.",
    "limits.store_bytes": "With PostgreSQL it is compared with the whole database.",
}
