"""The consumer: slots that run handlers, and the reports of what ended."""
