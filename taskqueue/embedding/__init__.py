"""The service beside a web application: started, supervised and stopped with it.

lifespan ──▶ shared_service ──▶ child ──exec──▶ child_main   the service, in a child process
                 │         └─▶ in_process                    on the application's loop
                 └─ service_file                             where one of several processes has it
"""
