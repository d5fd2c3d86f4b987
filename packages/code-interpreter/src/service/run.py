"""Runs the code-interpreter service."""

from code_interpreter.main import main

main()
