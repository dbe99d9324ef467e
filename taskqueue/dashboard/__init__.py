"""The page at `/`: the tree, the queues and the tasks, read from the public API.

`static/` holds it as the browser gets it: ES modules without a build, and the few files of others
that `static/vendor/vendored.toml` lists.
"""
