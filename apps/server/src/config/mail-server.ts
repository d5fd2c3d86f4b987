import type { SmtpServer } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";

const SUBMISSION_PORT = 587;
const SUBMISSIONS_PORT = 465;
const FROM = /^(?:([^<>"\p{Cc}]{1,100}?) *<([^<>\s@]+@[^<>\s@]+)>|([^<>\s@]+@[^<>\s@]+))$/u;
const here = new Set(["127.0.0.1", "[::1]", "localhost"]);

/**
 * The mail server of `WRENN_SMTP_URL` and the sender of `WRENN_MAIL_FROM`; undefined without both. Errors do not show the URL: it
 * holds a password.
 *
 * @throws WrennError `invalid_field` when one is missing or does not parse.
 */
export function readMailServer(env: Readonly<Record<string, string | undefined>>): SmtpServer | undefined {
  const url = env["WRENN_SMTP_URL"]?.trim() ?? "";
  const from = env["WRENN_MAIL_FROM"]?.trim() ?? "";
  if (url === "" && from === "") return undefined;
  if (url === "") throw invalid("WRENN_SMTP_URL", "must be set as well");
  if (from === "") throw invalid("WRENN_MAIL_FROM", "must be set as well");
  return { ...serverOf(url), from: senderOf(from) };
}

function serverOf(text: string): Omit<SmtpServer, "from"> {
  const url = URL.parse(text);
  const starttls = url?.searchParams.get("starttls") ?? "required";
  const others = [...(url?.searchParams.keys() ?? [])].filter((name) => name !== "starttls");
  const isFine =
    url &&
    ["smtp:", "smtps:"].includes(url.protocol) &&
    url.hostname !== "" &&
    ["", "/"].includes(url.pathname) &&
    url.hash === "" &&
    others.length === 0 &&
    ["required", "optional"].includes(starttls) &&
    (url.username === "") === (url.password === "");
  if (!isFine)
    throw invalid(
      "WRENN_SMTP_URL",
      "must be smtp:// or smtps://, perhaps USER:PASSWORD@, a host, perhaps :PORT, and perhaps ?starttls=optional",
    );
  const implicitTls = url.protocol === "smtps:";
  const login = { user: decoded(url.username), password: decoded(url.password) };
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (implicitTls ? SUBMISSIONS_PORT : SUBMISSION_PORT) : Number(url.port),
    implicitTls,
    // On this machine nobody listens in between.
    requireTls: !implicitTls && starttls === "required" && !here.has(url.hostname),
    ...(login.user === "" ? {} : { login }),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(
      "WRENN_SMTP_URL",
      "has a % in its user or password that is not part of an escape; write %25",
    );
  }
}

function senderOf(text: string): SmtpServer["from"] {
  const [, name = "", named, bare] = FROM.exec(text) ?? [];
  const address = named ?? bare;
  if (address === undefined)
    throw invalid("WRENN_MAIL_FROM", "must be an email address, or a name and an address in <>");
  return { name, address };
}

function invalid(field: string, problem: string): WrennError {
  return new WrennError("invalid_field", { field, problem });
}
