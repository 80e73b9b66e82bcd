"""``vcdb serve``: a web page, an API, and trace.moe's API, all from one base. Needs extra server.

Closed unless opened: nothing here writes without a token, reads a path or address from a request,
or decodes a stranger's file in a process that it could hurt.
"""
