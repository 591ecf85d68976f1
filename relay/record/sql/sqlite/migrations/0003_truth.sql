-- What the upstream is asked, and what it answered.

-- One for each run whose truth is being asked for, or that a sweep watches.
CREATE TABLE inquiries (
    run       INTEGER PRIMARY KEY REFERENCES runs (number),
    source    INTEGER NOT NULL REFERENCES sources (number),
    state     INTEGER NOT NULL,
    outcome   INTEGER,
    reasons   TEXT    NOT NULL,
    -- The receipt that opened it; 0 where none did.
    receipt   INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,
    asks      INTEGER NOT NULL DEFAULT 0,
    lease     INTEGER
) STRICT;

CREATE INDEX inquiries_due ON inquiries (source, due_at) WHERE lease IS NULL;
CREATE INDEX inquiries_leased ON inquiries (lease) WHERE lease IS NOT NULL;

INSERT INTO inquiries (run, source, state, outcome, reasons, receipt, opened_at, due_at)
SELECT w.run, r.source, 1, w.outcome, w.reasons, w.receipt, w.opened_at, w.opened_at
FROM waiting AS w JOIN runs AS r ON r.number = w.run;

DROP TABLE waiting;

-- Every ask, so that it can be told why a run has no event yet.
CREATE TABLE asks (
    number      INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL REFERENCES runs (number),
    asked_at    INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    answer      TEXT    NOT NULL,
    status      INTEGER,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX asks_run ON asks (run);

-- Outcomes that were opened and ended without an event: denied, or nothing new.
ALTER TABLE runs ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;

-- How far each source has been swept: the creation of the newest run that was seen.
CREATE TABLE sweeps (
    source    INTEGER PRIMARY KEY REFERENCES sources (number),
    cursor_at INTEGER NOT NULL
) STRICT;

-- Who has which client_ref, where of several successes one is told.
CREATE TABLE winners (
    source     INTEGER NOT NULL REFERENCES sources (number),
    client_ref TEXT    NOT NULL,
    run        INTEGER NOT NULL REFERENCES runs (number),
    PRIMARY KEY (source, client_ref)
) STRICT, WITHOUT ROWID;

CREATE INDEX winners_run ON winners (run);

-- Successes that were not told, and the receipt that an event of theirs would be built from.
CREATE TABLE collapsed (
    run        INTEGER PRIMARY KEY REFERENCES runs (number),
    source     INTEGER NOT NULL REFERENCES sources (number),
    client_ref TEXT    NOT NULL,
    receipt    INTEGER NOT NULL,
    confirmed  INTEGER NOT NULL,
    opened_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX collapsed_queue ON collapsed (source, client_ref, opened_at, run);
