"""The HTTP server below the routes: accepting connections, and bounding what each may cost."""
