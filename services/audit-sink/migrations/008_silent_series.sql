-- The newest record of a series, {"topic", "partition", "offset", "timestampMs"}; null: not followed since before.
-- A process whose records stay away for a day has ended, also if none of its name follows; see emitters.ts.
alter table audit_emitters add column last_record jsonb;
