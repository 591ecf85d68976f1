-- Who has failed before waits in another queue than who has not, and each source has a queue of its own.
-- Only what is open stands in a queue: what was settled before this has no source here.
ALTER TABLE deliveries ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN queue  INTEGER NOT NULL DEFAULT 0;

UPDATE deliveries
SET source = (SELECT r.source FROM runs AS r WHERE r.number = deliveries.run),
    queue = attempts > 0 OR reason IS NOT NULL
WHERE state IN (0, 2);

DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, queue, source, due_at)
WHERE state = 0 AND lease IS NULL;
