"""Records what each test depends on, for the selection of tests after a change."""
