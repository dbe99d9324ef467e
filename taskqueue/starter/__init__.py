"""The files of a new project, as `taskqueue init` writes them."""
