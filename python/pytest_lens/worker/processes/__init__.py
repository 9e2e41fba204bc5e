"""Processes and forks: process trees, fork safety, the state that a fork renews, its exit."""
