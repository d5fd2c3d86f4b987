"""The code-interpreter service: runs cells in kernels and streams what they print, show and raise over HTTP."""
