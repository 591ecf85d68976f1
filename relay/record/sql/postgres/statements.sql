-- Every statement the store speaks, by name. The other store has the same names, but for locks, numbers
-- and beats, which one writer alone does not need. Rows come as one array a column.

-- name: insert_incarnation
INSERT INTO incarnations (started_at, expires_at)
VALUES ($1, now() + $2::bigint * interval '1 millisecond') RETURNING number

-- name: beat
UPDATE incarnations SET expires_at = now() + $2::bigint * interval '1 millisecond' WHERE number = $1
RETURNING number

-- name: hold_dead
-- Those who have stopped beating. Their rows are locked, so that nobody comes back half way.
SELECT number FROM incarnations WHERE expires_at < now() ORDER BY number FOR UPDATE SKIP LOCKED

-- name: void_leases
-- After the lock and not with it: what the dead committed a moment before it was granted must be seen. Whose
-- lease it is is looked at in the row that changes, which may have been settled and leased anew meanwhile.
WITH dead AS (DELETE FROM incarnations WHERE number = ANY($1::bigint[]))
UPDATE deliveries SET lease = NULL
WHERE state IN (0, 2) AND lease IS NOT NULL AND lease >> 32 = ANY($1::bigint[])

-- name: is_unheld
-- No transaction of ours runs on any more, also none that we have lost sight of.
SELECT number FROM incarnations WHERE number = $1 FOR UPDATE SKIP LOCKED

-- name: free_leases
-- Of commits that may have happened. What is open has an index; all that ever was delivered has none for this.
UPDATE deliveries SET lease = NULL WHERE state IN (0, 2) AND lease = ANY($1::bigint[])

-- name: free_inquiries
UPDATE inquiries SET lease = NULL WHERE lease = ANY($1::bigint[])

-- name: hold_incarnation
-- Nobody takes us for dead before this transaction ends.
SELECT number FROM incarnations WHERE number = $1 FOR KEY SHARE

-- name: notify
SELECT pg_notify($1, $2)

-- name: lock_runs
SELECT r.number
FROM unnest($1::int[], $2::int[], $3::bytea[]) AS k (source, namespace, id)
JOIN runs AS r ON r.source = k.source AND r.namespace = k.namespace AND r.id = k.id
ORDER BY r.number
FOR UPDATE OF r

-- name: lock_digests
-- Equal bytes in quarantine are one row; partitions allow no constraint that says so.
SELECT pg_advisory_xact_lock(k.source, k.word)
FROM (
    SELECT DISTINCT source, ('x' || encode(substr(digest, 1, 4), 'hex'))::bit(32)::int AS word
    FROM unnest($1::int[], $2::bytea[]) AS given (source, digest)
    ORDER BY source, word) AS k

-- name: take_numbers
SELECT array(SELECT nextval('runs_numbers') FROM generate_series(1, $1::int)),
       array(SELECT nextval('receipts_numbers') FROM generate_series(1, $2::int)),
       array(SELECT nextval('events_numbers') FROM generate_series(1, $3::int)),
       array(SELECT nextval('deliveries_numbers') FROM generate_series(1, $4::int)),
       array(SELECT number FROM destinations WHERE hold IS NOT NULL),
       array(SELECT number FROM destinations WHERE behind_from IS NOT NULL)

-- name: find_runs
SELECT r.source, r.namespace, r.id, r.number, r.client_ref, r.outcome, r.revision, r.origin,
       r.first_seen, i.state, i.outcome, i.reasons, i.receipt, i.opened_at, i.due_at, i.asks, i.lease
FROM unnest($1::int[], $2::int[], $3::bytea[]) AS k (source, namespace, id)
JOIN runs AS r ON r.source = k.source AND r.namespace = k.namespace AND r.id = k.id
LEFT JOIN inquiries AS i ON i.run = r.number

-- name: insert_run
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bytea[], $5::text[], $6::int[], $7::int[],
                     $8::text[], $9::bigint[])
ON CONFLICT DO NOTHING
RETURNING number

-- name: update_run
UPDATE runs SET client_ref = k.client_ref, outcome = k.outcome, revision = k.revision,
                origin = k.origin, first_seen = k.first_seen, closed = closed + k.more
FROM unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::bigint[], $6::int[], $7::bigint[])
    AS k (client_ref, outcome, revision, origin, first_seen, more, number)
WHERE runs.number = k.number

-- name: put_inquiry
INSERT INTO inquiries (run, source, state, outcome, reasons, receipt, opened_at, due_at, asks)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::int[])
ON CONFLICT (run) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, reasons = excluded.reasons,
    receipt = excluded.receipt, opened_at = excluded.opened_at, due_at = excluded.due_at,
    asks = excluded.asks

-- name: drop_inquiry
DELETE FROM inquiries WHERE run = ANY($1::bigint[])

-- name: release_inquiry
UPDATE inquiries SET lease = NULL WHERE run = ANY($1::bigint[])

-- name: claim_inquiries
WITH due AS (
    SELECT i.run FROM inquiries AS i
    WHERE i.source = $2 AND i.lease IS NULL AND i.due_at <= $3
      AND ($4::bigint IS NULL OR (i.state = 1 AND i.opened_at <= $4::bigint))
    ORDER BY i.due_at, i.run LIMIT $5
    FOR UPDATE OF i SKIP LOCKED)
UPDATE inquiries SET lease = $1 FROM due WHERE inquiries.run = due.run
RETURNING inquiries.run

-- name: read_inquiries
SELECT i.run, s.name, r.namespace, r.id, i.state, i.outcome, i.reasons, i.opened_at, i.asks
FROM unnest($1::bigint[]) AS k (run)
JOIN inquiries AS i ON i.run = k.run
JOIN runs AS r ON r.number = i.run
JOIN sources AS s ON s.number = i.source

-- name: read_accounts
-- What callbacks have said of a run, the largest left out. It only fills in where the API is silent.
SELECT run, body FROM (
    SELECT c.run, c.body, ROW_NUMBER() OVER (PARTITION BY c.run ORDER BY c.number) AS place
    FROM unnest($1::bigint[]) AS k (run) JOIN receipts AS c ON c.run = k.run
    WHERE c.verdict IN (1, 2, 4) AND octet_length(c.body) <= 524288) AS said
WHERE place <= 4

-- name: next_inquiry
SELECT MIN(due_at) FROM inquiries WHERE source = $1 AND lease IS NULL

-- name: void_inquiries
UPDATE inquiries SET lease = NULL WHERE lease IS NOT NULL AND lease >> 32 = ANY($1::bigint[])

-- name: put_sweep
INSERT INTO sweeps (source, cursor_at) VALUES ($1, $2)
ON CONFLICT (source) DO UPDATE SET cursor_at = greatest(sweeps.cursor_at, excluded.cursor_at)

-- name: read_sweep
SELECT MAX(cursor_at) FROM sweeps WHERE source = $1

-- name: insert_ask
INSERT INTO asks (run, asked_at, duration_us, answer, status, detail)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::text[])

-- name: read_last_events
-- What each run's last event is built from.
SELECT e.run, c.body
FROM unnest($1::bigint[]) AS k (run)
JOIN runs AS r ON r.number = k.run
JOIN events AS e ON e.run = r.number AND e.revision = r.revision
JOIN receipts AS c ON c.number = e.receipt

-- name: read_receipts
SELECT c.number, c.body FROM unnest($1::bigint[]) AS k (number) JOIN receipts AS c ON c.number = k.number

-- name: find_equal_receipts
SELECT c.run, c.digest, c.verdict, c.number
FROM (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bytea[]) AS given (run, digest)) AS k
JOIN receipts AS c ON c.run = k.run AND c.digest = k.digest

-- name: find_quarantined
SELECT c.source, c.digest, c.number, c.count
FROM (SELECT DISTINCT * FROM unnest($1::int[], $2::bytea[]) AS given (source, digest)) AS k
JOIN receipts AS c ON c.run IS NULL AND c.source = k.source AND c.digest = k.digest

-- name: insert_receipt
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest,
                      first_seen, last_seen, headers, body)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[],
                     $8::bytea[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[])

-- name: repeat_receipt
UPDATE receipts SET count = receipts.count + k.times, last_seen = greatest(receipts.last_seen, k.last_seen)
FROM (
    SELECT number, COUNT(*) AS times, MAX(seen) AS last_seen
    FROM unnest($1::bigint[], $2::bigint[]) AS given (seen, number) GROUP BY number) AS k
WHERE receipts.number = k.number

-- name: readmit_receipt
UPDATE receipts SET run = k.run, verdict = k.verdict, reasons = k.reasons
FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[]) AS k (run, verdict, reasons, number)
WHERE receipts.number = k.number AND receipts.run IS NULL

-- name: insert_event
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref,
                    routed, created_at)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::bytea[], $5::int[], $6::int[], $7::bigint[],
                     $8::int[], $9::text[], $10::text[], $11::bigint[])

-- name: find_earlier_destinations
SELECT DISTINCT e.run, d.destination
FROM unnest($1::bigint[]) AS k (run)
JOIN events AS e ON e.run = k.run JOIN deliveries AS d ON d.event = e.number
UNION
SELECT e.run, b.number
FROM unnest($1::bigint[]) AS k (run)
JOIN events AS e ON e.run = k.run JOIN destinations AS b ON b.behind_from <= e.number
WHERE ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%'

-- name: find_winners
-- Locked until the end: who stands back behind a winner does so while it is one.
SELECT w.source, w.client_ref, w.run
FROM unnest($1::int[], $2::text[]) AS k (source, client_ref)
JOIN winners AS w ON w.source = k.source AND w.client_ref = k.client_ref
ORDER BY w.source, w.client_ref
FOR UPDATE OF w

-- name: find_queues
-- Who stands back, longest first, and what is left of what they said.
SELECT q.source, q.client_ref, q.run, r.namespace, r.id, q.receipt, q.confirmed, c.body
FROM (
    SELECT b.*, k.most,
           ROW_NUMBER() OVER (PARTITION BY b.source, b.client_ref ORDER BY b.opened_at, b.run) AS place
    FROM unnest($1::int[], $2::text[], $3::int[]) AS k (source, client_ref, most)
    JOIN collapsed AS b ON b.source = k.source AND b.client_ref = k.client_ref) AS q
JOIN runs AS r ON r.number = q.run
LEFT JOIN receipts AS c ON c.number = q.receipt
WHERE q.place <= q.most
ORDER BY q.source, q.client_ref, q.place

-- name: insert_winner
INSERT INTO winners (source, client_ref, run)
SELECT * FROM unnest($1::int[], $2::text[], $3::bigint[])
ON CONFLICT DO NOTHING
RETURNING run

-- name: pass_on
UPDATE winners SET run = k.run
FROM unnest($1::bigint[], $2::int[], $3::text[]) AS k (run, source, client_ref)
WHERE winners.source = k.source AND winners.client_ref = k.client_ref

-- name: free_winner
DELETE FROM winners USING unnest($1::int[], $2::text[]) AS k (source, client_ref)
WHERE winners.source = k.source AND winners.client_ref = k.client_ref

-- name: drop_collapsed
DELETE FROM collapsed WHERE run = ANY($1::bigint[])

-- name: put_collapsed
INSERT INTO collapsed (run, source, client_ref, receipt, confirmed, opened_at)
SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[], $5::int[], $6::bigint[])

-- name: refresh_collapsed
UPDATE collapsed SET receipt = k.receipt, confirmed = 1
FROM unnest($1::bigint[], $2::bigint[]) AS k (receipt, run) WHERE collapsed.run = k.run

-- name: insert_delivery
INSERT INTO deliveries (number, event, run, source, destination, generation, epoch, state,
                        created_at, due_at, lease)
SELECT k.number, k.event, k.run, k.source, k.destination, 1, k.epoch, 0, k.created_at, k.due_at, k.lease
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::int[], $7::bigint[],
            $8::bigint[], $9::bigint[])
    AS k (number, event, run, source, destination, epoch, created_at, due_at, lease)

-- name: find_waiting
-- Of which sources something waits in which queue, and since when. From one source to the next by the index:
-- however much waits, each costs the same.
WITH RECURSIVE waiting (queue, source) AS (
    SELECT q.queue, (
        SELECT MIN(d.source) FROM deliveries AS d
        WHERE d.destination = $1 AND d.queue = q.queue AND d.state = 0 AND d.lease IS NULL)
    FROM (VALUES (0), (1)) AS q (queue)
    UNION ALL
    SELECT w.queue, (
        SELECT MIN(d.source) FROM deliveries AS d
        WHERE d.destination = $1 AND d.queue = w.queue AND d.source > w.source
          AND d.state = 0 AND d.lease IS NULL)
    FROM waiting AS w WHERE w.source IS NOT NULL)
SELECT w.queue, w.source, (
    SELECT MIN(d.due_at) FROM deliveries AS d
    WHERE d.destination = $1 AND d.queue = w.queue AND d.source = w.source
      AND d.state = 0 AND d.lease IS NULL)
FROM waiting AS w WHERE w.source IS NOT NULL

-- name: claim
WITH due AS (
    SELECT d.number FROM deliveries AS d
    WHERE d.destination = $2 AND d.queue = $3 AND d.source = $4
      AND d.state = 0 AND d.lease IS NULL AND d.due_at <= $5
      AND NOT EXISTS (SELECT 1 FROM destinations AS t WHERE t.number = $2 AND t.hold IS NOT NULL)
      AND (NOT $6::boolean OR NOT EXISTS (
          SELECT 1 FROM deliveries AS earlier
          WHERE earlier.run = d.run AND earlier.destination = d.destination
            AND earlier.state IN (0, 2) AND earlier.number < d.number))
    ORDER BY d.due_at, d.number LIMIT $7
    FOR UPDATE OF d SKIP LOCKED)
UPDATE deliveries SET lease = $1 FROM due WHERE deliveries.number = due.number
RETURNING deliveries.number

-- name: weigh_parcels
SELECT d.number, COALESCE(octet_length(c.body), octet_length(l.body), 0)
FROM unnest($1::bigint[]) AS k (number)
JOIN deliveries AS d ON d.number = k.number
JOIN events AS e ON e.number = d.event
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN receipts_leaving AS l ON c.number IS NULL AND l.number = e.receipt

-- name: unclaim
UPDATE deliveries SET lease = NULL WHERE number = ANY($1::bigint[])

-- name: read_parcels
-- Also where the receipt is about to leave, or is gone, as after a restore of a part. A delivery without one
-- must die, not wait for ever.
SELECT d.number, d.generation, d.attempts, d.created_at, d.queue, d.replay, s.name, r.namespace, r.id, r.origin,
       r.first_seen, e.number, e.outcome, e.revision, e.confirmed, e.builder, e.client_ref, COALESCE(c.digest, l.digest),
       COALESCE(c.body, l.body)
FROM unnest($1::bigint[]) AS k (number)
JOIN deliveries AS d ON d.number = k.number
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN receipts_leaving AS l ON c.number IS NULL AND l.number = e.receipt

-- name: settle
-- Given back untried, a delivery keeps what its last try came to. Who has failed waits with his like.
UPDATE deliveries
SET state = k.state, attempts = k.attempts, due_at = k.due_at, settled_at = k.settled_at, lease = NULL,
    status = CASE WHEN k.state = 0 AND k.reason IS NULL THEN deliveries.status ELSE k.status END,
    reason = CASE WHEN k.state = 0 AND k.reason IS NULL THEN deliveries.reason ELSE k.reason END,
    queue = CASE WHEN k.reason IS NULL THEN deliveries.queue ELSE 1 END
FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::int[],
            $8::text[]) AS k (number, lease, state, attempts, due_at, settled_at, status, reason)
WHERE deliveries.number = k.number AND deliveries.lease = k.lease
RETURNING deliveries.number

-- name: amend
UPDATE deliveries SET attempts = k.attempts, due_at = k.due_at
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::bigint[])
    AS k (attempts, due_at, number, written_attempts, written_due_at)
WHERE deliveries.number = k.number AND deliveries.state = 0 AND deliveries.lease IS NULL
  AND deliveries.attempts = k.written_attempts AND deliveries.due_at = k.written_due_at

-- name: look_ahead
-- What waits in a queue and is not due yet, and whether it was tried at a time that has not come yet.
SELECT d.queue, d.source, d.due_at, d.number, d.attempts, d.status,
       (SELECT MAX(a.tried_at) FROM attempts AS a WHERE a.delivery = d.number AND a.tried_at > $7)
FROM deliveries AS d
WHERE d.destination = $1 AND d.queue = $2 AND d.source = $3
  AND d.state = 0 AND d.lease IS NULL AND (d.due_at, d.number) > ($4, $5)
ORDER BY d.due_at, d.number LIMIT $6

-- name: insert_attempt
INSERT INTO attempts (delivery, tried_at, duration_us, reason, status, detail, excerpt)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::text[],
                     $7::bytea[])

-- name: find_named_runs
SELECT r.number
FROM sources AS s
JOIN runs AS r ON r.source = s.number AND r.namespace IN ($1::int, $2::int) AND r.id = $3::bytea
WHERE $4::text IS NULL OR s.name = $4::text
ORDER BY r.number

-- name: find_run_of_event
SELECT r.number
FROM events AS e JOIN runs AS r ON r.number = e.run JOIN sources AS s ON s.number = r.source
WHERE e.id = $1::bytea AND ($2::text IS NULL OR s.name = $2::text)

-- name: find_runs_of_ref
-- The newest, and how many there are, counted so far and no further.
SELECT r.number, (
    SELECT COUNT(*) FROM (
        SELECT 1 FROM runs AS o JOIN sources AS t ON t.number = o.source
        WHERE o.client_ref = $1::text AND ($2::text IS NULL OR t.name = $2::text) LIMIT $4::int) AS counted)
FROM runs AS r JOIN sources AS s ON s.number = r.source
WHERE r.client_ref = $1::text AND ($2::text IS NULL OR s.name = $2::text)
ORDER BY r.number DESC LIMIT $3::int

-- name: read_run
SELECT s.name, r.namespace, r.id, r.client_ref, r.outcome, r.revision, r.origin, r.first_seen,
       i.state, i.outcome, i.reasons, i.opened_at, i.due_at, i.asks, i.lease
FROM runs AS r
JOIN sources AS s ON s.number = r.source
LEFT JOIN inquiries AS i ON i.run = r.number
WHERE r.number = $1::bigint

-- name: read_destinations
SELECT number, name, kind, behind_from, hold, hold_reason, hold_by, held_since FROM destinations

-- name: read_past_receipts
-- Of this and of all that follow: the first and the last ones, and how many there are.
SELECT verdict, reasons, channel, secret, digest, count, first_seen, last_seen, size, total FROM (
    SELECT verdict, reasons, channel, secret, digest, count, first_seen, last_seen, octet_length(body) AS size,
           ROW_NUMBER() OVER (ORDER BY number) AS place, COUNT(*) OVER () AS total
    FROM receipts WHERE run = $1::bigint AND verdict < 6) AS p
WHERE place <= $2::int OR place > total - $3::int
ORDER BY place

-- name: read_past_asks
SELECT asked_at, duration_us, answer, status, detail, total FROM (
    SELECT asked_at, duration_us, answer, status, detail,
           ROW_NUMBER() OVER (ORDER BY number) AS place, COUNT(*) OVER () AS total
    FROM asks WHERE run = $1::bigint) AS p
WHERE place <= $2::int OR place > total - $3::int
ORDER BY place

-- name: read_past_events
SELECT p.number, p.id, p.revision, p.outcome, p.confirmed, p.routed, p.created_at, c.verdict, p.total FROM (
    SELECT number, id, revision, outcome, confirmed, routed, created_at, receipt,
           ROW_NUMBER() OVER (ORDER BY revision) AS place, COUNT(*) OVER () AS total
    FROM events WHERE run = $1::bigint) AS p
LEFT JOIN receipts AS c ON c.number = p.receipt
WHERE place <= $2::int OR place > total - $3::int
ORDER BY place

-- name: read_past_deliveries
SELECT p.number, p.event, p.destination, p.generation, p.state, p.created_at, p.due_at, p.lease,
       p.settled_at, p.status, p.reason,
       (SELECT COUNT(*) FROM attempts AS a WHERE a.delivery = p.number),
       (SELECT MAX(a.tried_at) FROM attempts AS a WHERE a.delivery = p.number),
       p.replay, (SELECT o.ordered_by FROM replays AS o WHERE o.number = p.replay), p.total FROM (
    SELECT d.*, ROW_NUMBER() OVER (ORDER BY d.number) AS place, COUNT(*) OVER () AS total
    FROM events AS e JOIN deliveries AS d ON d.event = e.number WHERE e.run = $1::bigint) AS p
WHERE place <= $2::int OR place > total - $3::int
ORDER BY place

-- name: read_past_attempts
SELECT delivery, tried_at, duration_us, reason, status, detail, excerpt, total FROM (
    SELECT a.delivery, a.tried_at, a.duration_us, a.reason, a.status, a.detail,
           substr(a.excerpt, 1, 500) AS excerpt,
           ROW_NUMBER() OVER (ORDER BY a.tried_at, a.number) AS place, COUNT(*) OVER () AS total
    FROM events AS e
    JOIN deliveries AS d ON d.event = e.number
    JOIN attempts AS a ON a.delivery = d.number
    WHERE e.run = $1::bigint) AS p
WHERE place <= $2::int OR place > total - $3::int
ORDER BY place

-- name: find_in_quarantine
-- Among the latest, and small ones only: a body has to be looked into. The sum keeps the plan away from
-- walking all receipts backwards.
WITH latest (number) AS MATERIALIZED (
    SELECT number FROM receipts WHERE run IS NULL ORDER BY number + 0 DESC LIMIT 1000)
SELECT s.name, c.verdict, c.reasons, c.channel, c.secret, c.digest, c.count, c.first_seen, c.last_seen,
       octet_length(c.body)
FROM latest AS k
JOIN receipts AS c ON c.number = k.number
JOIN sources AS s ON s.number = c.source
WHERE octet_length(c.body) <= 65536
  AND (position($1::bytea IN c.body) > 0 OR position($2::bytea IN c.body) > 0
       OR position($3::bytea IN c.body) > 0)
  AND ($4::text IS NULL OR s.name = $4::text)
ORDER BY c.number DESC LIMIT $5::int

-- name: put_refusal
INSERT INTO refusals (source, channel, reason, peer, count, first_seen, last_seen, size, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (source, channel, reason, peer) DO UPDATE SET
    count = refusals.count + excluded.count, last_seen = excluded.last_seen,
    size = excluded.size, digest = excluded.digest

-- name: trim_refusals
DELETE FROM refusals WHERE (source, channel, reason, peer) IN (
    SELECT source, channel, reason, peer FROM refusals ORDER BY last_seen DESC OFFSET $1)

-- name: take_turn
-- One relay at a time forgets; who comes second does something else.
SELECT pg_try_advisory_xact_lock($1)

-- name: hold_runs
-- Whatever belongs to a run changes under its lock. Who has one of them now is not waited for.
SELECT number FROM runs WHERE number = ANY($1::bigint[]) ORDER BY number FOR UPDATE SKIP LOCKED

-- name: hold_winners
-- A group has a winner's row while it decides who stands back behind it. It is not waited for.
SELECT run FROM winners WHERE run = ANY($1::bigint[]) FOR UPDATE SKIP LOCKED

-- name: look_at_receipts
SELECT number, first_seen, COALESCE(octet_length(body), 0), run FROM receipts
WHERE number > $1 AND number < $2 ORDER BY number LIMIT $3

-- name: look_at_leaving
SELECT number, first_seen, 0 FROM receipts_leaving
WHERE number > $1 AND number < $2 ORDER BY number LIMIT $3

-- name: look_at_asks
SELECT number, asked_at, 0 FROM asks WHERE number > $1 ORDER BY number LIMIT $2

-- name: look_at_events
SELECT number, created_at, 0, run FROM events WHERE number > $1 ORDER BY number LIMIT $2

-- name: look_at_runs
SELECT number, first_seen, 0, number FROM runs WHERE number > $1 ORDER BY number LIMIT $2

-- name: forget_receipts
DELETE FROM receipts
WHERE number > $1 AND number <= $2 AND first_seen < $3 AND run = ANY($5::bigint[])
  AND NOT EXISTS (
      SELECT 1 FROM events AS e JOIN deliveries AS d ON d.event = e.number
      WHERE e.run = receipts.run AND e.receipt = receipts.number
        AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= $4))
  AND NOT EXISTS (
      SELECT 1 FROM events AS e JOIN destinations AS b ON b.behind_from <= e.number
      WHERE e.run = receipts.run AND e.receipt = receipts.number
        AND ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
  AND NOT EXISTS (
      SELECT 1 FROM inquiries AS w WHERE w.run = receipts.run AND w.receipt = receipts.number)
RETURNING source, verdict, 1, count

-- name: find_needed
-- Receipts of a day that must outlive it.
SELECT c.number, c.run, COALESCE(octet_length(c.body), 0) FROM receipts AS c
WHERE c.number > $1 AND c.number <= $2
  AND (EXISTS (
          SELECT 1 FROM events AS e JOIN deliveries AS d ON d.event = e.number
          WHERE e.run = c.run AND e.receipt = c.number
            AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= $3))
       OR EXISTS (
          SELECT 1 FROM events AS e JOIN destinations AS b ON b.behind_from <= e.number
          WHERE e.run = c.run AND e.receipt = c.number
            AND ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
       OR EXISTS (SELECT 1 FROM inquiries AS w WHERE w.run = c.run AND w.receipt = c.number))
ORDER BY c.number

-- name: find_needed_leaving
SELECT c.number, c.run, COALESCE(octet_length(c.body), 0) FROM receipts_leaving AS c
WHERE c.number > $1 AND c.number <= $2
  AND (EXISTS (
          SELECT 1 FROM events AS e JOIN deliveries AS d ON d.event = e.number
          WHERE e.run = c.run AND e.receipt = c.number
            AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= $3))
       OR EXISTS (
          SELECT 1 FROM events AS e JOIN destinations AS b ON b.behind_from <= e.number
          WHERE e.run = c.run AND e.receipt = c.number
            AND ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
       OR EXISTS (SELECT 1 FROM inquiries AS w WHERE w.run = c.run AND w.receipt = c.number))
ORDER BY c.number

-- name: carry_over
-- Under new numbers, and whoever refers to them follows.
WITH gone AS (DELETE FROM receipts WHERE number = ANY($1::bigint[]) RETURNING *),
moved AS MATERIALIZED (SELECT nextval('receipts_numbers') AS fresh, gone.* FROM gone),
kept AS (
    INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count,
                          first_seen, last_seen, headers, body)
    SELECT fresh, source, run, verdict, reasons, channel, secret, digest, count,
           first_seen, last_seen, headers, body FROM moved),
asked AS (
    UPDATE inquiries SET receipt = moved.fresh FROM moved
    WHERE inquiries.run = moved.run AND inquiries.receipt = moved.number),
untold AS (
    UPDATE collapsed SET receipt = moved.fresh FROM moved
    WHERE collapsed.run = moved.run AND collapsed.receipt = moved.number)
UPDATE events SET receipt = moved.fresh FROM moved
WHERE events.run = moved.run AND events.receipt = moved.number

-- name: carry_over_leaving
WITH gone AS (DELETE FROM receipts_leaving WHERE number = ANY($1::bigint[]) RETURNING *),
moved AS MATERIALIZED (SELECT nextval('receipts_numbers') AS fresh, gone.* FROM gone),
kept AS (
    INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count,
                          first_seen, last_seen, headers, body)
    SELECT fresh, source, run, verdict, reasons, channel, secret, digest, count,
           first_seen, last_seen, headers, body FROM moved),
asked AS (
    UPDATE inquiries SET receipt = moved.fresh FROM moved
    WHERE inquiries.run = moved.run AND inquiries.receipt = moved.number),
untold AS (
    UPDATE collapsed SET receipt = moved.fresh FROM moved
    WHERE collapsed.run = moved.run AND collapsed.receipt = moved.number)
UPDATE events SET receipt = moved.fresh FROM moved
WHERE events.run = moved.run AND events.receipt = moved.number

-- name: count_leaving
SELECT source, verdict, COUNT(*), SUM(count)::bigint FROM receipts_leaving
WHERE number >= $1 AND number < $2 GROUP BY source, verdict

-- name: forget_asks
DELETE FROM asks WHERE number > $1 AND number <= $2 AND asked_at < $3 RETURNING number

-- name: forget_asks_of
DELETE FROM asks WHERE run = ANY($1::bigint[])

-- name: forget_events
DELETE FROM events
WHERE number > $1 AND number <= $2 AND created_at < $3 AND run = ANY($5::bigint[])
  -- What a destination is behind with is still to become deliveries.
  AND NOT EXISTS (
      SELECT 1 FROM destinations AS b
      WHERE b.behind_from <= events.number
        AND ',' || substr(events.routed, 2, length(events.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS d
      WHERE d.event = events.number
        AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= $4))
RETURNING number, (SELECT r.source FROM runs AS r WHERE r.number = events.run), routed = '[]'

-- name: forget_deliveries
DELETE FROM deliveries WHERE event = ANY($1::bigint[]) RETURNING number, destination, state

-- name: forget_attempts_of
DELETE FROM attempts WHERE delivery = ANY($1::bigint[])

-- name: forget_runs
DELETE FROM runs
WHERE number > $1 AND number <= $2 AND first_seen < $3 AND number = ANY($4::bigint[])
  AND NOT EXISTS (SELECT 1 FROM receipts AS c WHERE c.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM inquiries AS w WHERE w.run = runs.number)
  AND NOT EXISTS (
      SELECT 1 FROM winners AS w WHERE w.run = runs.number AND w.run <> ALL($5::bigint[]))
RETURNING number, source, closed, (SELECT COUNT(*) FROM collapsed AS b WHERE b.run = runs.number)

-- name: forget_winners_of
DELETE FROM winners WHERE run = ANY($1::bigint[])

-- name: forget_collapsed_of
DELETE FROM collapsed WHERE run = ANY($1::bigint[])

-- name: list_days
SELECT c.relname::text, p.relname = 'receipts_leaving' FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent
WHERE i.inhparent = ANY($1::text[]::regclass[])
ORDER BY c.relname

-- name: lock_for_counting
-- Before the first look: a day must not go between what the recount sees of it and of the archive.
LOCK TABLE receipts, receipts_leaving IN ACCESS SHARE MODE

-- name: take_source_counts
-- Lines of starts that are over; who takes them adds them to the one line that stands for all of those.
DELETE FROM source_counters
WHERE incarnation <> 0 AND NOT EXISTS (SELECT 1 FROM incarnations AS i WHERE i.number = incarnation)
RETURNING source, receipts, first, duplicate, stale, conflict, quarantined, opened, events, waiting, held,
          collapsed, closed, unrouted

-- name: take_destination_counts
DELETE FROM destination_counters
WHERE incarnation <> 0 AND NOT EXISTS (SELECT 1 FROM incarnations AS i WHERE i.number = incarnation)
RETURNING destination, created, delivered, pending, held, dead, discarded

-- name: add_source_counts
INSERT INTO source_counters AS c (incarnation, source, receipts, first, duplicate, stale, conflict,
    quarantined, opened, events, waiting, held, collapsed, closed, unrouted)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (incarnation, source) DO UPDATE SET
    receipts = c.receipts + excluded.receipts, first = c.first + excluded.first,
    duplicate = c.duplicate + excluded.duplicate, stale = c.stale + excluded.stale,
    conflict = c.conflict + excluded.conflict, quarantined = c.quarantined + excluded.quarantined,
    opened = c.opened + excluded.opened, events = c.events + excluded.events,
    waiting = c.waiting + excluded.waiting, held = c.held + excluded.held,
    collapsed = c.collapsed + excluded.collapsed, closed = c.closed + excluded.closed,
    unrouted = c.unrouted + excluded.unrouted

-- name: add_destination_counts
INSERT INTO destination_counters AS c (incarnation, destination, created, delivered, pending, held, dead,
    discarded)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (incarnation, destination) DO UPDATE SET
    created = c.created + excluded.created, delivered = c.delivered + excluded.delivered,
    pending = c.pending + excluded.pending, held = c.held + excluded.held,
    dead = c.dead + excluded.dead, discarded = c.discarded + excluded.discarded

-- name: add_source_archive
INSERT INTO source_archive AS a (source, receipts, first, duplicate, stale, conflict, quarantined,
    opened, events, waiting, held, collapsed, closed, unrouted)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (source) DO UPDATE SET
    receipts = a.receipts + excluded.receipts, first = a.first + excluded.first,
    duplicate = a.duplicate + excluded.duplicate, stale = a.stale + excluded.stale,
    conflict = a.conflict + excluded.conflict, quarantined = a.quarantined + excluded.quarantined,
    opened = a.opened + excluded.opened, events = a.events + excluded.events,
    waiting = a.waiting + excluded.waiting, held = a.held + excluded.held,
    collapsed = a.collapsed + excluded.collapsed, closed = a.closed + excluded.closed,
    unrouted = a.unrouted + excluded.unrouted

-- name: add_destination_archive
INSERT INTO destination_archive AS a (destination, created, delivered, pending, held, dead, discarded)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (destination) DO UPDATE SET
    created = a.created + excluded.created, delivered = a.delivered + excluded.delivered,
    pending = a.pending + excluded.pending, held = a.held + excluded.held,
    dead = a.dead + excluded.dead, discarded = a.discarded + excluded.discarded

-- name: ledger_sources
-- Who is known has a line, also without counters: a recount must not find more than this.
SELECT s.name, COALESCE(SUM(c.receipts), 0)::bigint, COALESCE(SUM(c.first), 0)::bigint,
       COALESCE(SUM(c.duplicate), 0)::bigint, COALESCE(SUM(c.stale), 0)::bigint,
       COALESCE(SUM(c.conflict), 0)::bigint, COALESCE(SUM(c.quarantined), 0)::bigint,
       COALESCE(SUM(c.opened), 0)::bigint, COALESCE(SUM(c.events), 0)::bigint,
       COALESCE(SUM(c.waiting), 0)::bigint, COALESCE(SUM(c.held), 0)::bigint,
       COALESCE(SUM(c.collapsed), 0)::bigint, COALESCE(SUM(c.closed), 0)::bigint,
       COALESCE(SUM(c.unrouted), 0)::bigint
FROM sources AS s LEFT JOIN source_counters AS c ON c.source = s.number
GROUP BY s.name ORDER BY s.name

-- name: ledger_destinations
-- What is pending behind a hold is held.
SELECT d.name, COALESCE(SUM(c.created), 0)::bigint, COALESCE(SUM(c.delivered), 0)::bigint,
       COALESCE(SUM(c.pending) FILTER (WHERE d.hold IS NULL), 0)::bigint,
       (COALESCE(SUM(c.held), 0) + COALESCE(SUM(c.pending) FILTER (WHERE d.hold IS NOT NULL), 0))::bigint,
       COALESCE(SUM(c.dead), 0)::bigint, COALESCE(SUM(c.discarded), 0)::bigint
FROM destinations AS d LEFT JOIN destination_counters AS c ON c.destination = d.number
GROUP BY d.name ORDER BY d.name

-- name: key_uses
-- Of every callback that is kept: asked by a person who replaces a secret. What the API has said is signed by none.
SELECT s.name, c.channel, c.secret, SUM(c.count)::bigint, MIN(c.first_seen), MAX(c.last_seen)
FROM receipts AS c JOIN sources AS s ON s.number = c.source
WHERE c.secret <> ''
GROUP BY s.name, c.channel, c.secret ORDER BY s.name, c.channel, c.secret

-- name: recount_sources
-- A row of verdict `first` counts itself once and its equal repeats as duplicates. What has been forgotten
-- was counted when it went.
SELECT s.name,
       (COALESCE(c.receipts, 0) + COALESCE(a.receipts, 0))::bigint,
       (COALESCE(c.first, 0) + COALESCE(a.first, 0))::bigint,
       (COALESCE(c.duplicate, 0) + COALESCE(a.duplicate, 0))::bigint,
       (COALESCE(c.stale, 0) + COALESCE(a.stale, 0))::bigint,
       (COALESCE(c.conflict, 0) + COALESCE(a.conflict, 0))::bigint,
       (COALESCE(c.quarantined, 0) + COALESCE(a.quarantined, 0))::bigint,
       (COALESCE(e.events, 0) + COALESCE(i.waiting, 0) + COALESCE(i.held, 0) + COALESCE(b.collapsed, 0)
           + COALESCE(r.closed, 0) + COALESCE(a.opened, 0))::bigint,
       (COALESCE(e.events, 0) + COALESCE(a.events, 0))::bigint,
       (COALESCE(i.waiting, 0) + COALESCE(a.waiting, 0))::bigint,
       (COALESCE(i.held, 0) + COALESCE(a.held, 0))::bigint,
       (COALESCE(b.collapsed, 0) + COALESCE(a.collapsed, 0))::bigint,
       (COALESCE(r.closed, 0) + COALESCE(a.closed, 0))::bigint,
       (COALESCE(e.unrouted, 0) + COALESCE(a.unrouted, 0))::bigint
FROM sources AS s
LEFT JOIN source_archive AS a ON a.source = s.number
LEFT JOIN (
    SELECT source, SUM(count) FILTER (WHERE verdict < 6) AS receipts,
           COUNT(*) FILTER (WHERE verdict = 1) AS first,
           SUM(CASE verdict WHEN 1 THEN count - 1 WHEN 2 THEN count ELSE 0 END) AS duplicate,
           SUM(CASE verdict WHEN 3 THEN count ELSE 0 END) AS stale,
           SUM(CASE verdict WHEN 4 THEN count ELSE 0 END) AS conflict,
           SUM(CASE verdict WHEN 5 THEN count ELSE 0 END) AS quarantined
    FROM (SELECT source, verdict, count FROM receipts
          UNION ALL SELECT source, verdict, count FROM receipts_leaving) AS every
    GROUP BY source) AS c ON c.source = s.number
LEFT JOIN (
    SELECT r.source, COUNT(*) AS events, COUNT(*) FILTER (WHERE e.routed = '[]') AS unrouted
    FROM events AS e JOIN runs AS r ON r.number = e.run GROUP BY r.source) AS e ON e.source = s.number
LEFT JOIN (
    SELECT source, COUNT(*) FILTER (WHERE state = 1) AS waiting, COUNT(*) FILTER (WHERE state = 2) AS held
    FROM inquiries GROUP BY source) AS i ON i.source = s.number
LEFT JOIN (
    SELECT source, COUNT(*) AS collapsed FROM collapsed GROUP BY source) AS b ON b.source = s.number
LEFT JOIN (
    SELECT source, SUM(closed) AS closed FROM runs GROUP BY source) AS r ON r.source = s.number
ORDER BY s.name

-- name: recount_destinations
-- Of what a destination is behind with, there are events and no deliveries.
SELECT d.name, (COALESCE(y.created, 0) + COALESCE(a.created, 0) + COALESCE(w.behind, 0))::bigint,
       (COALESCE(y.delivered, 0) + COALESCE(a.delivered, 0))::bigint,
       (CASE WHEN d.hold IS NULL THEN COALESCE(y.pending, 0) + COALESCE(a.pending, 0) ELSE 0 END)::bigint,
       (COALESCE(y.held, 0) + COALESCE(a.held, 0) + COALESCE(w.behind, 0)
           + CASE WHEN d.hold IS NULL THEN 0 ELSE COALESCE(y.pending, 0) + COALESCE(a.pending, 0) END)::bigint,
       (COALESCE(y.dead, 0) + COALESCE(a.dead, 0))::bigint,
       (COALESCE(y.discarded, 0) + COALESCE(a.discarded, 0))::bigint
FROM destinations AS d
LEFT JOIN destination_archive AS a ON a.destination = d.number
LEFT JOIN (
    SELECT destination, COUNT(*) AS created, COUNT(*) FILTER (WHERE state = 1) AS delivered,
           COUNT(*) FILTER (WHERE state = 0) AS pending, COUNT(*) FILTER (WHERE state = 2) AS held,
           COUNT(*) FILTER (WHERE state = 3) AS dead, COUNT(*) FILTER (WHERE state = 4) AS discarded
    FROM deliveries GROUP BY destination) AS y ON y.destination = d.number
LEFT JOIN (
    SELECT b.number AS destination, COUNT(*) AS behind
    FROM destinations AS b JOIN events AS e ON e.number >= b.behind_from
    WHERE ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%'
    GROUP BY b.number) AS w ON w.destination = d.number
ORDER BY d.name

-- name: insert_replay
INSERT INTO replays (created_at, ordered_by, origin, target, selection, rate, most, expected, cursor, upto,
                     due_at)
VALUES ($1::bigint, $2::text, $3::int, $4::int, $5::text, $6::int, $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::bigint) RETURNING number

-- name: count_running
SELECT COUNT(*) FROM replays WHERE state = 0

-- name: trim_replays
-- Those that are over, but for the newest.
DELETE FROM replays WHERE number IN (
    SELECT number FROM replays WHERE state > 0 ORDER BY number DESC OFFSET $1::bigint)

-- name: cancel_replay
UPDATE replays SET state = 2, ended_at = $1::bigint WHERE number = $2::bigint AND state = 0 RETURNING number

-- name: cancel_replays_to
UPDATE replays SET state = 2, ended_at = $1::bigint WHERE target = $2::int AND state = 0 RETURNING number

-- name: list_running
-- When each to these destinations is due, how many of its destination's replayed deliveries have not had a try, and
-- how many wait for it in all.
SELECT p.due_at, (
    SELECT COUNT(*) FROM deliveries AS d
    WHERE d.destination = p.target AND d.replay IS NOT NULL AND d.attempts = 0 AND d.state IN (0, 2)), (
    SELECT COALESCE(SUM(c.pending), 0)::bigint FROM destination_counters AS c WHERE c.destination = p.target)
FROM replays AS p
WHERE p.state = 0 AND p.target IN (SELECT number FROM destinations WHERE name = ANY($1::text[]))

-- name: right_replays
UPDATE replays SET due_at = $1::bigint WHERE state = 0 AND due_at > $2::bigint

-- name: due_replay
-- The one that has waited longest, of those whose destination is served and has room; nobody waits for who has it already.
SELECT p.number, p.origin, p.target, p.selection, p.rate, p.most, p.cursor, p.upto, p.created, u.untried
FROM replays AS p
CROSS JOIN LATERAL (
    SELECT COUNT(*) AS untried FROM deliveries AS d
    WHERE d.destination = p.target AND d.replay IS NOT NULL AND d.attempts = 0 AND d.state IN (0, 2)) AS u
WHERE p.state = 0 AND p.target IN (SELECT number FROM destinations WHERE name = ANY($1::text[]))
  AND p.due_at <= $2::bigint AND u.untried < $3::bigint
  AND (SELECT COALESCE(SUM(c.pending), 0) FROM destination_counters AS c WHERE c.destination = p.target) < $4::bigint
ORDER BY p.due_at, p.number LIMIT 1
FOR UPDATE OF p SKIP LOCKED

-- name: look_at_dead
-- How far so many rows reach. No step looks at more of them, whatever it looks for.
SELECT COALESCE(MAX(number), 0), COUNT(*) FROM (
    SELECT number FROM deliveries
    WHERE destination = $1::int AND state = 3 AND number > $2::bigint AND number <= $3::bigint ORDER BY number LIMIT $4::bigint)

-- name: look_at_told
SELECT COALESCE(MAX(number), 0), COUNT(*) FROM (
    SELECT number FROM events WHERE number > $1::bigint AND number <= $2::bigint ORDER BY number LIMIT $3::bigint)

-- name: next_dead
-- Dead letters that nobody has sent again, in their order; the size of what their event is built from, null where
-- that is gone, and whether the event is on its way already, or later than what its target has come to.
SELECT d.number, d.event, d.run, octet_length(c.body), EXISTS (
    SELECT 1 FROM deliveries AS o
    WHERE o.event = d.event AND o.destination = $1::int AND (o.state IN (0, 2) OR o.replay = $2::bigint))
    OR d.event >= COALESCE((SELECT b.behind_from FROM destinations AS b WHERE b.number = $1::int), 9223372036854775807)
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3 AND d.destination = $3::int AND d.number > $4::bigint AND d.number <= $5::bigint
  AND ($6::int IS NULL OR r.source = $6::int) AND ($7::int IS NULL OR e.outcome = $7::int)
  AND ($8::text IS NULL OR d.reason = $8::text OR d.reason = 'expired' AND (
      $8::text = 'status_' || d.status OR $8::text = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= $9::bigint AND d.settled_at < $10::bigint
  AND ($11::bigint[] IS NULL OR d.event = ANY($11::bigint[]))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
ORDER BY d.number LIMIT $12::bigint

-- name: next_told
-- Events whose last delivery to a destination arrived, or that it never had, in their order. What it is behind
-- with comes by itself.
SELECT e.number, e.number, e.run, octet_length(c.body), EXISTS (
    SELECT 1 FROM deliveries AS o
    WHERE o.event = e.number AND o.destination = $1::int AND (o.state IN (0, 2) OR o.replay = $2::bigint))
    OR e.number >= COALESCE((SELECT b.behind_from FROM destinations AS b WHERE b.number = $1::int), 9223372036854775807)
FROM events AS e
JOIN runs AS r ON r.number = e.run
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = $3::int AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = $3::int)
WHERE e.number > $4::bigint AND e.number <= $5::bigint
  AND ($6::int IS NULL OR r.source = $6::int) AND ($7::int IS NULL OR e.outcome = $7::int)
  AND e.created_at >= $8::bigint AND e.created_at < $9::bigint
  AND ($10::bigint[] IS NULL OR e.number = ANY($10::bigint[]))
  AND CASE WHEN $11::boolean THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = $3::int), 9223372036854775807)
      ELSE d.state = 1 END
ORDER BY e.number LIMIT $12::bigint

-- name: read_letters
SELECT s.name, r.namespace, r.id, r.origin, r.first_seen, e.number, e.outcome, e.revision, e.confirmed,
       e.builder, e.client_ref, c.digest, c.body
FROM unnest($1::bigint[]) AS k (event)
JOIN events AS e ON e.number = k.event
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt

-- name: insert_replayed
-- A new generation, counted on from the last one, in the queue of what is sent once more. The runs are locked,
-- so that nobody else counts.
INSERT INTO deliveries (number, event, run, destination, generation, epoch, state, created_at, due_at, replay,
                        queue, source)
SELECT k.number, k.event, k.run, k.target, 1 + COALESCE((
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = k.event AND g.destination = k.target), 0), k.epoch, 0, k.now, k.now, k.replay, 1,
       (SELECT r.source FROM runs AS r WHERE r.number = k.run)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::bigint[])
    AS k (number, event, run, target, epoch, now, replay)

-- name: postpone_replay
UPDATE replays SET due_at = $1::bigint WHERE number = $2::bigint

-- name: advance_replay
UPDATE replays SET cursor = $1::bigint, due_at = $2::bigint, created = created + $3::bigint, expired = expired + $4::bigint,
    standing = standing + $5::bigint, unrouted = unrouted + $6::bigint, state = $7::int, ended_at = $8::bigint
WHERE number = $9::bigint

-- name: list_replays
SELECT p.number, p.created_at, p.ordered_by, o.name, t.name, p.selection, p.rate, p.most, p.expected, p.state,
       p.created, p.expired, p.standing, p.unrouted, p.ended_at
FROM replays AS p
JOIN destinations AS o ON o.number = p.origin
JOIN destinations AS t ON t.number = p.target
WHERE $1::bigint IS NULL OR p.number = $1::bigint
ORDER BY p.number DESC LIMIT $2::bigint

-- name: count_replayed
-- What became of what an order has made, by state, and whether each has failed before.
SELECT state, attempts > 0, COUNT(*) FROM deliveries WHERE replay = $1::bigint GROUP BY 1, 2

-- name: list_dead
-- Newest first.
SELECT d.number, e.id, s.name, r.namespace, r.id, COALESCE(e.client_ref, r.client_ref), e.outcome, e.revision,
       n.name, d.generation, d.attempts, d.created_at, d.settled_at, d.status, d.reason, c.body IS NOT NULL
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
JOIN sources AS s ON s.number = r.source
JOIN destinations AS n ON n.number = d.destination
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3 AND (d.settled_at, d.number) < ($1::bigint, $2::bigint)
  AND ($3::int IS NULL OR d.destination = $3::int)
  AND ($4::int IS NULL OR r.source = $4::int) AND ($5::int IS NULL OR e.outcome = $5::int)
  AND ($6::text IS NULL OR d.reason = $6::text OR d.reason = 'expired' AND (
      $6::text = 'status_' || d.status OR $6::text = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= $7::bigint AND d.settled_at < $8::bigint
  AND ($9::bigint[] IS NULL OR d.event = ANY($9::bigint[]))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
ORDER BY d.settled_at DESC, d.number DESC LIMIT $10::bigint

-- name: sum_dead
-- And how many of them are later than what the one that they would go to has come to.
SELECT n.name, d.reason, COUNT(*), COUNT(*) FILTER (WHERE c.body IS NULL), MIN(d.settled_at), MAX(d.settled_at), MIN(d.number),
       MAX(d.number), COUNT(*) FILTER (WHERE c.body IS NOT NULL AND d.event >= COALESCE(b.behind_from, 9223372036854775807))
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
JOIN destinations AS n ON n.number = d.destination
LEFT JOIN destinations AS b ON b.number = COALESCE($8::int, d.destination)
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3
  AND ($1::int IS NULL OR d.destination = $1::int)
  AND ($2::int IS NULL OR r.source = $2::int) AND ($3::int IS NULL OR e.outcome = $3::int)
  AND ($4::text IS NULL OR d.reason = $4::text OR d.reason = 'expired' AND (
      $4::text = 'status_' || d.status OR $4::text = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= $5::bigint AND d.settled_at < $6::bigint
  AND ($7::bigint[] IS NULL OR d.event = ANY($7::bigint[]))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: find_span
-- The numbers between which lie all events of a stretch of time. Others may lie there too: clocks are set. The
-- offset keeps the smallest number from being looked for from the first event on.
SELECT MIN(k.number), MAX(k.number) FROM (
    SELECT number FROM events WHERE created_at >= $1::bigint AND created_at < $2::bigint OFFSET 0) AS k

-- name: list_told
-- Oldest first, in the order in which they are sent.
SELECT e.number, e.id, s.name, r.namespace, r.id, COALESCE(e.client_ref, r.client_ref), e.outcome, e.revision,
       $1::text, COALESCE(d.generation, 0), COALESCE(d.attempts, 0), e.created_at, d.settled_at, d.status, NULL,
       c.body IS NOT NULL
FROM events AS e
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = $2::int AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = $2::int)
WHERE e.number >= $9::bigint AND e.number <= $10::bigint
  AND ($3::int IS NULL OR r.source = $3::int) AND ($4::int IS NULL OR e.outcome = $4::int)
  AND e.created_at >= $5::bigint AND e.created_at < $6::bigint
  AND ($7::bigint[] IS NULL OR e.number = ANY($7::bigint[]))
  AND CASE WHEN $8::boolean THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = $2::int), 9223372036854775807)
      ELSE d.state = 1 END
ORDER BY e.number LIMIT $11::bigint

-- name: sum_told
SELECT $1::text, NULL, COUNT(*), COUNT(*) FILTER (WHERE c.body IS NULL), MIN(e.created_at), MAX(e.created_at), MIN(e.number),
       MAX(e.number), COUNT(*) FILTER (WHERE c.body IS NOT NULL AND e.number >= COALESCE((
           SELECT b.behind_from FROM destinations AS b WHERE b.number = COALESCE($11::int, $2::int)), 9223372036854775807))
FROM events AS e
JOIN runs AS r ON r.number = e.run
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = $2::int AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = $2::int)
WHERE e.number >= $9::bigint AND e.number <= $10::bigint
  AND ($3::int IS NULL OR r.source = $3::int) AND ($4::int IS NULL OR e.outcome = $4::int)
  AND e.created_at >= $5::bigint AND e.created_at < $6::bigint
  AND ($7::bigint[] IS NULL OR e.number = ANY($7::bigint[]))
  AND CASE WHEN $8::boolean THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = $2::int), 9223372036854775807)
      ELSE d.state = 1 END

-- name: find_event
SELECT number FROM events WHERE id = $1::bytea

-- name: find_events_of_runs
SELECT number FROM events WHERE run = ANY($1::bigint[]) ORDER BY number LIMIT $2::bigint

-- name: find_event_of_delivery
SELECT e.id FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.number = $1::bigint

-- name: read_sources
SELECT number, name FROM sources

-- name: read_hold
SELECT number, hold, hold_reason, hold_by, held_since, kind,
       (SELECT COALESCE(SUM(c.pending + c.held), 0) FROM destination_counters AS c
           WHERE c.destination = destinations.number)
FROM destinations WHERE name = $1 FOR NO KEY UPDATE

-- name: write_hold
-- Whoever resumes gives it all its time again.
UPDATE destinations SET hold = $2::text, hold_reason = $3, hold_by = $4, held_since = $5,
    failing_since = CASE WHEN $2::text IS NULL THEN NULL ELSE failing_since END,
    alarms = CASE WHEN $2::text IS NULL THEN 0 ELSE alarms END
WHERE number = $1

-- name: note_condition
-- Who works again, or fails anew after a silence, is warned of anew. The last of what several relays have seen
-- stays, unless it is still to come: then a clock that was ahead has written it.
UPDATE destinations SET failing_since = $2, failed_at = $3,
    worked_at = CASE WHEN worked_at > $5::bigint THEN COALESCE($4::bigint, worked_at)
        ELSE greatest($4::bigint, worked_at) END,
    alarms = CASE WHEN $2::bigint IS NULL OR $2 > failing_since THEN 0 ELSE alarms END
WHERE name = $1

-- name: raise_alarm
UPDATE destinations SET alarms = $1 WHERE name = $2 AND alarms < $1 RETURNING number

-- name: fall_behind
-- From the next event on. Nobody else is between taking a number and committing what has it.
UPDATE destinations
SET behind_from = (SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM events_numbers)
WHERE name = $1 AND behind_from IS NULL
RETURNING number

-- name: read_behind
SELECT number, behind_from, epoch FROM destinations WHERE name = $1

-- name: hold_behind
SELECT behind_from FROM destinations WHERE number = $1 FOR NO KEY UPDATE

-- name: read_horizon
SELECT last_value FROM events_numbers

-- name: look_behind
-- Events in their order: which of them were routed there, and which have a delivery by now, as a replay makes one.
SELECT e.number, e.run, r.source, ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || $1::int || ',%',
       EXISTS (
           SELECT 1 FROM deliveries AS d WHERE d.event = e.number AND d.destination = $1 AND d.generation = 1)
FROM events AS e JOIN runs AS r ON r.number = e.run
WHERE e.number >= $2 AND e.number <= $3 ORDER BY e.number LIMIT $4

-- name: catch_up
UPDATE destinations SET behind_from = $2 WHERE number = $1

-- name: abandon
-- What is in somebody's hands is settled by them.
WITH given_up AS (
    SELECT number FROM deliveries
    WHERE destination = $1 AND state = 0 AND lease IS NULL LIMIT $4
    FOR UPDATE SKIP LOCKED)
UPDATE deliveries SET state = 3, settled_at = $2, reason = $3
FROM given_up WHERE deliveries.number = given_up.number
RETURNING deliveries.number

-- name: read_conditions
SELECT d.name, d.kind, d.hold, d.hold_reason, d.hold_by, d.held_since, d.failing_since, d.failed_at, d.worked_at, d.behind_from,
       COALESCE(SUM(c.created), 0)::bigint, COALESCE(SUM(c.delivered), 0)::bigint,
       COALESCE(SUM(c.pending), 0)::bigint, COALESCE(SUM(c.held), 0)::bigint, COALESCE(SUM(c.dead), 0)::bigint,
       COALESCE(SUM(c.discarded), 0)::bigint
FROM destinations AS d LEFT JOIN destination_counters AS c ON c.destination = d.number
GROUP BY d.number ORDER BY d.name

-- name: insert_audit
INSERT INTO audit (at, actor, verb, subject, detail) VALUES ($1, $2, $3, $4, $5)

-- name: trim_audit
DELETE FROM audit WHERE number <= (SELECT MAX(number) FROM audit) - $1::bigint

-- name: list_quarantine
-- Newest first.
SELECT c.number, s.name, c.channel, c.secret, c.reasons, c.digest, c.count, c.first_seen, c.last_seen,
       octet_length(c.body)
FROM receipts AS c
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND c.number < $1::bigint AND c.digest >= $2::bytea AND c.digest <= $3::bytea
  AND ($4::text IS NULL OR s.name = $4::text) AND ($5::text IS NULL OR c.reasons = $5::text)
ORDER BY c.number DESC LIMIT $6::bigint

-- name: next_quarantined
-- In the order in which they came.
SELECT c.number, s.name, c.channel, c.secret, c.reasons, c.digest, c.count, c.first_seen, c.last_seen,
       octet_length(c.body)
FROM receipts AS c
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND c.number > $1::bigint AND c.digest >= $2::bytea AND c.digest <= $3::bytea
  AND ($4::text IS NULL OR s.name = $4::text) AND ($5::text IS NULL OR c.reasons = $5::text)
ORDER BY c.number LIMIT $6::bigint

-- name: sum_quarantine
SELECT s.name, c.reasons, COUNT(*), SUM(c.count)::bigint, MIN(c.first_seen), MAX(c.last_seen)
FROM receipts AS c
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND ($1::text IS NULL OR s.name = $1::text) AND ($2::text IS NULL OR c.reasons = $2::text)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: read_quarantined
SELECT headers, body FROM receipts WHERE number = $1::bigint AND run IS NULL
