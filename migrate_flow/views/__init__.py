"""Reports become documents: the promised JSON values, and the same in blocks for people."""
