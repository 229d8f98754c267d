"""The quality benchmark of `make ablation`: which models are compared, how they are trained, what came out."""
