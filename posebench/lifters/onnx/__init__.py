"""ONNX files as lifters, and trained lifters as ONNX files.

Imports the rest of ``lifters``, and the folders above it.
Start with ``model.py``; ``card.py`` is the TOML beside the file.
"""
