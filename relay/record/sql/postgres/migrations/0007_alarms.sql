-- How often somebody was told that a destination fails, since something last worked: of several relays, one tells.
ALTER TABLE destinations ADD COLUMN alarms INTEGER NOT NULL DEFAULT 0;
