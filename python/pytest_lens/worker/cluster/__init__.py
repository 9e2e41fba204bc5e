"""Tests on the nodes of a Ray cluster: the driver at home, and the actors on the nodes."""
