"""Runs a command on a terminal of its own, driven by JSON lines on standard input; see pty-session.ts."""
import base64, fcntl, json, os, pty, select, signal, struct, sys, termios

cols, rows, *argv = sys.argv[1:]
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(cols), 0, 0))
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(argv[0], argv)


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def is_sane():
    flags = termios.tcgetattr(slave)[3]
    return bool(flags & termios.ECHO and flags & termios.ICANON and flags & termios.ISIG)


say(pid=pid)
pending = b""
code = None
while True:
    ready, _, _ = select.select([master, 0], [], [], 0.05)
    if master in ready:
        say(output=base64.b64encode(os.read(master, 65536)).decode())
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            break
        *lines, pending = (pending + data).split(b"\n")
        for message in map(json.loads, lines):
            if "type" in message:
                os.write(master, base64.b64decode(message["type"]))
            if "size" in message:
                c, r = message["size"]
                fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", r, c, 0, 0))
                os.kill(pid, signal.SIGWINCH)
            if "signal" in message:
                os.kill(pid, message["signal"])
    if code is None:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
    if code is not None and master not in ready:
        say(exit=code, sane=is_sane())
        break
if code is None:
    os.kill(pid, signal.SIGKILL)
