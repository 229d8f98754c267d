"""
The quality benchmark of `make ablation`: which models are compared, how they are trained, and the page that says what
came out.
"""
