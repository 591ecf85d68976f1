-- What has been forgotten, in the ledger's terms: rows and archive together are what the counters say.

CREATE TABLE source_archive (
    source      INTEGER PRIMARY KEY,
    receipts    INTEGER NOT NULL,
    first       INTEGER NOT NULL,
    duplicate   INTEGER NOT NULL,
    stale       INTEGER NOT NULL,
    conflict    INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    opened      INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    waiting     INTEGER NOT NULL,
    held        INTEGER NOT NULL,
    collapsed   INTEGER NOT NULL,
    closed      INTEGER NOT NULL,
    unrouted    INTEGER NOT NULL
) STRICT;

CREATE TABLE destination_archive (
    destination INTEGER PRIMARY KEY,
    created     INTEGER NOT NULL,
    delivered   INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    held        INTEGER NOT NULL,
    dead        INTEGER NOT NULL,
    discarded   INTEGER NOT NULL
) STRICT;
