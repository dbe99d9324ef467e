-- The slots that wait are counted before each slot of a schedule whose runs queue up. With all that
-- the condition names in the index, SQLite counts there, and looks up no slot.
DROP INDEX waiting_slots;
CREATE INDEX waiting_slots ON schedule_slots (schedule, at, is_open, outcome)
    WHERE is_open AND outcome = 'waiting';
