-- What has been forgotten, in the ledger's terms: rows and archive together are what the counters say.

CREATE TABLE source_archive (
    source      INTEGER PRIMARY KEY,
    receipts    BIGINT NOT NULL,
    first       BIGINT NOT NULL,
    duplicate   BIGINT NOT NULL,
    stale       BIGINT NOT NULL,
    conflict    BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    opened      BIGINT NOT NULL,
    events      BIGINT NOT NULL,
    waiting     BIGINT NOT NULL,
    held        BIGINT NOT NULL,
    collapsed   BIGINT NOT NULL,
    closed      BIGINT NOT NULL,
    unrouted    BIGINT NOT NULL
);

CREATE TABLE destination_archive (
    destination INTEGER PRIMARY KEY,
    created     BIGINT NOT NULL,
    delivered   BIGINT NOT NULL,
    pending     BIGINT NOT NULL,
    held        BIGINT NOT NULL,
    dead        BIGINT NOT NULL,
    discarded   BIGINT NOT NULL
);

-- Receipts that somebody still needs when their day goes. Their numbers are those of the sequence alone: no
-- day that anything was received on begins below 2^40.
CREATE TABLE receipts_kept PARTITION OF receipts FOR VALUES FROM (0) TO (1099511627776);

-- Days that are no part of the receipts any more and are still to be counted: they become its children.
-- Whatever column the receipts get, this gets as well.
CREATE TABLE receipts_leaving (LIKE receipts);
