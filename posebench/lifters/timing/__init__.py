"""How fast a lifter is: calls timed in turn, what its poses depend on, the memory it takes."""
