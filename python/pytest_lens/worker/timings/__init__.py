"""Where the time of a session goes, measured only if the engine asks for it."""
