"""The process that holds one engine for every editor, and how it is reached.

`endpoint`, `lock`, `hello` and `dial` load no library: the attached `midfill serve`
imports them. The rest runs in the daemon and in its commands.
"""
