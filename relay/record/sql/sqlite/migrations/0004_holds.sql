-- How destinations stand, and who has changed what.

-- A hold is written here alone: that its pending deliveries are held is derived from it.
ALTER TABLE destinations ADD COLUMN hold TEXT;
ALTER TABLE destinations ADD COLUMN hold_reason TEXT;
ALTER TABLE destinations ADD COLUMN hold_by TEXT;
ALTER TABLE destinations ADD COLUMN held_since INTEGER;
-- Since when nothing but failures, the last of them, and when something last worked; all written seldom.
ALTER TABLE destinations ADD COLUMN failing_since INTEGER;
ALTER TABLE destinations ADD COLUMN failed_at INTEGER;
ALTER TABLE destinations ADD COLUMN worked_at INTEGER;
-- From this event on no deliveries have been made: there were too many.
ALTER TABLE destinations ADD COLUMN behind_from INTEGER;

-- What operators have changed, and what the relay has changed by itself in their place.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    verb    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
