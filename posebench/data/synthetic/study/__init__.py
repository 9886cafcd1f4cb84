"""Commands that measure the statistics of ``synthetic`` on ``cmu``, and how real the generated motion is.

Imports ``base``, ``metrics`` and the rest of ``data``. Nothing else imports this folder.
Start with ``table.py``; each module is a command (``python -m``).
"""
