"""Learning: the fit loop, what listens to it, and many of them side by side."""
