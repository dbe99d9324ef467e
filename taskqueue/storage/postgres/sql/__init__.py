"""The SQL of the engine. Tables are named with their schema: no search path is relied upon."""
