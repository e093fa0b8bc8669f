"""What the product knows without looking at the world: standard library only, no I/O, no clock."""
