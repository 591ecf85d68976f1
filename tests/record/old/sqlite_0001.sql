-- A store as the program left it that knew schema 1: rows of every table.
INSERT INTO meta (key, value)
VALUES ('installation', '744e0ecf69a7f70d');
INSERT INTO incarnations (number, started_at)
VALUES (1, 1772366400000000);
INSERT INTO sources (number, name)
VALUES (1, 'acme');
INSERT INTO destinations (number, name, kind, epoch)
VALUES (1, 'lake', 'file', 1);
INSERT INTO destinations (number, name, kind, epoch)
VALUES (2, 'orders', 'http', 1);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (1, 1, 2, X'72756e5f64656c697665726564', 'order-1', 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (2, 1, 2, X'72756e5f64656164', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (3, 1, 2, X'72756e5f756e726f75746564', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (4, 1, 2, X'72756e5f70656e64696e67', NULL, 1, 1, 'callback', 1772366400000000);
INSERT INTO runs (number, source, namespace, id, client_ref, outcome, revision, origin, first_seen)
VALUES (5, 1, 2, X'72756e5f77616974696e67', NULL, NULL, 0, 'callback', 1772366400000000);
INSERT INTO waiting (run, outcome, reasons, receipt, opened_at)
VALUES (1, 2, '["outcome_conflict"]', 7, 1772366400000000);
INSERT INTO waiting (run, outcome, reasons, receipt, opened_at)
VALUES (5, 1, '["missing_completed_at"]', 5, 1772366400000000);
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (1, 1, 1, 1, NULL, 'callback', 'k1', X'954e2953ed11f7112513fb34b19fb2c7', 2, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f64656c697665726564222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c2022636c69656e745f726566223a20226f726465722d31222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (2, 1, 2, 1, NULL, 'callback', 'k1', X'a534d5c9c56f1655ba28250cb9a90b39', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f64656164222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (3, 1, 3, 1, NULL, 'callback', 'k1', X'291b03567bd1783dd2bb9b7db058ec46', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f756e726f75746564222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (4, 1, 4, 1, NULL, 'callback', 'k1', X'cda84368cf9b1de77d85291db073c8cf', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b2269742773225d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (5, 1, 5, 1, '["missing_completed_at"]', 'callback', 'k1', X'447a7bbed59474af867af7b49e41f621', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f77616974696e67222c2022737461747573223a2022737563636565646564222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (6, 1, 4, 3, NULL, 'callback', 'k1', X'9aee5fd9ac58806314d6f173bda02d11', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a202272756e6e696e67222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (7, 1, 1, 4, '["outcome_conflict"]', 'callback', 'k1', X'f7425557cfb709c712cd6620adb89d77', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f64656c697665726564222c2022737461747573223a20226661696c6564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d7d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (8, 1, 4, 2, NULL, 'callback', 'k1', X'ab5c2b84c1f0645048a53f00df963c61', 1, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'7b2272756e5f6964223a202272756e5f70656e64696e67222c2022737461747573223a2022737563636565646564222c2022636f6d706c657465645f6174223a2022323032362d30332d30315431313a35393a35385a222c20226f7574707574223a207b22696d61676573223a205b312e315d7d2c20226e6f7465223a2022616761696e227d');
INSERT INTO receipts (number, source, run, verdict, reasons, channel, secret, digest, count, first_seen, last_seen, headers, body)
VALUES (9, 1, NULL, 5, '["not_an_object"]', 'callback', 'k1', X'4f53cda18c2baa0c0354bb5f9a3ecbe5', 2, 1772366400000000, 1772366400000000, X'7b22436f6e74656e742d54797065223a226170706c69636174696f6e2f6a736f6e227d', X'5b5d');
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (1, 1, 1, X'6a7b332e2d2d559eb117c98b552d8553', 1, 1, 1, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (2, 2, 1, X'37d73652bfe95289b288499aebd313a5', 1, 1, 2, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (3, 3, 1, X'1563afa3dbc9561f8a29482dda86410c', 1, 1, 3, 1, NULL, '[]', 1772366400000000);
INSERT INTO events (number, run, revision, id, outcome, confirmed, receipt, builder, client_ref, routed, created_at)
VALUES (4, 4, 1, X'4abf1ca7ddae5d079223b99ae52c7760', 1, 1, 4, 1, NULL, '[1,2]', 1772366400000000);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (1, 1, 1, 1, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (2, 1, 1, 2, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (3, 2, 2, 1, 1, 1, 0, NULL, 1, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (4, 2, 2, 2, 1, 1, 0, NULL, 3, 1, 1772366400000000, 1772366400000000, NULL, 1772366400000000, NULL, 'too_large');
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (5, 4, 4, 1, 1, 1, 0, NULL, 0, 0, 1772366400000000, 1772366400000000, NULL, NULL, NULL, NULL);
INSERT INTO deliveries (number, event, run, destination, generation, epoch, lane, batch, state, attempts, created_at, due_at, lease, settled_at, status, reason)
VALUES (6, 4, 4, 2, 1, 1, 0, NULL, 0, 1, 1772366400000000, 1772366406000000, NULL, NULL, 400, 'status_400');
INSERT INTO attempts (number, delivery, tried_at, duration_us, reason, status, detail, excerpt)
VALUES (1, 4, 1772366400000000, 0, 'too_large', NULL, '', NULL);
INSERT INTO attempts (number, delivery, tried_at, duration_us, reason, status, detail, excerpt)
VALUES (2, 6, 1772366401000000, 0, 'status_400', 400, 'no', X'62616420002072657175657374');
INSERT INTO refusals (source, channel, reason, peer, count, first_seen, last_seen, size, digest)
VALUES ('acme', 'callback', 'bad_signature', '192.0.2.1', 2, 1772366401000000, 1772366401000000, 10, X'01010101010101010101010101010101');
INSERT INTO source_counters (incarnation, source, receipts, first, duplicate, stale, conflict, quarantined, opened, events, waiting, held, collapsed, closed, unrouted)
VALUES (1, 1, 11, 5, 2, 1, 1, 2, 6, 4, 2, 0, 0, 0, 1);
INSERT INTO destination_counters (incarnation, destination, created, delivered, pending, held, dead, discarded)
VALUES (1, 1, 3, 2, 1, 0, 0, 0);
INSERT INTO destination_counters (incarnation, destination, created, delivered, pending, held, dead, discarded)
VALUES (1, 2, 3, 1, 1, 0, 1, 0);
