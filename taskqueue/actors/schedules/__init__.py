"""The schedules: an actor that fires their slots."""
