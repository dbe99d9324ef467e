"""The client: enqueue, watch and manage tasks of a service from another process.

    Client / AsyncClient     what a program uses; the same words on both
          │ calls.py         one HTTP request per verb, and how its answer is read: pure
          │ retries.py       which failures are tried again, and when: pure
          ▼
    transports               urllib3 for threads, aiohttp for asyncio

A call that may be repeated safely is retried by itself, and that includes every enqueue: each task
carries a unique key, so a second request finds the first task instead of making another one.
"""
