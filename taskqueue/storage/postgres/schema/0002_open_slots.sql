-- Of a schedule's open slots, those whose tasks had not ended apart from those that wait: a slot is
-- decided by the few that run, beside as many as may wait. `open_slots` goes in the next step: nodes
-- of the release before work with it meanwhile.
CREATE INDEX running_slots ON taskqueue.schedule_slots (schedule, at)
    WHERE is_open AND outcome = 'fired';
CREATE INDEX waiting_slots ON taskqueue.schedule_slots (schedule, at)
    WHERE is_open AND outcome = 'waiting';
