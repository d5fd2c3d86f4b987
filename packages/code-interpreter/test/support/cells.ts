/** What a cell does, as the official client sees it. */
interface ExpectedCell {
  readonly language: "python" | "javascript" | "typescript" | "bash";
  readonly code: string;
  readonly envs?: Readonly<Record<string, string>>;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Text of the main result. */
  readonly text?: string;
  /** Name and value of the error. */
  readonly error?: readonly [string, string];
}

/** Cells in the order in which they run: later ones use the state of those before. */
export const cells: readonly ExpectedCell[] = [
  { language: "python", code: "x = 40\nprint('printed')\nx + 2", stdout: "printed\n", text: "42" },
  { language: "python", code: "import asyncio\nawait asyncio.sleep(0.01)\nx + 3", text: "43" },
  { language: "python", code: "'a string'", text: "a string" },
  { language: "python", code: "import sys; print('to stderr', file=sys.stderr)", stderr: "to stderr\n" },
  { language: "python", code: "!echo from a program", stdout: "from a program\r\n" },
  { language: "python", code: "import os; os.environ['ONCE']", envs: { ONCE: "set" }, text: "set" },
  { language: "python", code: "os.environ.get('ONCE', 'reset')", text: "reset" },
  { language: "python", code: "1 / 0", error: ["ZeroDivisionError", "division by zero"] },
  { language: "python", code: "%pwd", text: "$CWD" },
  {
    language: "javascript",
    code: "const a = 1; console.log('printed'); a + 41",
    stdout: "printed\n",
    text: "42",
  },
  { language: "javascript", code: "const a = 2; ({ a })", text: "{ a: 2 }" },
  {
    language: "javascript",
    code: "import { join } from 'node:path'; import * as os from 'node:os'; await Promise.resolve(join('a', typeof os.cpus))",
    text: "a/function",
  },
  { language: "javascript", code: "process.env.ONCE", envs: { ONCE: "set" }, text: "set" },
  { language: "javascript", code: "String(process.env.ONCE)", text: "undefined" },
  { language: "javascript", code: "throw new RangeError('too far')", error: ["RangeError", "too far"] },
  { language: "javascript", code: "let = =", error: ["SyntaxError", "Unexpected token '='"] },
  {
    language: "typescript",
    code: "enum Size { Small = 7 }\ninterface Shape { readonly size: Size }\nconst shape: Shape = { size: Size.Small }; shape.size + a",
    text: "9",
  },
  {
    language: "bash",
    code: "count=41; echo printed; echo problem >&2",
    stdout: "printed\n",
    stderr: "problem\n",
  },
  { language: "bash", code: "echo $((count + 1))\ncd /usr", stdout: "42\n" },
  { language: "bash", code: "pwd; echo $ONCE", envs: { ONCE: "it's set" }, stdout: "/usr\nit's set\n" },
  { language: "bash", code: 'echo "[$ONCE]"; false', stdout: "[]\n", error: ["ExitStatus", "1"] },
  { language: "bash", code: "true" },
];
