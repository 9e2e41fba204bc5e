"""One pytest session in this process: its command line, our plugin, its start and its end."""
