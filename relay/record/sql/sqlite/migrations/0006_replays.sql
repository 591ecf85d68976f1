-- What is sent again, and who ordered it.

-- One for each order and destination: a job that a relay works at until it is done or called off.
CREATE TABLE replays (
    number     INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    ordered_by TEXT    NOT NULL,
    -- The settled deliveries that are looked through; for events without one, where they are missing.
    origin     INTEGER NOT NULL REFERENCES destinations (number),
    target     INTEGER NOT NULL REFERENCES destinations (number),
    selection  TEXT    NOT NULL,
    rate       INTEGER NOT NULL,
    most       INTEGER,
    -- How many were found when it was ordered.
    expected   INTEGER NOT NULL,
    state      INTEGER NOT NULL DEFAULT 0,
    -- The last number looked at, and the last one that there is to be looked at.
    cursor     INTEGER NOT NULL,
    upto       INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    created    INTEGER NOT NULL DEFAULT 0,
    expired    INTEGER NOT NULL DEFAULT 0,
    standing   INTEGER NOT NULL DEFAULT 0,
    unrouted   INTEGER NOT NULL DEFAULT 0,
    ended_at   INTEGER
) STRICT;

CREATE INDEX replays_running ON replays (due_at) WHERE state = 0;

-- The order that made a delivery; null for what routes made.
ALTER TABLE deliveries ADD COLUMN replay INTEGER;

CREATE INDEX deliveries_replay ON deliveries (replay, state) WHERE replay IS NOT NULL;
-- Replayed ones that have not had their first try: as many as a destination is given at once.
CREATE INDEX deliveries_resent ON deliveries (destination)
    WHERE replay IS NOT NULL AND attempts = 0 AND state IN (0, 2);
-- Dead letters in the order in which they were made, and in which they died.
CREATE INDEX deliveries_dead ON deliveries (destination, number) WHERE state = 3;
CREATE INDEX deliveries_died ON deliveries (settled_at, number) WHERE state = 3;
