"""The schema, as numbered steps that are only ever added to."""
