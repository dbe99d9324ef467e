"""The SQL texts, and rows as the structs of `rules.tasks`."""
