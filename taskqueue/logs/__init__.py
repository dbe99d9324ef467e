"""The log: the pipeline of events, and how a line is written."""
