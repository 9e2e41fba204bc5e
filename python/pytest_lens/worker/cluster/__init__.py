"""Tests on the nodes of a Ray cluster: the driver next to the engine, and the actors on the nodes."""
