"""Common ground: errors, strict reading of tables, joints by name, cameras, and readers of files from outside.

Imports nothing of posebench. numpy only; h5py where an HDF5 file is read.
Start with ``skeletons.py`` (joints) and ``cameras.py`` (frames of reference).
"""
