"""The runner: fetches the data of an app as tables, for a run or while it serves. A program and an image of its own.

It knows nothing of Kubernetes and has no rights there. What it is told is in files, and so is what it gives; what it
has to say is in its termination message. See docs/tables.md.
"""
