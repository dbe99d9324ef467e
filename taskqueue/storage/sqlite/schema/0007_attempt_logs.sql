-- What an attempt has logged, as JSON; NULL if nothing. The completing attempt has no line in
-- `attempts`: the row of its task has its log.
ALTER TABLE attempts ADD COLUMN log TEXT;
ALTER TABLE tasks ADD COLUMN log TEXT;

-- A task may have thousands of attempts without a log.
CREATE INDEX logs_of ON attempts (task) WHERE log IS NOT NULL;
