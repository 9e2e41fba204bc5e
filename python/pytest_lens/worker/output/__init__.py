"""What running tests leaves besides verdicts: captured output, warnings, coverage."""
