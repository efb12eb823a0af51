"""Learning: the fit loop, callbacks, and many fits at a time."""
