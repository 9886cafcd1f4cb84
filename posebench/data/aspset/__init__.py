"""The dataset ``aspset``: ASPset-510, free (CC0) and outdoors, with real cameras; its download, and a writer of the same layout.

Imports ``base``, ``metrics`` and the rest of ``data``.
Start with ``dataset.py``.
"""
