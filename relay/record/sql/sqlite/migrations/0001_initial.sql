-- Everything the path needs, in the shape that later capabilities build on.
-- Times are microseconds since the epoch, UTC. Rows hang on integer numbers; small closed sets are
-- kept as the codes of relay/record/codes.py.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incarnations (
    number     INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sources (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE destinations (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    kind   TEXT NOT NULL,
    epoch  INTEGER NOT NULL DEFAULT 1
) STRICT;

-- What is known of a run or batch: the identities. Lean, never partitioned, kept longest.
CREATE TABLE runs (
    number     INTEGER PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES sources (number),
    namespace  INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_ref TEXT,
    outcome    INTEGER,
    revision   INTEGER NOT NULL,
    origin     TEXT    NOT NULL,
    first_seen INTEGER NOT NULL,
    UNIQUE (source, namespace, id)
) STRICT;

CREATE INDEX runs_client_ref ON runs (client_ref) WHERE client_ref IS NOT NULL;

-- Outcomes opened that are no event yet.
CREATE TABLE waiting (
    run       INTEGER PRIMARY KEY REFERENCES runs (number),
    outcome   INTEGER,
    reasons   TEXT    NOT NULL,
    receipt   INTEGER NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;

-- Every callback that verified, byte for byte. Equal bytes again: one row, counted.
CREATE TABLE receipts (
    number     INTEGER PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES sources (number),
    run        INTEGER REFERENCES runs (number),
    verdict    INTEGER NOT NULL,
    reasons    TEXT,
    channel    TEXT    NOT NULL,
    secret     TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    count      INTEGER NOT NULL DEFAULT 1,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    headers    BLOB,
    body       BLOB
) STRICT;

CREATE INDEX receipts_run ON receipts (run) WHERE run IS NOT NULL;
CREATE UNIQUE INDEX receipts_quarantined ON receipts (source, digest) WHERE run IS NULL;

-- Events are immutable. What their bytes are made of is stored; the builder makes them again.
CREATE TABLE events (
    number     INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL REFERENCES runs (number),
    revision   INTEGER NOT NULL,
    id         BLOB    NOT NULL UNIQUE,
    outcome    INTEGER NOT NULL,
    confirmed  INTEGER NOT NULL,
    receipt    INTEGER NOT NULL REFERENCES receipts (number),
    builder    INTEGER NOT NULL,
    -- Where it is not the one in the receipt.
    client_ref TEXT,
    routed     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (run, revision)
) STRICT;

CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY,
    event       INTEGER NOT NULL REFERENCES events (number),
    run         INTEGER NOT NULL,
    destination INTEGER NOT NULL REFERENCES destinations (number),
    generation  INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    lane        INTEGER NOT NULL DEFAULT 0,
    batch       BLOB,
    state       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    lease       INTEGER,
    settled_at  INTEGER,
    status      INTEGER,
    reason      TEXT,
    UNIQUE (event, destination, generation)
) STRICT;

-- Open deliveries by run: order per run, and (by its lease column) what a dead process held.
CREATE INDEX deliveries_open ON deliveries (run, destination, lease) WHERE state IN (0, 2);
-- What a worker may claim. Fresh deliveries leased in their own commit never enter it.
CREATE INDEX deliveries_due ON deliveries (destination, due_at) WHERE state = 0 AND lease IS NULL;

-- Tries that did not deliver. The one that did is the delivery's own last line.
CREATE TABLE attempts (
    number      INTEGER PRIMARY KEY,
    delivery    INTEGER NOT NULL REFERENCES deliveries (number),
    tried_at    INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    status      INTEGER,
    detail      TEXT    NOT NULL,
    excerpt     BLOB
) STRICT;

CREATE INDEX attempts_delivery ON attempts (delivery);

-- Requests that failed verification: what was wrong and how often, never what they said.
CREATE TABLE refusals (
    source     TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    peer       TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    PRIMARY KEY (source, channel, reason, peer)
) STRICT, WITHOUT ROWID;

-- The ledger's counters, written in the commits whose rows they count, one line per process start.
CREATE TABLE source_counters (
    incarnation INTEGER NOT NULL,
    source      INTEGER NOT NULL,
    receipts    INTEGER NOT NULL DEFAULT 0,
    first       INTEGER NOT NULL DEFAULT 0,
    duplicate   INTEGER NOT NULL DEFAULT 0,
    stale       INTEGER NOT NULL DEFAULT 0,
    conflict    INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    opened      INTEGER NOT NULL DEFAULT 0,
    events      INTEGER NOT NULL DEFAULT 0,
    waiting     INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0,
    collapsed   INTEGER NOT NULL DEFAULT 0,
    closed      INTEGER NOT NULL DEFAULT 0,
    unrouted    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (incarnation, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination_counters (
    incarnation INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    created     INTEGER NOT NULL DEFAULT 0,
    delivered   INTEGER NOT NULL DEFAULT 0,
    pending     INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0,
    dead        INTEGER NOT NULL DEFAULT 0,
    discarded   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (incarnation, destination)
) STRICT, WITHOUT ROWID;
