"""When schedules run and what becomes of each of their slots, pure."""
