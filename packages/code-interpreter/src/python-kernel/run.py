"""Runs the Python kernel. Cells import from their working directory, not from this one."""

import sys

from wrenn_kernel.app import InterpreterApp

del sys.path[0]
InterpreterApp.launch_instance()
