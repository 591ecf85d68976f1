-- Every statement the store speaks, by name. The other store has the same names.

-- name: insert_incarnation
INSERT INTO incarnations (started_at) VALUES (?) RETURNING number

-- name: find_runs
WITH wanted (source, namespace, id) AS (VALUES (?, ?, ?))
SELECT r.source, r.namespace, r.id, r.number, r.client_ref, r.outcome, r.revision, r.origin,
       r.first_seen, i.state, i.outcome, i.reasons, i.receipt, i.opened_at, i.due_at, i.asks, i.lease
FROM wanted AS k
CROSS JOIN runs AS r ON r.source = k.source AND r.namespace = k.namespace AND r.id = k.id
LEFT JOIN inquiries AS i ON i.run = r.number

-- name: insert_run
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_run
UPDATE runs SET client_ref = ?, outcome = ?, revision = ?, origin = ?, first_seen = ?, closed = closed + ?
WHERE number = ?

-- name: put_inquiry
INSERT INTO inquiries (run, source, state, outcome, reasons, receipt, opened_at, due_at, asks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, reasons = excluded.reasons,
    receipt = excluded.receipt, opened_at = excluded.opened_at, due_at = excluded.due_at,
    asks = excluded.asks

-- name: drop_inquiry
DELETE FROM inquiries WHERE run = ?

-- name: release_inquiry
UPDATE inquiries SET lease = NULL WHERE run = ?

-- name: claim_inquiries
UPDATE inquiries SET lease = :lease
WHERE run IN (
    SELECT i.run FROM inquiries AS i
    WHERE i.source = :source AND i.lease IS NULL AND i.due_at <= :now
      AND (:opened_before IS NULL OR (i.state = 1 AND i.opened_at <= :opened_before))
    ORDER BY i.due_at LIMIT :limit)
RETURNING run

-- name: read_inquiries
WITH wanted (run) AS (VALUES (?))
SELECT i.run, s.name, r.namespace, r.id, i.state, i.outcome, i.reasons, i.opened_at, i.asks
FROM wanted AS k
CROSS JOIN inquiries AS i ON i.run = k.run
JOIN runs AS r ON r.number = i.run
JOIN sources AS s ON s.number = i.source

-- name: read_accounts
-- What callbacks have said of a run, the largest left out. It only fills in where the API is silent.
WITH wanted (run) AS (VALUES (?))
SELECT run, body FROM (
    SELECT c.run, c.body, ROW_NUMBER() OVER (PARTITION BY c.run ORDER BY c.number) AS place
    FROM wanted AS k CROSS JOIN receipts AS c ON c.run = k.run
    WHERE c.verdict IN (1, 2, 4) AND LENGTH(c.body) <= 524288)
WHERE place <= 4

-- name: next_inquiry
SELECT MIN(due_at) FROM inquiries WHERE source = ? AND lease IS NULL

-- name: void_inquiries
UPDATE inquiries SET lease = NULL WHERE lease IS NOT NULL

-- name: put_sweep
INSERT INTO sweeps (source, cursor_at) VALUES (?, ?)
ON CONFLICT (source) DO UPDATE SET cursor_at = MAX(cursor_at, excluded.cursor_at)

-- name: read_sweep
SELECT MAX(cursor_at) FROM sweeps WHERE source = ?

-- name: insert_ask
INSERT INTO asks (run, asked_at, duration_us, answer, status, detail) VALUES (?, ?, ?, ?, ?, ?)

-- name: read_last_events
-- What each run's last event is built from.
WITH wanted (run) AS (VALUES (?))
SELECT e.run, c.body
FROM wanted AS k
CROSS JOIN runs AS r ON r.number = k.run
JOIN events AS e ON e.run = r.number AND e.revision = r.revision
JOIN receipts AS c ON c.number = e.receipt

-- name: read_receipts
WITH wanted (number) AS (VALUES (?))
SELECT c.number, c.body FROM wanted AS k CROSS JOIN receipts AS c ON c.number = k.number

-- name: find_equal_receipts
WITH wanted (run, digest) AS (VALUES (?, ?))
SELECT c.run, c.digest, c.verdict, c.number
FROM wanted AS k CROSS JOIN receipts AS c ON c.run = k.run AND c.digest = k.digest

-- name: find_quarantined
WITH wanted (source, digest) AS (VALUES (?, ?))
SELECT c.source, c.digest, c.number, c.count
FROM wanted AS k CROSS JOIN receipts AS c
    ON c.run IS NULL AND c.source = k.source AND c.digest = k.digest

-- name: insert_receipt
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest,
                      first_seen, last_seen, headers, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: repeat_receipt
UPDATE receipts SET count = count + 1, last_seen = MAX(last_seen, ?) WHERE number = ?

-- name: readmit_receipt
UPDATE receipts SET run = ?, verdict = ?, reasons = ? WHERE number = ? AND run IS NULL

-- name: insert_event
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref,
                    routed, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: find_earlier_destinations
WITH wanted (run) AS (VALUES (?))
SELECT DISTINCT e.run, d.destination
FROM wanted AS k CROSS JOIN events AS e ON e.run = k.run JOIN deliveries AS d ON d.event = e.number
UNION
SELECT e.run, b.number
FROM wanted AS k CROSS JOIN events AS e ON e.run = k.run JOIN destinations AS b ON b.behind_from <= e.number
WHERE ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%'

-- name: find_winners
WITH wanted (source, client_ref) AS (VALUES (?, ?))
SELECT w.source, w.client_ref, w.run
FROM wanted AS k CROSS JOIN winners AS w ON w.source = k.source AND w.client_ref = k.client_ref

-- name: find_queues
-- Who stands back, longest first, and what is left of what they said.
WITH wanted (source, client_ref, most) AS (VALUES (?, ?, ?))
SELECT q.source, q.client_ref, q.run, r.namespace, r.id, q.receipt, q.confirmed, c.body
FROM (
    SELECT b.*, k.most,
           ROW_NUMBER() OVER (PARTITION BY b.source, b.client_ref ORDER BY b.opened_at, b.run) AS place
    FROM wanted AS k
    CROSS JOIN collapsed AS b ON b.source = k.source AND b.client_ref = k.client_ref) AS q
JOIN runs AS r ON r.number = q.run
LEFT JOIN receipts AS c ON c.number = q.receipt
WHERE q.place <= q.most
ORDER BY q.source, q.client_ref, q.place

-- name: insert_winner
INSERT INTO winners (source, client_ref, run) VALUES (?, ?, ?)

-- name: pass_on
UPDATE winners SET run = ? WHERE source = ? AND client_ref = ?

-- name: free_winner
DELETE FROM winners WHERE source = ? AND client_ref = ?

-- name: drop_collapsed
DELETE FROM collapsed WHERE run = ?

-- name: put_collapsed
INSERT INTO collapsed (run, source, client_ref, receipt, confirmed, opened_at) VALUES (?, ?, ?, ?, ?, ?)

-- name: refresh_collapsed
UPDATE collapsed SET receipt = ?, confirmed = 1 WHERE run = ?

-- name: insert_delivery
INSERT INTO deliveries (number, event, run, source, destination, generation, epoch, state,
                        created_at, due_at, lease)
VALUES (?, ?, ?, ?, ?, 1, ?, 0, ?, ?, ?)

-- name: find_waiting
-- Of which sources something waits in which queue, and since when. From one source to the next by the index:
-- however much waits, each costs the same.
WITH RECURSIVE waiting (queue, source) AS (
    SELECT q.queue, (
        SELECT MIN(d.source) FROM deliveries AS d
        WHERE d.destination = :destination AND d.queue = q.queue AND d.state = 0 AND d.lease IS NULL)
    FROM (SELECT 0 AS queue UNION ALL SELECT 1) AS q
    UNION ALL
    SELECT w.queue, (
        SELECT MIN(d.source) FROM deliveries AS d
        WHERE d.destination = :destination AND d.queue = w.queue AND d.source > w.source
          AND d.state = 0 AND d.lease IS NULL)
    FROM waiting AS w WHERE w.source IS NOT NULL)
SELECT w.queue, w.source, (
    SELECT MIN(d.due_at) FROM deliveries AS d
    WHERE d.destination = :destination AND d.queue = w.queue AND d.source = w.source
      AND d.state = 0 AND d.lease IS NULL)
FROM waiting AS w WHERE w.source IS NOT NULL

-- name: claim
UPDATE deliveries SET lease = :lease
WHERE number IN (
    SELECT d.number FROM deliveries AS d
    WHERE d.destination = :destination AND d.queue = :queue AND d.source = :source
      AND d.state = 0 AND d.lease IS NULL AND d.due_at <= :now
      AND NOT EXISTS (SELECT 1 FROM destinations AS t WHERE t.number = :destination AND t.hold IS NOT NULL)
      AND (NOT :ordered OR NOT EXISTS (
          SELECT 1 FROM deliveries AS earlier
          WHERE earlier.run = d.run AND earlier.destination = d.destination
            AND earlier.state IN (0, 2) AND earlier.number < d.number))
    ORDER BY d.due_at, d.number LIMIT :limit)
RETURNING number

-- name: weigh_parcels
WITH wanted (number) AS (VALUES (?))
SELECT d.number, COALESCE(LENGTH(c.body), 0)
FROM wanted AS k
CROSS JOIN deliveries AS d ON d.number = k.number
JOIN events AS e ON e.number = d.event
LEFT JOIN receipts AS c ON c.number = e.receipt

-- name: unclaim
UPDATE deliveries SET lease = NULL WHERE number = ?

-- name: read_parcels
-- Also where the receipt is gone, as after a restore of a part. Such a delivery must die, not wait for ever.
WITH wanted (number) AS (VALUES (?))
SELECT d.number, d.generation, d.attempts, d.created_at, d.queue, d.replay, s.name, r.namespace, r.id, r.origin,
       r.first_seen, e.number, e.outcome, e.revision, e.confirmed, e.builder, e.client_ref, c.digest,
       c.body
FROM wanted AS k
CROSS JOIN deliveries AS d ON d.number = k.number
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt

-- name: settle
-- Given back untried, a delivery keeps what its last try came to. Who has failed waits with his like.
WITH done (number, lease, state, attempts, due_at, settled_at, status, reason)
    AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?))
UPDATE deliveries
SET state = done.state, attempts = done.attempts, due_at = done.due_at,
    settled_at = done.settled_at, lease = NULL,
    status = CASE WHEN done.state = 0 AND done.reason IS NULL THEN deliveries.status ELSE done.status END,
    reason = CASE WHEN done.state = 0 AND done.reason IS NULL THEN deliveries.reason ELSE done.reason END,
    queue = CASE WHEN done.reason IS NULL THEN deliveries.queue ELSE 1 END
FROM done
WHERE deliveries.number = done.number AND deliveries.lease = done.lease
RETURNING number

-- name: amend
UPDATE deliveries SET attempts = ?, due_at = ?
WHERE number = ? AND state = 0 AND lease IS NULL AND attempts = ? AND due_at = ?

-- name: look_ahead
-- What waits in a queue and is not due yet, and whether it was tried at a time that has not come yet.
SELECT d.queue, d.source, d.due_at, d.number, d.attempts, d.status,
       (SELECT MAX(a.tried_at) FROM attempts AS a WHERE a.delivery = d.number AND a.tried_at > :now)
FROM deliveries AS d
WHERE d.destination = :destination AND d.queue = :queue AND d.source = :source
  AND d.state = 0 AND d.lease IS NULL AND (d.due_at, d.number) > (:due_at, :number)
ORDER BY d.due_at, d.number LIMIT :limit

-- name: insert_attempt
INSERT INTO attempts (delivery, tried_at, duration_us, reason, status, detail, excerpt)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: void_leases
UPDATE deliveries SET lease = NULL
WHERE number IN (
    SELECT number FROM deliveries INDEXED BY deliveries_open
    WHERE state IN (0, 2) AND lease IS NOT NULL)

-- name: find_named_runs
SELECT r.number
FROM sources AS s
CROSS JOIN runs AS r ON r.source = s.number AND r.namespace IN (:run, :batch) AND r.id = :id
WHERE :source IS NULL OR s.name = :source
ORDER BY r.number

-- name: find_run_of_event
SELECT r.number
FROM events AS e JOIN runs AS r ON r.number = e.run JOIN sources AS s ON s.number = r.source
WHERE e.id = :id AND (:source IS NULL OR s.name = :source)

-- name: find_runs_of_ref
-- The newest, and how many there are, counted so far and no further.
SELECT r.number, (
    SELECT COUNT(*) FROM (
        SELECT 1 FROM runs AS o JOIN sources AS t ON t.number = o.source
        WHERE o.client_ref = :client_ref AND (:source IS NULL OR t.name = :source) LIMIT :counted))
FROM runs AS r JOIN sources AS s ON s.number = r.source
WHERE r.client_ref = :client_ref AND (:source IS NULL OR s.name = :source)
ORDER BY r.number DESC LIMIT :limit

-- name: read_run
SELECT s.name, r.namespace, r.id, r.client_ref, r.outcome, r.revision, r.origin, r.first_seen,
       i.state, i.outcome, i.reasons, i.opened_at, i.due_at, i.asks, i.lease
FROM runs AS r
JOIN sources AS s ON s.number = r.source
LEFT JOIN inquiries AS i ON i.run = r.number
WHERE r.number = :run

-- name: read_destinations
SELECT number, name, kind, behind_from, hold, hold_reason, hold_by, held_since FROM destinations

-- name: read_past_receipts
-- Of this and of all that follow: the first and the last ones, and how many there are.
SELECT verdict, reasons, channel, secret, digest, count, first_seen, last_seen, size, total FROM (
    SELECT verdict, reasons, channel, secret, digest, count, first_seen, last_seen, LENGTH(body) AS size,
           ROW_NUMBER() OVER (ORDER BY number) AS place, COUNT(*) OVER () AS total
    FROM receipts WHERE run = :run AND verdict < 6)
WHERE place <= :first OR place > total - :last
ORDER BY place

-- name: read_past_asks
SELECT asked_at, duration_us, answer, status, detail, total FROM (
    SELECT asked_at, duration_us, answer, status, detail,
           ROW_NUMBER() OVER (ORDER BY number) AS place, COUNT(*) OVER () AS total
    FROM asks WHERE run = :run)
WHERE place <= :first OR place > total - :last
ORDER BY place

-- name: read_past_events
SELECT p.number, p.id, p.revision, p.outcome, p.confirmed, p.routed, p.created_at, c.verdict, p.total FROM (
    SELECT number, id, revision, outcome, confirmed, routed, created_at, receipt,
           ROW_NUMBER() OVER (ORDER BY revision) AS place, COUNT(*) OVER () AS total
    FROM events WHERE run = :run) AS p
LEFT JOIN receipts AS c ON c.number = p.receipt
WHERE place <= :first OR place > total - :last
ORDER BY place

-- name: read_past_deliveries
SELECT p.number, p.event, p.destination, p.generation, p.state, p.created_at, p.due_at, p.lease,
       p.settled_at, p.status, p.reason,
       (SELECT COUNT(*) FROM attempts AS a WHERE a.delivery = p.number),
       (SELECT MAX(a.tried_at) FROM attempts AS a WHERE a.delivery = p.number),
       p.replay, (SELECT o.ordered_by FROM replays AS o WHERE o.number = p.replay), p.total FROM (
    SELECT d.*, ROW_NUMBER() OVER (ORDER BY d.number) AS place, COUNT(*) OVER () AS total
    FROM events AS e CROSS JOIN deliveries AS d ON d.event = e.number WHERE e.run = :run) AS p
WHERE place <= :first OR place > total - :last
ORDER BY place

-- name: read_past_attempts
SELECT delivery, tried_at, duration_us, reason, status, detail, excerpt, total FROM (
    SELECT a.delivery, a.tried_at, a.duration_us, a.reason, a.status, a.detail,
           SUBSTR(a.excerpt, 1, 500) AS excerpt,
           ROW_NUMBER() OVER (ORDER BY a.number) AS place, COUNT(*) OVER () AS total
    FROM events AS e
    CROSS JOIN deliveries AS d ON d.event = e.number
    CROSS JOIN attempts AS a ON a.delivery = d.number
    WHERE e.run = :run)
WHERE place <= :first OR place > total - :last
ORDER BY place

-- name: find_in_quarantine
-- Among the latest, and small ones only: a body has to be looked into.
WITH latest (number) AS (
    SELECT number FROM receipts INDEXED BY receipts_quarantined
    WHERE run IS NULL ORDER BY number DESC LIMIT 1000)
SELECT s.name, c.verdict, c.reasons, c.channel, c.secret, c.digest, c.count, c.first_seen, c.last_seen,
       LENGTH(c.body)
FROM latest AS k
CROSS JOIN receipts AS c ON c.number = k.number
JOIN sources AS s ON s.number = c.source
WHERE LENGTH(c.body) <= 65536
  AND (INSTR(c.body, :as_given) > 0 OR INSTR(c.body, :lower) > 0 OR INSTR(c.body, :upper) > 0)
  AND (:source IS NULL OR s.name = :source)
ORDER BY c.number DESC LIMIT :limit

-- name: put_refusal
INSERT INTO refusals (source, channel, reason, peer, count, first_seen, last_seen, size, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, channel, reason, peer) DO UPDATE SET
    count = count + excluded.count, last_seen = excluded.last_seen,
    size = excluded.size, digest = excluded.digest

-- name: trim_refusals
DELETE FROM refusals WHERE (source, channel, reason, peer) IN (
    SELECT source, channel, reason, peer FROM refusals ORDER BY last_seen DESC LIMIT -1 OFFSET ?)

-- name: look_at_receipts
SELECT number, first_seen, COALESCE(LENGTH(body), 0) FROM receipts WHERE number > ? ORDER BY number LIMIT ?

-- name: look_at_attempts
SELECT number, tried_at, 0 FROM attempts WHERE number > ? ORDER BY number LIMIT ?

-- name: look_at_asks
SELECT number, asked_at, 0 FROM asks WHERE number > ? ORDER BY number LIMIT ?

-- name: look_at_events
SELECT number, created_at, 0 FROM events WHERE number > ? ORDER BY number LIMIT ?

-- name: look_at_runs
SELECT number, first_seen, 0 FROM runs WHERE number > ? ORDER BY number LIMIT ?

-- name: forget_receipts
-- Of each table the newest row stays: the numbers of new ones are counted on from it.
DELETE FROM receipts
WHERE number > :after AND number <= :upto AND first_seen < :before
  AND number < (SELECT MAX(number) FROM receipts)
  AND NOT EXISTS (
      SELECT 1 FROM events AS e JOIN deliveries AS d ON d.event = e.number
      WHERE e.run = receipts.run AND e.receipt = receipts.number
        AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= :died_since))
  AND NOT EXISTS (
      SELECT 1 FROM events AS e JOIN destinations AS b ON b.behind_from <= e.number
      WHERE e.run = receipts.run AND e.receipt = receipts.number
        AND ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
  AND NOT EXISTS (
      SELECT 1 FROM inquiries AS w WHERE w.run = receipts.run AND w.receipt = receipts.number)
RETURNING source, verdict, 1, count

-- name: forget_attempts
DELETE FROM attempts WHERE number > :after AND number <= :upto AND tried_at < :before RETURNING number

-- name: forget_asks
DELETE FROM asks WHERE number > :after AND number <= :upto AND asked_at < :before RETURNING number

-- name: forget_asks_of
WITH gone (run) AS (VALUES (?))
DELETE FROM asks WHERE run IN (SELECT run FROM gone)

-- name: forget_events
DELETE FROM events
WHERE number > :after AND number <= :upto AND created_at < :before
  AND number < (SELECT MAX(number) FROM events)
  -- What a destination is behind with is still to become deliveries.
  AND NOT EXISTS (
      SELECT 1 FROM destinations AS b
      WHERE b.behind_from <= events.number
        AND ',' || substr(events.routed, 2, length(events.routed) - 2) || ',' LIKE '%,' || b.number || ',%')
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS d
      WHERE d.event = events.number
        AND (d.state IN (0, 2) OR d.state = 3 AND d.settled_at >= :died_since
             OR d.number = (SELECT MAX(number) FROM deliveries)))
RETURNING number, (SELECT r.source FROM runs AS r WHERE r.number = events.run), routed = '[]'

-- name: forget_deliveries
WITH gone (event) AS (VALUES (?))
DELETE FROM deliveries WHERE event IN (SELECT event FROM gone) RETURNING number, destination, state

-- name: forget_attempts_of
WITH gone (delivery) AS (VALUES (?))
DELETE FROM attempts WHERE delivery IN (SELECT delivery FROM gone)

-- name: forget_runs
DELETE FROM runs
WHERE number > :after AND number <= :upto AND first_seen < :before
  AND number < (SELECT MAX(number) FROM runs)
  AND NOT EXISTS (SELECT 1 FROM receipts AS c WHERE c.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM inquiries AS w WHERE w.run = runs.number)
RETURNING number, source, closed, (SELECT COUNT(*) FROM collapsed AS b WHERE b.run = runs.number)

-- name: forget_winners_of
WITH gone (run) AS (VALUES (?))
DELETE FROM winners WHERE run IN (SELECT run FROM gone)

-- name: forget_collapsed_of
WITH gone (run) AS (VALUES (?))
DELETE FROM collapsed WHERE run IN (SELECT run FROM gone)

-- name: take_source_counts
-- Lines of starts that are over; who takes them adds them to the one line that stands for all of those.
DELETE FROM source_counters WHERE incarnation NOT IN (0, ?)
RETURNING source, receipts, first, duplicate, stale, conflict, quarantined, opened, events, waiting, held,
          collapsed, closed, unrouted

-- name: take_destination_counts
DELETE FROM destination_counters WHERE incarnation NOT IN (0, ?)
RETURNING destination, created, delivered, pending, held, dead, discarded

-- name: add_source_counts
INSERT INTO source_counters (incarnation, source, receipts, first, duplicate, stale, conflict,
    quarantined, opened, events, waiting, held, collapsed, closed, unrouted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (incarnation, source) DO UPDATE SET
    receipts = receipts + excluded.receipts, first = first + excluded.first,
    duplicate = duplicate + excluded.duplicate, stale = stale + excluded.stale,
    conflict = conflict + excluded.conflict, quarantined = quarantined + excluded.quarantined,
    opened = opened + excluded.opened, events = events + excluded.events,
    waiting = waiting + excluded.waiting, held = held + excluded.held,
    collapsed = collapsed + excluded.collapsed, closed = closed + excluded.closed,
    unrouted = unrouted + excluded.unrouted

-- name: add_destination_counts
INSERT INTO destination_counters (incarnation, destination, created, delivered, pending, held, dead,
    discarded)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (incarnation, destination) DO UPDATE SET
    created = created + excluded.created, delivered = delivered + excluded.delivered,
    pending = pending + excluded.pending, held = held + excluded.held,
    dead = dead + excluded.dead, discarded = discarded + excluded.discarded

-- name: add_source_archive
INSERT INTO source_archive (source, receipts, first, duplicate, stale, conflict, quarantined, opened,
    events, waiting, held, collapsed, closed, unrouted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source) DO UPDATE SET
    receipts = receipts + excluded.receipts, first = first + excluded.first,
    duplicate = duplicate + excluded.duplicate, stale = stale + excluded.stale,
    conflict = conflict + excluded.conflict, quarantined = quarantined + excluded.quarantined,
    opened = opened + excluded.opened, events = events + excluded.events,
    waiting = waiting + excluded.waiting, held = held + excluded.held,
    collapsed = collapsed + excluded.collapsed, closed = closed + excluded.closed,
    unrouted = unrouted + excluded.unrouted

-- name: add_destination_archive
INSERT INTO destination_archive (destination, created, delivered, pending, held, dead, discarded)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (destination) DO UPDATE SET
    created = created + excluded.created, delivered = delivered + excluded.delivered,
    pending = pending + excluded.pending, held = held + excluded.held, dead = dead + excluded.dead,
    discarded = discarded + excluded.discarded

-- name: ledger_sources
-- Who is known has a line, also without counters: a recount must not find more than this. Added up first;
-- joined as they are, every line of every start would be looked at once for each name.
SELECT s.name, COALESCE(c.receipts, 0), COALESCE(c.first, 0), COALESCE(c.duplicate, 0),
       COALESCE(c.stale, 0), COALESCE(c.conflict, 0), COALESCE(c.quarantined, 0),
       COALESCE(c.opened, 0), COALESCE(c.events, 0), COALESCE(c.waiting, 0), COALESCE(c.held, 0),
       COALESCE(c.collapsed, 0), COALESCE(c.closed, 0), COALESCE(c.unrouted, 0)
FROM sources AS s
LEFT JOIN (
    SELECT source, SUM(receipts) AS receipts, SUM(first) AS first, SUM(duplicate) AS duplicate,
           SUM(stale) AS stale, SUM(conflict) AS conflict, SUM(quarantined) AS quarantined,
           SUM(opened) AS opened, SUM(events) AS events, SUM(waiting) AS waiting, SUM(held) AS held,
           SUM(collapsed) AS collapsed, SUM(closed) AS closed, SUM(unrouted) AS unrouted
    FROM source_counters GROUP BY source) AS c ON c.source = s.number
ORDER BY s.name

-- name: ledger_destinations
-- What is pending behind a hold is held.
SELECT d.name, COALESCE(c.created, 0), COALESCE(c.delivered, 0),
       CASE WHEN d.hold IS NULL THEN COALESCE(c.pending, 0) ELSE 0 END,
       COALESCE(c.held, 0) + CASE WHEN d.hold IS NULL THEN 0 ELSE COALESCE(c.pending, 0) END,
       COALESCE(c.dead, 0), COALESCE(c.discarded, 0)
FROM destinations AS d
LEFT JOIN (
    SELECT destination, SUM(created) AS created, SUM(delivered) AS delivered,
           SUM(pending) AS pending, SUM(held) AS held, SUM(dead) AS dead, SUM(discarded) AS discarded
    FROM destination_counters GROUP BY destination) AS c ON c.destination = d.number
ORDER BY d.name

-- name: key_uses
-- Of every callback that is kept: asked by a person who replaces a secret. What the API has said is signed by none.
SELECT s.name, c.channel, c.secret, SUM(c.count), MIN(c.first_seen), MAX(c.last_seen)
FROM receipts AS c JOIN sources AS s ON s.number = c.source
WHERE c.secret <> ''
GROUP BY s.name, c.channel, c.secret ORDER BY s.name, c.channel, c.secret

-- name: recount_sources
-- A row of verdict `first` counts itself once and its equal repeats as duplicates. What has been forgotten
-- was counted when it went.
SELECT s.name,
       COALESCE(c.receipts, 0) + COALESCE(a.receipts, 0), COALESCE(c.first, 0) + COALESCE(a.first, 0),
       COALESCE(c.duplicate, 0) + COALESCE(a.duplicate, 0), COALESCE(c.stale, 0) + COALESCE(a.stale, 0),
       COALESCE(c.conflict, 0) + COALESCE(a.conflict, 0),
       COALESCE(c.quarantined, 0) + COALESCE(a.quarantined, 0),
       COALESCE(e.events, 0) + COALESCE(i.waiting, 0) + COALESCE(i.held, 0) + COALESCE(b.collapsed, 0)
           + COALESCE(r.closed, 0) + COALESCE(a.opened, 0),
       COALESCE(e.events, 0) + COALESCE(a.events, 0), COALESCE(i.waiting, 0) + COALESCE(a.waiting, 0),
       COALESCE(i.held, 0) + COALESCE(a.held, 0), COALESCE(b.collapsed, 0) + COALESCE(a.collapsed, 0),
       COALESCE(r.closed, 0) + COALESCE(a.closed, 0),
       COALESCE(e.unrouted, 0) + COALESCE(a.unrouted, 0)
FROM sources AS s
LEFT JOIN source_archive AS a ON a.source = s.number
LEFT JOIN (
    SELECT source, SUM(CASE WHEN verdict < 6 THEN count ELSE 0 END) AS receipts, SUM(verdict = 1) AS first,
           SUM(CASE verdict WHEN 1 THEN count - 1 WHEN 2 THEN count ELSE 0 END) AS duplicate,
           SUM(CASE verdict WHEN 3 THEN count ELSE 0 END) AS stale,
           SUM(CASE verdict WHEN 4 THEN count ELSE 0 END) AS conflict,
           SUM(CASE verdict WHEN 5 THEN count ELSE 0 END) AS quarantined
    FROM receipts GROUP BY source) AS c ON c.source = s.number
LEFT JOIN (
    SELECT r.source, COUNT(*) AS events, SUM(e.routed = '[]') AS unrouted
    FROM events AS e JOIN runs AS r ON r.number = e.run GROUP BY r.source) AS e ON e.source = s.number
LEFT JOIN (
    SELECT source, SUM(state = 1) AS waiting, SUM(state = 2) AS held
    FROM inquiries GROUP BY source) AS i ON i.source = s.number
LEFT JOIN (
    SELECT source, COUNT(*) AS collapsed FROM collapsed GROUP BY source) AS b ON b.source = s.number
LEFT JOIN (
    SELECT source, SUM(closed) AS closed FROM runs GROUP BY source) AS r ON r.source = s.number
ORDER BY s.name

-- name: recount_destinations
-- Of what a destination is behind with, there are events and no deliveries.
SELECT d.name, COALESCE(y.created, 0) + COALESCE(a.created, 0) + COALESCE(w.behind, 0),
       COALESCE(y.delivered, 0) + COALESCE(a.delivered, 0),
       CASE WHEN d.hold IS NULL THEN COALESCE(y.pending, 0) + COALESCE(a.pending, 0) ELSE 0 END,
       COALESCE(y.held, 0) + COALESCE(a.held, 0) + COALESCE(w.behind, 0)
           + CASE WHEN d.hold IS NULL THEN 0 ELSE COALESCE(y.pending, 0) + COALESCE(a.pending, 0) END,
       COALESCE(y.dead, 0) + COALESCE(a.dead, 0), COALESCE(y.discarded, 0) + COALESCE(a.discarded, 0)
FROM destinations AS d
LEFT JOIN destination_archive AS a ON a.destination = d.number
LEFT JOIN (
    SELECT destination, COUNT(*) AS created, SUM(state = 1) AS delivered, SUM(state = 0) AS pending,
           SUM(state = 2) AS held, SUM(state = 3) AS dead, SUM(state = 4) AS discarded
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
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number

-- name: count_running
SELECT COUNT(*) FROM replays WHERE state = 0

-- name: trim_replays
-- Those that are over, but for the newest.
DELETE FROM replays WHERE number IN (
    SELECT number FROM replays WHERE state > 0 ORDER BY number DESC LIMIT -1 OFFSET ?)

-- name: cancel_replay
UPDATE replays SET state = 2, ended_at = ? WHERE number = ? AND state = 0 RETURNING number

-- name: cancel_replays_to
UPDATE replays SET state = 2, ended_at = ? WHERE target = ? AND state = 0 RETURNING number

-- name: list_running
-- When each to these destinations is due, how many of its destination's replayed deliveries have not had a try, and
-- how many wait for it in all.
SELECT p.due_at, (
    SELECT COUNT(*) FROM deliveries AS d INDEXED BY deliveries_resent
    WHERE d.destination = p.target AND d.replay IS NOT NULL AND d.attempts = 0 AND d.state IN (0, 2)), (
    SELECT COALESCE(SUM(c.pending), 0) FROM destination_counters AS c WHERE c.destination = p.target)
FROM replays AS p
WHERE p.state = 0 AND p.target IN (
    SELECT number FROM destinations WHERE name IN (SELECT value FROM json_each(?)))

-- name: right_replays
UPDATE replays SET due_at = ? WHERE state = 0 AND due_at > ?

-- name: due_replay
-- The one that has waited longest, of those whose destination is served and has room.
SELECT number, origin, target, selection, rate, most, cursor, upto, created, untried FROM (
    SELECT p.*, (
        SELECT COUNT(*) FROM deliveries AS d INDEXED BY deliveries_resent
        WHERE d.destination = p.target AND d.replay IS NOT NULL AND d.attempts = 0 AND d.state IN (0, 2)
    ) AS untried, (
        SELECT COALESCE(SUM(c.pending), 0) FROM destination_counters AS c WHERE c.destination = p.target
    ) AS pending
    FROM replays AS p
    WHERE p.state = 0 AND p.target IN (
        SELECT number FROM destinations WHERE name IN (SELECT value FROM json_each(?))) AND p.due_at <= ?)
WHERE untried < ? AND pending < ? ORDER BY due_at, number LIMIT 1

-- name: look_at_dead
-- How far so many rows reach. No step looks at more of them, whatever it looks for.
SELECT COALESCE(MAX(number), 0), COUNT(*) FROM (
    SELECT number FROM deliveries INDEXED BY deliveries_dead
    WHERE destination = ? AND state = 3 AND number > ? AND number <= ? ORDER BY number LIMIT ?)

-- name: look_at_told
SELECT COALESCE(MAX(number), 0), COUNT(*) FROM (
    SELECT number FROM events WHERE number > ? AND number <= ? ORDER BY number LIMIT ?)

-- name: next_dead
-- Dead letters that nobody has sent again, in their order; the size of what their event is built from, null where
-- that is gone, and whether the event is on its way already, or later than what its target has come to.
SELECT d.number, d.event, d.run, LENGTH(c.body), EXISTS (
    SELECT 1 FROM deliveries AS o
    WHERE o.event = d.event AND o.destination = :target AND (o.state IN (0, 2) OR o.replay = :replay))
    OR d.event >= COALESCE((SELECT b.behind_from FROM destinations AS b WHERE b.number = :target), 9223372036854775807)
FROM deliveries AS d INDEXED BY deliveries_dead
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3 AND d.destination = :origin AND d.number > :after AND d.number <= :upto
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND (:reason IS NULL OR d.reason = :reason OR d.reason = 'expired' AND (
      :reason = 'status_' || d.status OR :reason = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= :since AND d.settled_at < :until
  AND (:events IS NULL OR d.event IN (SELECT value FROM json_each(:events)))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
ORDER BY d.number LIMIT :limit

-- name: next_told
-- Events whose last delivery to a destination arrived, or that it never had, in their order. What it is behind
-- with comes by itself.
SELECT e.number, e.number, e.run, LENGTH(c.body), EXISTS (
    SELECT 1 FROM deliveries AS o
    WHERE o.event = e.number AND o.destination = :target AND (o.state IN (0, 2) OR o.replay = :replay))
    OR e.number >= COALESCE((SELECT b.behind_from FROM destinations AS b WHERE b.number = :target), 9223372036854775807)
FROM events AS e
JOIN runs AS r ON r.number = e.run
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = :origin AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = :origin)
WHERE e.number > :after AND e.number <= :upto
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND e.created_at >= :since AND e.created_at < :until
  AND (:events IS NULL OR e.number IN (SELECT value FROM json_each(:events)))
  AND CASE WHEN :missing THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = :origin), 9223372036854775807)
      ELSE d.state = 1 END
ORDER BY e.number LIMIT :limit

-- name: read_letters
WITH wanted (event) AS (VALUES (?))
SELECT s.name, r.namespace, r.id, r.origin, r.first_seen, e.number, e.outcome, e.revision, e.confirmed,
       e.builder, e.client_ref, c.digest, c.body
FROM wanted AS k
CROSS JOIN events AS e ON e.number = k.event
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt

-- name: insert_replayed
-- A new generation, counted on from the last one, in the queue of what is sent once more.
INSERT INTO deliveries (number, event, run, destination, generation, epoch, state, created_at, due_at, replay,
                        queue, source)
SELECT :number, :event, :run, :target, COALESCE(MAX(generation), 0) + 1, :epoch, 0, :now, :now, :replay,
       1, (SELECT r.source FROM runs AS r WHERE r.number = :run)
FROM deliveries WHERE event = :event AND destination = :target

-- name: postpone_replay
UPDATE replays SET due_at = ? WHERE number = ?

-- name: advance_replay
UPDATE replays SET cursor = ?, due_at = ?, created = created + ?, expired = expired + ?,
    standing = standing + ?, unrouted = unrouted + ?, state = ?, ended_at = ?
WHERE number = ?

-- name: list_replays
SELECT p.number, p.created_at, p.ordered_by, o.name, t.name, p.selection, p.rate, p.most, p.expected, p.state,
       p.created, p.expired, p.standing, p.unrouted, p.ended_at
FROM replays AS p
JOIN destinations AS o ON o.number = p.origin
JOIN destinations AS t ON t.number = p.target
WHERE :number IS NULL OR p.number = :number
ORDER BY p.number DESC LIMIT :limit

-- name: count_replayed
-- What became of what an order has made, by state, and whether each has failed before.
SELECT state, attempts > 0, COUNT(*) FROM deliveries WHERE replay = :number GROUP BY 1, 2

-- name: list_dead
-- Newest first.
SELECT d.number, e.id, s.name, r.namespace, r.id, COALESCE(e.client_ref, r.client_ref), e.outcome, e.revision,
       n.name, d.generation, d.attempts, d.created_at, d.settled_at, d.status, d.reason, c.body IS NOT NULL
FROM deliveries AS d INDEXED BY deliveries_died
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
JOIN sources AS s ON s.number = r.source
JOIN destinations AS n ON n.number = d.destination
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3 AND (d.settled_at, d.number) < (:at, :before)
  AND (:origin IS NULL OR d.destination = :origin)
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND (:reason IS NULL OR d.reason = :reason OR d.reason = 'expired' AND (
      :reason = 'status_' || d.status OR :reason = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= :since AND d.settled_at < :until
  AND (:events IS NULL OR d.event IN (SELECT value FROM json_each(:events)))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
ORDER BY d.settled_at DESC, d.number DESC LIMIT :limit

-- name: sum_dead
-- And how many of them are later than what the one that they would go to has come to.
SELECT n.name, d.reason, COUNT(*), SUM(c.body IS NULL), MIN(d.settled_at), MAX(d.settled_at), MIN(d.number),
       MAX(d.number), SUM(c.body IS NOT NULL AND d.event >= COALESCE(b.behind_from, 9223372036854775807))
FROM deliveries AS d INDEXED BY deliveries_dead
JOIN events AS e ON e.number = d.event
JOIN runs AS r ON r.number = d.run
JOIN destinations AS n ON n.number = d.destination
LEFT JOIN destinations AS b ON b.number = COALESCE(:target, d.destination)
LEFT JOIN receipts AS c ON c.number = e.receipt
WHERE d.state = 3
  AND (:origin IS NULL OR d.destination = :origin)
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND (:reason IS NULL OR d.reason = :reason OR d.reason = 'expired' AND (
      :reason = 'status_' || d.status OR :reason = (
          SELECT a.reason FROM attempts AS a WHERE a.delivery = d.number ORDER BY a.number DESC LIMIT 1)))
  AND d.settled_at >= :since AND d.settled_at < :until
  AND (:events IS NULL OR d.event IN (SELECT value FROM json_each(:events)))
  AND NOT EXISTS (
      SELECT 1 FROM deliveries AS later
      WHERE later.event = d.event AND later.destination = d.destination
        AND later.generation > d.generation)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: find_span
-- The numbers between which lie all events of a stretch of time. Others may lie there too: clocks are set.
SELECT MIN(number), MAX(number) FROM events WHERE created_at >= :since AND created_at < :until

-- name: list_told
-- Oldest first, in the order in which they are sent.
SELECT e.number, e.id, s.name, r.namespace, r.id, COALESCE(e.client_ref, r.client_ref), e.outcome, e.revision,
       :named, COALESCE(d.generation, 0), COALESCE(d.attempts, 0), e.created_at, d.settled_at, d.status, NULL,
       c.body IS NOT NULL
FROM events AS e
JOIN runs AS r ON r.number = e.run
JOIN sources AS s ON s.number = r.source
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = :origin AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = :origin)
WHERE e.number >= :low AND e.number <= :high
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND e.created_at >= :since AND e.created_at < :until
  AND (:events IS NULL OR e.number IN (SELECT value FROM json_each(:events)))
  AND CASE WHEN :missing THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = :origin), 9223372036854775807)
      ELSE d.state = 1 END
ORDER BY e.number LIMIT :limit

-- name: sum_told
SELECT :named, NULL, COUNT(*), SUM(c.body IS NULL), MIN(e.created_at), MAX(e.created_at), MIN(e.number),
       MAX(e.number), SUM(c.body IS NOT NULL AND e.number >= COALESCE((
           SELECT b.behind_from FROM destinations AS b WHERE b.number = COALESCE(:target, :origin)), 9223372036854775807))
FROM events AS e
JOIN runs AS r ON r.number = e.run
LEFT JOIN receipts AS c ON c.number = e.receipt
LEFT JOIN deliveries AS d ON d.event = e.number AND d.destination = :origin AND d.generation = (
    SELECT MAX(g.generation) FROM deliveries AS g
    WHERE g.event = e.number AND g.destination = :origin)
WHERE e.number >= :low AND e.number <= :high
  AND (:source IS NULL OR r.source = :source) AND (:outcome IS NULL OR e.outcome = :outcome)
  AND e.created_at >= :since AND e.created_at < :until
  AND (:events IS NULL OR e.number IN (SELECT value FROM json_each(:events)))
  AND CASE WHEN :missing THEN d.number IS NULL AND e.number < COALESCE((
      SELECT b.behind_from FROM destinations AS b WHERE b.number = :origin), 9223372036854775807)
      ELSE d.state = 1 END

-- name: find_event
SELECT number FROM events WHERE id = :id

-- name: find_events_of_runs
SELECT number FROM events WHERE run IN (SELECT value FROM json_each(:runs)) ORDER BY number LIMIT :limit

-- name: find_event_of_delivery
SELECT e.id FROM deliveries AS d JOIN events AS e ON e.number = d.event WHERE d.number = :number

-- name: read_sources
SELECT number, name FROM sources

-- name: read_hold
SELECT number, hold, hold_reason, hold_by, held_since, kind,
       (SELECT COALESCE(SUM(c.pending + c.held), 0) FROM destination_counters AS c
           WHERE c.destination = destinations.number)
FROM destinations WHERE name = ?

-- name: write_hold
-- Whoever resumes gives it all its time again.
UPDATE destinations SET hold = :hold, hold_reason = :reason, hold_by = :by, held_since = :since,
    failing_since = CASE WHEN :hold IS NULL THEN NULL ELSE failing_since END,
    alarms = CASE WHEN :hold IS NULL THEN 0 ELSE alarms END
WHERE number = :number

-- name: note_condition
-- Who works again, or fails anew after a silence, is warned of anew.
UPDATE destinations SET failing_since = :since, failed_at = :failed_at,
    worked_at = COALESCE(:worked_at, worked_at),
    alarms = CASE WHEN :since IS NULL OR :since > failing_since THEN 0 ELSE alarms END
WHERE name = :name

-- name: raise_alarm
UPDATE destinations SET alarms = :step WHERE name = :name AND alarms < :step RETURNING number

-- name: fall_behind
UPDATE destinations SET behind_from = ? WHERE name = ? AND behind_from IS NULL RETURNING number

-- name: read_behind
SELECT number, behind_from, epoch FROM destinations WHERE name = ?

-- name: look_behind
-- Events in their order: which of them were routed there, and which have a delivery by now, as a replay makes one.
SELECT e.number, e.run, r.source, ',' || substr(e.routed, 2, length(e.routed) - 2) || ',' LIKE '%,' || :destination || ',%',
       EXISTS (
           SELECT 1 FROM deliveries AS d
           WHERE d.event = e.number AND d.destination = :destination AND d.generation = 1)
FROM events AS e JOIN runs AS r ON r.number = e.run
WHERE e.number >= :behind_from ORDER BY e.number LIMIT :limit

-- name: catch_up
UPDATE destinations SET behind_from = ? WHERE number = ?

-- name: abandon
-- What is in somebody's hands is settled by them.
UPDATE deliveries SET state = 3, settled_at = :now, reason = :reason
WHERE number IN (
    SELECT number FROM deliveries
    WHERE destination = :destination AND state = 0 AND lease IS NULL LIMIT :limit)
RETURNING number

-- name: read_conditions
SELECT d.name, d.kind, d.hold, d.hold_reason, d.hold_by, d.held_since, d.failing_since, d.failed_at, d.worked_at, d.behind_from,
       COALESCE(SUM(c.created), 0), COALESCE(SUM(c.delivered), 0), COALESCE(SUM(c.pending), 0),
       COALESCE(SUM(c.held), 0), COALESCE(SUM(c.dead), 0), COALESCE(SUM(c.discarded), 0)
FROM destinations AS d LEFT JOIN destination_counters AS c ON c.destination = d.number
GROUP BY d.number ORDER BY d.name

-- name: insert_audit
INSERT INTO audit (at, actor, verb, subject, detail) VALUES (?, ?, ?, ?, ?)

-- name: trim_audit
DELETE FROM audit WHERE number <= (SELECT MAX(number) FROM audit) - ?

-- name: list_quarantine
-- Newest first.
SELECT c.number, s.name, c.channel, c.secret, c.reasons, c.digest, c.count, c.first_seen, c.last_seen,
       LENGTH(c.body)
FROM receipts AS c INDEXED BY receipts_quarantined
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND c.number < :before AND c.digest >= :low AND c.digest <= :high
  AND (:source IS NULL OR s.name = :source) AND (:reasons IS NULL OR c.reasons = :reasons)
ORDER BY c.number DESC LIMIT :limit

-- name: next_quarantined
-- In the order in which they came.
SELECT c.number, s.name, c.channel, c.secret, c.reasons, c.digest, c.count, c.first_seen, c.last_seen,
       LENGTH(c.body)
FROM receipts AS c INDEXED BY receipts_quarantined
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND c.number > :after AND c.digest >= :low AND c.digest <= :high
  AND (:source IS NULL OR s.name = :source) AND (:reasons IS NULL OR c.reasons = :reasons)
ORDER BY c.number LIMIT :limit

-- name: sum_quarantine
SELECT s.name, c.reasons, COUNT(*), SUM(c.count), MIN(c.first_seen), MAX(c.last_seen)
FROM receipts AS c INDEXED BY receipts_quarantined
JOIN sources AS s ON s.number = c.source
WHERE c.run IS NULL AND (:source IS NULL OR s.name = :source) AND (:reasons IS NULL OR c.reasons = :reasons)
GROUP BY 1, 2 ORDER BY 1, 2

-- name: read_quarantined
SELECT headers, body FROM receipts WHERE number = :number AND run IS NULL
