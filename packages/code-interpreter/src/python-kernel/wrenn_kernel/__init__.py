"""An IPython kernel for the code-interpreter service."""
