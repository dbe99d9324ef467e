"""What the verbs do: one module for each part, as coroutines over a transaction or a connection."""
