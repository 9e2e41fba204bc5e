"""Whether a collection may be forked for several runs: its effects outside of this process."""
