"""The part of pytest-lens that runs inside the user's interpreter.

It uses the standard library and pytest only: nothing is installed into the user's environment. The
engine carries these files inside its binary and starts them with ``python -c``; each process has
a connection of its own to the engine (see :mod:`.wire`).
"""
