"""From protocol, data and predictions to a result.

Imports ``base``, ``metrics``, ``data`` and ``predictions``.
Start with ``evaluate.py``: one pass over the clips.
"""
