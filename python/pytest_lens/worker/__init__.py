"""The part of pytest-lens that runs inside the user's interpreter.

Standard library and pytest alone: nothing is installed into the user's environment. The engine
carries these files inside its binary and starts them with ``python -c``; from then on the two
talk over a socket (see :mod:`.wire`), one connection for each process.
"""
