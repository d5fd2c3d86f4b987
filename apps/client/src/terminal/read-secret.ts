import { ClientError } from "../errors/client-error.ts";

/** Longest secret that is read. */
const LIMIT = 8192;
const ENTER = new Set(["\r", "\n"]);
const ERASE = new Set(["\u007f", "\b"]);
const INTERRUPT = "\u0003";

/**
 * A secret from standard input: all of it where that is a pipe or file, or a line that is not shown on a terminal.
 *
 * @throws the signal's reason; ClientError `interrupted` for Ctrl-C.
 */
export async function readSecret(
  stdin: NodeJS.ReadStream,
  stderr: NodeJS.WriteStream,
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  if (!stdin.isTTY) {
    let text = "";
    for await (const chunk of stdin.setEncoding("utf8")) {
      signal.throwIfAborted();
      text += chunk as string;
      if (text.length > LIMIT)
        throw new ClientError(
          "usage",
          "secret_too_long",
          "standard input is no API key",
          "Pipe in the key alone.",
        );
    }
    return text.trim();
  }
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8").resume();
  try {
    return await new Promise<string>((resolve, reject) => {
      let secret = "";
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      stdin.on("data", (text: string) => {
        for (const character of text) {
          if (ENTER.has(character)) resolve(secret.trim());
          else if (character === INTERRUPT)
            reject(new ClientError("interrupted", "interrupted", "interrupted", "Run `wrenn login` again."));
          else if (ERASE.has(character)) secret = secret.slice(0, -1);
          else secret += character;
        }
      });
    });
  } finally {
    stdin.removeAllListeners("data");
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
