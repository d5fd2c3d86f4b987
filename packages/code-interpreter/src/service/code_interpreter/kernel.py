"""What kernels of all languages have in common."""


class KernelDied(Exception):
    """The kernel has ended; its state is lost. The text says how."""


class Cell:
    """
    What one execution runs.

    `environment` is the capsule's: it stays set. `variables` are those of this execution: they are reset afterwards.
    """

    def __init__(self, code, language, environment, variables):
        self.code = code
        self.language = language
        self.environment = environment
        self.variables = variables


class Kernel:
    """
    A process that runs cells one at a time and keeps their state.

    `interruption_sec`: seconds after which a cell that ignores interrupts costs the kernel; None where it may go on.
    """

    interruption_sec = None

    async def start(self, cwd, environment):
        """Returns when the kernel takes cells. Raises KernelDied."""
        raise NotImplementedError

    async def execute(self, cell, emit):
        """Runs a cell and passes each line to `emit`, which may wait. Raises KernelDied."""
        raise NotImplementedError

    def interrupt(self):
        """Asks the running cell to end."""
        raise NotImplementedError

    async def close(self):
        """Ends the kernel and everything in its process group."""
        raise NotImplementedError
