"""For tests, users' and our own: the engine on a virtual clock, and faults on command.

engine, clock       an app's tasks, run by the real engine without waiting
fixtures, events    pytest's, and the log to wait on
faults, storage     actors and storages that fail on command
process             the service as a process of its own
claims              a claimed task, to call a handler by hand
contract            what every storage must pass
actors              actors that only crash
"""
