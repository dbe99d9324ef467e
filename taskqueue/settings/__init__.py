"""What the operator decides, read from four sources.

    defaults  <  taskqueue.toml  <  TASKQUEUE_… variables  <  flags

    port             port = 8080        TASKQUEUE_PORT            --port
    retry.max_s      [retry] max_s      TASKQUEUE_RETRY__MAX_S    --retry-max-s

`Settings` lists the settings, and each engine of `storage.databases` its own; keys, variables and
flags are all derived from these, in `OPTIONS`. `load` reports every fault of every source at once.
"""

from taskqueue.settings.in_force import SettingInForce, in_force
from taskqueue.settings.loading import checked, load
from taskqueue.settings.model import LogFormat, LogLevel, Settings
from taskqueue.settings.options import OPTIONS, Option

__all__ = [
    "OPTIONS",
    "LogFormat",
    "LogLevel",
    "Option",
    "SettingInForce",
    "Settings",
    "checked",
    "in_force",
    "load",
]
