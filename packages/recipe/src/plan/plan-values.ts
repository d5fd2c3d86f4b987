import { quote, refuse } from "../syntax/refusal.ts";
import type { Written } from "../syntax/written.ts";

const OWNER = /^(?:[A-Za-z_][A-Za-z0-9_.-]{0,31}|\d{1,10})(?::(?:[A-Za-z_][A-Za-z0-9_.-]{0,31}|\d{1,10}))?$/;
const MODE = /^[0-7]{3,4}$/;
const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i;
const MAX_PORTS = 1000;
/** Who reads a name that is none says where it is wrong. */
const BASE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/;
const SIGNALS: ReadonlySet<string> = new Set(
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  ),
);

/** An absolute path without `.`, `..`, doubled slashes and one at its end. */
export function resolveGuestPath(cwd: string, path: string): string {
  const parts: string[] = [];
  for (const part of `${path.startsWith("/") ? "" : cwd}/${path}`.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** A path in the context without `.`, `..` and a slash at its begin; empty for the context itself. */
export function requireContextPath(written: Written, path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined)
      refuse(
        written,
        `${quote(path)} is outside the context`,
        "Sources are relative to the context, and stay inside of it. Build with a directory further up.",
      );
  }
  return parts.join("/");
}

/** Name or id of a user, with a group or without. */
export function requireOwner(written: Written, value: string): string {
  if (!OWNER.test(value))
    refuse(
      written,
      `${quote(value)} is not a user`,
      "Write a name or an id, with :group after it where one is meant. A variable that is not set is empty.",
    );
  return value;
}

/** The value of `--chmod`. */
export function requireMode(written: Written, value: string): number {
  if (!MODE.test(value))
    refuse(
      written,
      `${quote(value)} is not an octal mode`,
      "Write three or four octal digits, as in --chmod=755.",
    );
  return Number.parseInt(value, 8);
}

/** The words of EXPOSE as `8080/tcp`, added to those that were exposed before. */
export function requirePorts(
  exposed: readonly string[],
  ports: readonly { readonly written: Written; readonly value: string }[],
): readonly string[] {
  const found = new Set(exposed);
  for (const { written, value } of ports)
    for (const word of value.split(/\s+/).filter((one) => one !== "")) {
      const [, first = "", last = first, protocol = "tcp"] = PORT.exec(word) ?? [];
      const [from, to] = [Number(first), Number(last)];
      if (first === "" || from < 1 || to > 65_535 || to < from)
        refuse(written, `${quote(word)} is not a port`, "Write ports as 8080, 53/udp or 8000-8010.");
      if (found.size + to - from >= MAX_PORTS)
        refuse(written, `more than ${MAX_PORTS} ports`, "Name the ports that programs listen on.");
      for (let port = from; port <= to; port += 1) found.add(`${port}/${protocol.toLowerCase()}`);
    }
  return [...found].sort(
    (one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10) || (one < other ? -1 : 1),
  );
}

/** `SIGTERM`, or a number from 1 to 64. */
export function requireSignal(written: Written, value: string): string {
  if (/^\d{1,2}$/.test(value) && Number(value) >= 1 && Number(value) <= 64) return String(Number(value));
  const name = value.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RTM(?:IN(?:\+(?:\d|1[0-5]))?|AX(?:-(?:\d|1[0-4]))?)$/.test(name);
  if (!realtime && !SIGNALS.has(name))
    refuse(
      written,
      `${quote(value)} is not a signal`,
      "Write a name such as SIGTERM, or a number from 1 to 64.",
    );
  return `SIG${name}`;
}

/** What FROM names: a template, or an image of a registry. */
export function requireBase(written: Written, value: string): string {
  if (value === "scratch")
    refuse(
      written,
      "FROM scratch is not supported in recipes",
      "Start from a template, such as FROM minimal.",
    );
  if (!BASE.test(value))
    refuse(
      written,
      `${quote(value)} names neither a template nor an image`,
      "Write FROM name:tag, or FROM registry/repository:tag.",
    );
  return value;
}
