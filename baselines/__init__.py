"""Reference baselines, one folder a method."""
