"""Starts the kernel as ipykernel does."""

from ipykernel.kernelapp import IPKernelApp

from .kernel import InterpreterKernel


class InterpreterApp(IPKernelApp):
    # Standard output and error stay pipes of the service, which waits for slow readers.
    outstream_class = ""
    kernel_class = InterpreterKernel

    def init_iopub(self, context):
        # What is published while the service is busy must not be dropped: the end of the cell is among it.
        context.sndhwm = 0
        super().init_iopub(context)

