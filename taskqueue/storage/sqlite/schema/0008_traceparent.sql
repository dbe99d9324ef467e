-- Of which trace a task is part: the `traceparent` of W3C Trace Context.
ALTER TABLE tasks ADD COLUMN traceparent TEXT;
