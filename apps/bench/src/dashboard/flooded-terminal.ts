/** What `yes` prints. */
export const FLOOD_LINE = "much-output-of-a-program";
/** What the terminal shows at the end of the program. */
export const END_OF_FLOOD = "yes-wrote-";

/**
 * A program for the terminal of a capsule: `yes` floods the screen, and each key that is pressed meanwhile is answered in the last row,
 * which does not scroll, as `apt` shows its progress. Ctrl-C ends it, and it prints how much `yes` wrote.
 */
const PROGRAM = `
import os, subprocess, termios, tty
rows = os.get_terminal_size().lines
modes = termios.tcgetattr(0)
tty.setcbreak(0)
def say(text): os.write(1, text.encode())
say(f"\\x1b[1;{rows - 1}r\\x1b[1;1H")
# Ctrl-C must not end it before what it wrote is known.
yes = subprocess.Popen(["yes", "${FLOOD_LINE}"], start_new_session=True)
keys = 0
try:
    while True:
        os.read(0, 1)
        keys += 1
        say(f"\\x1b7\\x1b[{rows};1Hkey-{keys}-taken\\x1b8")
except KeyboardInterrupt:
    yes.kill()
    with open(f"/proc/{yes.pid}/io") as io: written = dict(line.split(": ") for line in io.read().splitlines())["wchar"]
    yes.wait()
    # Otherwise the shell takes these modes for those it should have, and echoes nothing.
    termios.tcsetattr(0, termios.TCSANOW, modes)
    say(f"\\x1b[r\\x1b[2J\\x1b[1;1H${END_OF_FLOOD}{written}-bytes\\r\\n")
`;

const PATH = "/root/flooded-terminal.py";

/** Makes the program: what `sh` of a capsule executes. */
export const MAKE_FLOOD = `cat > ${PATH} <<'END'\n${PROGRAM}END\n`;

/** Starts it from a shell. */
export const START_FLOOD = `python3 ${PATH}`;

/** What the last row shows after a number of keys. */
export function answerTo(keys: number): string {
  return `key-${keys}-taken`;
}

/** How much `yes` wrote, in what the terminal shows after the end of the program; undefined before. */
export function floodedBytes(screen: string): number | undefined {
  const written = new RegExp(`${END_OF_FLOOD}(\\d+)-bytes`).exec(screen)?.[1];
  return written === undefined ? undefined : Number(written);
}
