import { createSocket } from "node:dgram";
import { once } from "node:events";
import { decode, encode } from "dns-packet";

/** A DNS server on 127.0.0.1 that knows these names (`*.` for everything below one), for A records of 60 seconds. */
export async function startDnsStub(
  names: Readonly<Record<string, readonly string[]>>,
): Promise<{ readonly address: string; readonly asked: readonly string[] } & AsyncDisposable> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (bytes, from) => {
    const query = decode(bytes);
    const [question] = query.questions ?? [];
    if (!question) return;
    asked.push(question.name);
    const found = names[question.name] ?? names[question.name.replace(/^[^.]+/, "*")];
    const answers = question.type === "A" ? (found ?? []) : [];
    socket.send(
      encode({
        type: "response",
        id: query.id ?? 0,
        flags: found ? 0 : 3,
        questions: [question],
        answers: answers.map((data) => ({ type: "A" as const, name: question.name, ttl: 60, data })),
      }),
      from.port,
      from.address,
    );
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
