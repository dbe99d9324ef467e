"""Handlers in processes of their own, which can be killed.

    service ── ProcessExecutor ── ForkServer ──control──▶ fork server    imports the app, once
                     │                                        │ fork
                     └──────── Worker ─────────pipe──────▶ worker        runs one handler at a time

`pool` `server` `worker` are what runs in the service, with `conversation` and `wire`; `forkserver`
and `child` what runs in the others; `messages` and `frames` are what they say to each other,
`kernel` what they ask of the system.
"""
