"""Values that user code made: rendered, inspected and converted without trusting their methods."""
