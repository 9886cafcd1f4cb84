"""From a recipe to a run folder: data, teacher, the training loop, checkpoints, predictions and the result.

Imports everything above it: ``base`` to ``lifters``.
Start with ``run.py``; the loop is ``loop.py``.
"""
