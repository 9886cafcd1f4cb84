"""Reference baselines, one folder a method; none has landed yet."""
