import { withDeadline, WrennError } from "@wrenn/core";
import { MailRefused } from "./mailer.ts";
import type { MailTransport } from "./mailer.ts";

/** Of one attempt; less than it is claimed for. */
const ATTEMPT_MS = 40_000;
const CONNECT_MS = 10_000;
const SILENCE_MS = 20_000;
const MAX_PROBLEM = 200;

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; else `STARTTLS`. */
  readonly implicitTls: boolean;
  /** Nothing is sent in the clear. */
  readonly requireTls: boolean;
  readonly login?: { readonly user: string; readonly password: string };
  readonly from: { readonly name: string; readonly address: string };
}

/** Takes mails to a mail server (RFC 5321), each over a connection of its own: they are few, and none waits for another. */
export function smtpTransport(server: SmtpServer): MailTransport {
  const { host, port, implicitTls, requireTls, login, from } = server;
  const domain = from.address.slice(from.address.lastIndexOf("@") + 1);
  const connection = {
    host,
    port,
    secure: implicitTls,
    requireTLS: requireTls,
    ...(login ? { auth: { user: login.user, pass: login.password } } : {}),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    // Nothing that somebody calls themselves makes it read files or fetch addresses.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  return {
    deliver: async (id, { to, subject, text }, parent) => {
      // Most servers send no mail: the library is loaded for the first one.
      const { createTransport } = await import("nodemailer");
      const transport = createTransport(connection);
      try {
        await withDeadline(
          "the mail server",
          ATTEMPT_MS,
          parent,
          async () =>
            await transport.sendMail({
              from,
              to: { name: "", address: to },
              subject,
              text,
              // The same in every attempt, so that a mail that was taken twice can be told.
              messageId: `<${id}@${domain}>`,
              headers: { "Auto-Submitted": "auto-generated" },
            }),
        );
      } catch (error) {
        throw deliveryError(error);
      } finally {
        transport.close();
      }
    },
  };
}

/** What nodemailer says of a failure. */
interface Failure {
  readonly message?: string;
  readonly code?: string;
  /** That was answered, or was being waited for. */
  readonly command?: string;
  readonly responseCode?: number;
}

/** Until these nothing was said that a server could repeat: neither the mail nor a password. */
const loggableCommands = new Set(["CONN", "MAIL FROM", "RCPT TO"]);

/** What went wrong, fit for the log. */
function deliveryError(error: unknown): Error {
  if (error instanceof WrennError) return error;
  const { message = "", code = "unknown", command, responseCode } = error as Failure;
  const what = responseCode === undefined ? code : `answer ${responseCode}`;
  const said = command !== undefined && loggableCommands.has(command) ? `: ${clean(message)}` : "";
  const problem = `the mail server did not take it: ${what} at ${command ?? "the beginning"}${said}`;
  // RFC 5321 §4.2.1: 5yz is final. Of other commands it may be our configuration, which somebody will put right.
  const isFinal = command === "RCPT TO" && responseCode !== undefined && responseCode >= 500;
  return isFinal ? new MailRefused(problem) : new Error(problem);
}

function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}]+/gu, " ").slice(0, MAX_PROBLEM);
}
