"""The results of a collection as messages: nodes, and the errors of files that failed."""
