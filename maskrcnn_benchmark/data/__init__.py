"""Data sets and their way to the network: files, statistics, transforms, samplers, loaders."""
