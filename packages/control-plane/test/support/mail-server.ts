import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createInterface } from "node:readline";

/** A mail as a mail server got it. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: string;
  readonly data: string;
}

type Command = "EHLO" | "AUTH" | "MAIL" | "RCPT" | "DATA" | "END";

/** A mail server that speaks as much of RFC 5321 as sending needs, and answers as a test says. */
export class MailServer implements AsyncDisposable {
  readonly received: ReceivedMail[] = [];
  /** Decoded PLAIN credentials. */
  readonly logins: string[] = [];
  /** Answers other than the good ones. `END` is the one to the mail itself. */
  readonly answers = new Map<Command, string>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  /** Listens, after a stop at the same port. */
  async start(): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      void this.#talk(socket).catch(() => undefined);
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #talk(socket: Socket): Promise<void> {
    const say = (command: Command, good: string): string => {
      const answer = this.answers.get(command) ?? good;
      socket.write(`${answer}\r\n`);
      return answer;
    };
    socket.write("220 test\r\n");
    let from = "";
    let to = "";
    let data: string[] | undefined;
    for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
      if (data) {
        if (line !== ".") data.push(line.replace(/^\./, ""));
        else {
          if (say("END", "250 taken").startsWith("250"))
            this.received.push({ from, to, data: data.join("\n") });
          data = undefined;
        }
      } else if (/^EHLO /i.test(line)) say("EHLO", "250-test\r\n250 AUTH PLAIN");
      else if (/^AUTH PLAIN /i.test(line)) {
        this.logins.push(Buffer.from(line.slice(11), "base64").toString());
        say("AUTH", "235 welcome");
      } else if (/^MAIL FROM:/i.test(line)) {
        from = addressIn(line);
        say("MAIL", "250 ok");
      } else if (/^RCPT TO:/i.test(line)) {
        to = addressIn(line);
        say("RCPT", "250 ok");
      } else if (/^DATA$/i.test(line)) {
        if (say("DATA", "354 go on").startsWith("354")) data = [];
      } else if (/^QUIT$/i.test(line)) socket.end("221 bye\r\n");
      else socket.write("502 unknown\r\n");
    }
  }
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? "";
}
