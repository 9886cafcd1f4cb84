"""What was measured for the recipe."""
