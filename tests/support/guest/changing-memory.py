"""Holds 24 MiB of memory and changes some of it when asked; says what all of it is.

`python3 changing-memory.py SEED`: SIGUSR1 changes pages, SIGUSR2 changes nothing; both write the count of the signals and the
digest of the memory to /dev/shm/digest.
"""
import hashlib, os, random, signal, sys

memory = bytearray(24 << 20)
numbers = random.Random(int(sys.argv[1]))
signals = 0


def change():
    for _ in range(400):
        page = numbers.randrange(len(memory) // 4096) * 4096
        # Pages of zeros too: they are saved in another way.
        memory[page:page + 4096] = bytes(4096) if numbers.random() < 0.2 else numbers.randbytes(4096)


def tell():
    global signals
    signals += 1
    with open("/dev/shm/digest.new", "w") as file:
        file.write(f"{signals} {hashlib.sha256(memory).hexdigest()}")
    os.rename("/dev/shm/digest.new", "/dev/shm/digest")


waited = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, waited)
change()
tell()
while True:
    if signal.sigwait(waited) == signal.SIGUSR1:
        change()
    tell()
