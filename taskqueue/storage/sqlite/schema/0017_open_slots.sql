-- Of a schedule's open slots, those whose tasks had not ended apart from those that wait: a slot is
-- decided by the few that run, beside as many as may wait.
DROP INDEX open_slots;
CREATE INDEX running_slots ON schedule_slots (schedule, at, task_id)
    WHERE is_open AND outcome = 'fired';
CREATE INDEX waiting_slots ON schedule_slots (schedule, at) WHERE is_open AND outcome = 'waiting';
