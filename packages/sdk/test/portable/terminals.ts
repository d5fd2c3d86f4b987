import { check, equal } from "./check.ts";
import type { PortableContext, Scenario } from "./scenario.ts";

const ptyOf = async ({ sdk, connection, capsuleId }: PortableContext) =>
  (await sdk.Capsule.get(capsuleId, connection)).pty;

/** Reads until the text has what is awaited. */
async function readUntil(readable: ReadableStream<Uint8Array>, awaited: string): Promise<string> {
  const reader = readable.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (!text.includes(awaited)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the terminal ended after ${JSON.stringify(text)}`);
      text += decoder.decode(value, { stream: true });
    }
    return text;
  } finally {
    reader.releaseLock();
  }
}

export const terminalScenarios: readonly Scenario[] = [
  {
    name: "a terminal echoes what is typed, has its size and ends with its exit",
    run: async (context) => {
      const pty = await ptyOf(context);
      const terminal = await pty.start({ cmd: "sh", cols: 91, rows: 17, envs: { PS1: "$ " } });
      const writer = terminal.writable.getWriter();
      await writer.write("stty size; echo gr\u00fc\u00dfe\n");
      const text = await readUntil(terminal.readable, "\ngrüße");
      check(text.includes("17 91"), text);
      terminal.resize(50, 20);
      await writer.write("stty size\n");
      await readUntil(terminal.readable, "20 50");
      await writer.write("exit 3\n");
      equal((await terminal.exited).exitCode, 3);
    },
  },
  {
    name: "a terminal is left and connected to again",
    run: async (context) => {
      const pty = await ptyOf(context);
      const terminal = await pty.start({ cmd: "sh", envs: { PS1: "$ " } });
      const writer = terminal.writable.getWriter();
      await writer.write("word=kept\n");
      await readUntil(terminal.readable, "word=kept");
      writer.releaseLock();
      await terminal.detach();
      const again = await pty.connect(terminal.tag);
      const other = again.writable.getWriter();
      await other.write("echo $word-$word\n");
      await readUntil(again.readable, "kept-kept");
      await again.kill();
      await again.exited;
    },
  },
];
