"""`taskqueue doctor`: finds what keeps a service from starting, or from keeping its promises.

`diagnosis` is the order of the checks; `configuration`, `handlers` and `door` gather what they
look at, beside `storage.databases.examined`; `file` has the rules, pure; `findings` what they say.
"""
