"""What a collection found: nodes, and the errors of files that could not be collected."""
