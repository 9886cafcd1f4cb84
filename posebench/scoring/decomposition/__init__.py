"""Where the error of a prediction file comes from: ladder of fixes, exact shares of the squared error, oracles, slices.

Imports the rest of ``scoring`` and what that may import.
Start with ``record.py`` (what is found) and ``diagnosis.py`` (how a file is diagnosed).
"""
