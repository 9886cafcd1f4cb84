"""What everything else stands on: errors, strict files, joints by name, cameras, and readers of other people's files.

Imports nothing of posebench. numpy only; h5py where an HDF5 file is read.
Start with ``skeletons.py`` (joints) and ``cameras.py`` (frames of reference).
"""
