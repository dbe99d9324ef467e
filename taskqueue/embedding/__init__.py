"""The service beside a web application: started, supervised and stopped with it.

lifespan ──▶ keeper ──▶ child ──exec──▶ child_main     the service, in a process of its own
               │    └─▶ in_process                     the service, on the application's loop
               └─ meeting                              of several processes, one runs the service
"""
