-- The latest edits of a task, oldest first, as JSON. Few tasks have any.
ALTER TABLE tasks ADD COLUMN edits TEXT;
