-- A store as the program left it that knew schema 1: rows of every table, the days that they are in, and
-- how far the numbers have been counted.
CREATE TABLE attempts_20260228 PARTITION OF attempts FOR VALUES FROM ('1772236800000000') TO ('1772323200000000');
CREATE TABLE attempts_20260301 PARTITION OF attempts FOR VALUES FROM ('1772323200000000') TO ('1772409600000000');
CREATE TABLE attempts_20260302 PARTITION OF attempts FOR VALUES FROM ('1772409600000000') TO ('1772496000000000');
CREATE TABLE receipts_20260228 PARTITION OF receipts FOR VALUES FROM ('1858324974796800000') TO ('1858415571763200000');
CREATE TABLE receipts_20260301 PARTITION OF receipts FOR VALUES FROM ('1858415571763200000') TO ('1858506168729600000');
CREATE TABLE receipts_20260302 PARTITION OF receipts FOR VALUES FROM ('1858506168729600000') TO ('1858596765696000000');
INSERT INTO meta (key, value)
VALUES ('installation', '9aff6b1b40b81e5d');
INSERT INTO meta (key, value)
VALUES ('schema', '1');
INSERT INTO incarnations (number, started_at, expires_at)
VALUES (1, 1772366400000000, '2026-11-23T18:40:43.986916+00:00');
INSERT INTO sources (number, name)
VALUES (1, 'acme');
INSERT INTO destinations (number, name, kind, epoch)
VALUES (1, 'lake', 'file', 1);
INSERT INTO destinations (number, name, kind, epoch)
VALUES (2, 'orders', 'http', 1);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (1, 1, 2, '\x72756e5f64656c697665726564', 'order-1', 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (3, 1, 2, '\x72756e5f64656164', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (4, 1, 2, '\x72756e5f756e726f75746564', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (5, 1, 2, '\x72756e5f70656e64696e67', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (6, 1, 2, '\x72756e5f77616974696e67', NULL, NULL, 0, 'callback', 1772366400000000);
INSERT INTO waiting (run, outcome, reasons, receipt, opened_at)
VALUES (1, 2, '["outcome_conflict"]', 1858460871294976008, 1772366400000000);
INSERT INTO waiting (run, outcome, reasons, receipt, opened_at)
VALUES (6, 1, '["missing_completed_at"]', 1858460871294976006, 1772366400000000);
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460870246400001, 1, 1, 1, NULL, 'callback', 'k1', '\x954e2953ed11f7112513fb34b19fb2c7', 2, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f64656c697665726564222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c2022636c69656e745f726566223a20226f726465722d31222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460870246400003, 1, 3, 1, NULL, 'callback', 'k1', '\xa534d5c9c56f1655ba28250cb9a90b39', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f64656164222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460870246400004, 1, 4, 1, NULL, 'callback', 'k1', '\x291b03567bd1783dd2bb9b7db058ec46', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f756e726f75746564222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976005, 1, 5, 1, NULL, 'callback', 'k1', '\xcda84368cf9b1de77d85291db073c8cf', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b2269742773225d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976006, 1, 6, 1, '["missing_completed_at"]', 'callback', 'k1', '\x447a7bbed59474af867af7b49e41f621', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f77616974696e67222c2022737461747573223a2022737563636565646564222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976007, 1, 5, 3, NULL, 'callback', 'k1', '\x9aee5fd9ac58806314d6f173bda02d11', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a202272756e6e696e67222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976008, 1, 1, 4, '["outcome_conflict"]', 'callback', 'k1', '\xf7425557cfb709c712cd6620adb89d77', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f64656c697665726564222c2022737461747573223a20226661696c6564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976009, 1, 5, 2, NULL, 'callback', 'k1', '\xab5c2b84c1f0645048a53f00df963c61', 1, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d2c20226e6f7465223a2022616761696e227d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1858460871294976010, 1, NULL, 5, '["not_an_object"]', 'callback', 'k1', '\x4f53cda18c2baa0c0354bb5f9a3ecbe5', 2, 1772366400000000, 1772366400000000, '\x7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', '\x5b5d');
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (1, 1, 1, '\x6a7b332e2d2d559eb117c98b552d8553', 1, 1, 1858460870246400001, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (3, 3, 1, '\x37d73652bfe95289b288499aebd313a5', 1, 1, 1858460870246400003, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (4, 4, 1, '\x1563afa3dbc9561f8a29482dda86410c', 1, 1, 1858460870246400004, 1, NULL, '[]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (5, 5, 1, '\x4abf1ca7ddae5d079223b99ae52c7760', 1, 1, 1858460871294976005, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (1, 1, 1, 1, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (2, 1, 1, 2, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (5, 3, 3, 1, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (6, 3, 3, 2, 1, 1, 0, NULL, 3, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, 'too_large');
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (9, 5, 5, 1, 1, 1, 0, NULL, 0, 0, 1772366400000000, 1772366400000000, NULL, NULL, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (10, 5, 5, 2, 1, 1, 0, NULL, 0, 1, 1772366400000000, 1772366406000000, NULL, NULL, 400, 'status_400');
INSERT INTO attempts (number, delivery, tried_at, duration_us, reason, status, detail, excerpt)
VALUES (1, 6, 1772366400000000, 0, 'too_large', NULL, '', NULL);
INSERT INTO attempts (number, delivery, tried_at, duration_us, reason, status, detail, excerpt)
VALUES (2, 10, 1772366401000000, 0, 'status_400', 400, 'no', '\x62616420002072657175657374');
INSERT INTO refusals (source, channel, reason, peer, count, first_seen, last_seen, size, digest)
VALUES ('acme', 'callback', 'bad_signature', '192.0.2.1', 2, 1772366401000000, 1772366401000000, 10, '\x01010101010101010101010101010101');
INSERT INTO source_counters (incarnation, source, receipts, first, duplicate, stale, conflict, quarantined, opened, events, waiting, held, collapsed, closed, unrouted)
VALUES (1, 1, 11, 5, 2, 1, 1, 2, 6, 4, 2, 0, 0, 0, 1);
INSERT INTO destination_counters (incarnation, destination, created, delivered, pending, held, dead, discarded)
VALUES (1, 1, 3, 2, 1, 0, 0, 0);
INSERT INTO destination_counters (incarnation, destination, created, delivered, pending, held, dead, discarded)
VALUES (1, 2, 3, 1, 1, 0, 1, 0);
SELECT setval('runs_numbers', 9);
SELECT setval('receipts_numbers', 11);
SELECT setval('events_numbers', 11);
SELECT setval('deliveries_numbers', 22);
SELECT setval('incarnations_number_seq', 1);
SELECT setval('sources_number_seq', 1);
SELECT setval('destinations_number_seq', 2);
SELECT setval('attempts_number_seq', 2);
