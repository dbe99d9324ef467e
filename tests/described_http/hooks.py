"""What schemathesis loads beside its configuration: limits on what a request may cost."""

from typing import Any

import schemathesis

MOST_CONSUMERS = 4  # each is a thread


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Ask for a few consumers only, where the number is allowed."""
    is_resize = context.operation.path == "/supervision/consumers"
    if is_resize and isinstance(body, dict) and body.get("count") in range(1025):
        return {**body, "count": min(body["count"], MOST_CONSUMERS)}
    return body
