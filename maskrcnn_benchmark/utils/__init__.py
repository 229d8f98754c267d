"""
Helpers that know nothing of scene graphs: files, logs, seeds, processes, checkpoints. Imports nothing of the rest of
the package.
"""
