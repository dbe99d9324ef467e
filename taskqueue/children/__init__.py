"""Child processes: one way to start them, to talk to them, and to notice their end.

    launch ──exec──▶ child                    `launch` starts it, and waits for its end
    Pipe ──frames, descriptors──▶ BlockingPipe

`pipe` is the parent's end, on its event loop; `blocking_pipe` the child's, which has nothing else
to do. Both send `frames`; what is in a frame is each user's own: `messages` (MessagePack), or
functions (`storage.sqlite.connections.pickling`). `kernel` is what the system is asked for.

The child inherits one descriptor, its end of the pipe, and ends when the other end is closed. No
process that is forked meanwhile keeps an end open: see `process.forks`.
"""
