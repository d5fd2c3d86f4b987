import { InvalidArgumentError } from "commander";
import { duration } from "../options/parse.ts";
import { forwardedPort, port } from "../options/port.ts";
import type { ForwardedPort } from "../options/port.ts";
import type { ForwardOptions } from "../verbs/port-forward.ts";
import type { OpenOptions, PortListOptions, SignOptions, UnsignOptions } from "../verbs/port.ts";
import { act, CAPSULE, dataCommand } from "./define.ts";
import type { Program } from "./define.ts";

/** Commands about ports of capsules. */
export function definePorts(program: Program): void {
  const ports = program.root.command("port").description("ports of capsules: who may use them, and how");

  const ls = dataCommand(ports, "ls", "list what listens in a capsule, and ports whose access was set")
    .argument("<capsule>", CAPSULE)
    .option("--links", "list the signed links that work instead");
  act<[string, PortListOptions]>(program, ls, async (...all) =>
    (await import("../verbs/port.ts")).list(...all),
  );

  const set = dataCommand(
    ports,
    "set",
    "set who may use a port: public is everyone, private your team and signed links",
  )
    .argument("<capsule>", CAPSULE)
    .argument("<port>", "port in the capsule", port)
    .argument("<access>", "public or private", access);
  act<[string, number, "public" | "private"]>(program, set, async (...all) =>
    (await import("../verbs/port.ts")).set(...all),
  );

  const sign = dataCommand(ports, "sign", "print a new link to a port that works for everyone who has it")
    .argument("<capsule>", CAPSULE)
    .argument("<port>", "port in the capsule", port)
    .option("--ttl <duration>", "how long it works, up to 30d (default: 1h)", duration)
    .option("--path <path>", "path and query, beginning with a slash", "/");
  act<[string, number, SignOptions]>(program, sign, async (...all) =>
    (await import("../verbs/port.ts")).sign(...all),
  );

  const unsign = dataCommand(ports, "unsign", "revoke signed links, with the connections that they opened")
    .argument("<capsule>", CAPSULE)
    .argument("[link...]", "ids of links, see port ls --links")
    .option("--port <port>", "all links to this port", port)
    .option("--all", "all links to the capsule");
  act<[string, readonly string[], UnsignOptions]>(program, unsign, async (...all) =>
    (await import("../verbs/port.ts")).unsign(...all),
  );

  const forward = dataCommand(ports, "forward", "lead local ports to ports of a capsule, until interrupted")
    .argument("<capsule>", CAPSULE)
    .argument("<port...>", "PORT, or LOCAL:PORT; a local port of 0 is a free one", forwardedPorts)
    .option("--address <address>", "local address to listen on", "127.0.0.1");
  act<[string, readonly ForwardedPort[], ForwardOptions]>(program, forward, async (...all) =>
    (await import("../verbs/port-forward.ts")).forward(...all),
  );

  const open = dataCommand(
    ports,
    "open",
    "open a port in the browser; a private one by a link that works for an hour",
  )
    .argument("<capsule>", CAPSULE)
    .argument("<port>", "port in the capsule", port)
    .option("--path <path>", "path and query, beginning with a slash", "/")
    .option("--no-browser", "print the address only");
  act<[string, number, OpenOptions]>(program, open, async (...all) =>
    (await import("../verbs/port.ts")).open(...all),
  );
}

function forwardedPorts(text: string, all: readonly ForwardedPort[] | undefined): readonly ForwardedPort[] {
  return [...(all ?? []), forwardedPort(text)];
}

function access(text: string): "public" | "private" {
  if (text !== "public" && text !== "private") throw new InvalidArgumentError("public or private is needed.");
  return text;
}
