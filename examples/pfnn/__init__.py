"""What the PFNN examples share: the released network, its inputs and outputs, and the character in its world."""
