-- When an event was made leads to its number, so that an hour of events is looked up and not looked for.
CREATE INDEX events_created ON events (created_at);
