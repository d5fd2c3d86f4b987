"""Changes a tree at full speed, as the seed has it: argv is the root, a directory outside of it, the seed, how many changes, and the
pause between them in seconds."""

import os
import random
import shutil
import sys
import time

root, outside, seed, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
rng = random.Random(seed)
names = ["a", "b", "c", "d"]


def place():
    return os.path.join(root, *(rng.choice(names) for _ in range(rng.randint(1, 4))))


def change():
    kind = rng.randrange(10)
    path = place()
    if kind < 2:
        os.makedirs(path)
    elif kind == 2:
        os.mkdir(path)
    elif kind < 5:
        with open(path, "a") as file:
            file.write("x")
    elif kind == 5:
        os.unlink(path)
    elif kind == 6:
        shutil.rmtree(path)
    elif kind == 7:
        # Out of the tree, or back into it.
        other = os.path.join(outside, rng.choice(names))
        os.rename(*((path, other) if rng.random() < 0.5 else (other, path)))
    else:
        os.rename(path, place())


for _ in range(count):
    time.sleep(pause)
    try:
        change()
    except OSError:
        pass
