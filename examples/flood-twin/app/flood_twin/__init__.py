"""A rainfall-runoff twin: what the rain of the past days does to the stream that drains a part of the city.

Three subcommands, one container each: ``calibrate``, ``validate`` and ``serve`` (see ``__main__``). The files and
environment variables between this app and the platform that runs it are in ``contract`` and nowhere else.
"""
