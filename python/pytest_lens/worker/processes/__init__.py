"""Processes and forks: the process tree, fork safety, what a fork renews, how it ends."""
