"""One HTML file that shows results: page, charts, style sheet, scripts, and the skeletons that it draws.

Imports ``base``, ``metrics``, ``data``, ``predictions``, ``scoring`` and the rest of ``display``.
Start with ``page.py``: what a page consists of; ``elements.py`` is the only place that makes markup from text.
"""
