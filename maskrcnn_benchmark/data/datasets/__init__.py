"""Readers of data set formats, one file each; all of them are SceneGraphDataset."""
