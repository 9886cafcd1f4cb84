"""What people look at: tables as text, skeletons drawn.

Imports everything above it: ``base`` to ``training``.
Start with ``text.py``.
"""
