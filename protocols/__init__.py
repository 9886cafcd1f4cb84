"""Protocol files; posebench reads them through importlib.resources."""
