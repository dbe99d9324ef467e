"""The schema of each engine, as numbered steps that are only ever added to."""
