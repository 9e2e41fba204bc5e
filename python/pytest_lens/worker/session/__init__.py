"""One pytest session: its command line, our plugin, its start and its end."""
