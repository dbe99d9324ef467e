"""Stands in the way of rich, which a service is installed without.

schemathesis brings it along, and structlog imports it where it finds it: 100 ms of processor time
in each of a thousand processes, and 40 ms for each traceback.
"""

raise ImportError("tests/without keeps rich from being imported")
