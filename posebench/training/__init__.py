"""The training room: what a baseline is given, the one loop that trains it, and the folder that a run leaves."""
