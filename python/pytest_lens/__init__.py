"""pytest-lens for Python: the engine as a library, its command line, and a pytest plugin."""
