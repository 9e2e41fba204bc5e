"""What a session reads and depends on: files, folders, installed packages, variables."""
