import type { Random } from "@wrenn/core";
import type { FastifyReply } from "fastify";
import { pageOf } from "../http/page.ts";
import type { HtmlPage } from "../http/page.ts";
import type { PersonPage, PersonPages } from "../http/person-pages.ts";
import { contentPolicy, withNonce } from "./content-policy.ts";
import type { DashboardFiles } from "./dashboard-files.ts";

const NONCE_BYTES = 16;
const PAGE = "index.html";

/** The one page that the dashboard is, under all its addresses. */
export class DashboardPage implements PersonPages {
  readonly #files: DashboardFiles;
  readonly #random: Random;

  constructor(files: DashboardFiles, random: Random) {
    this.#files = files;
    this.#random = random;
  }

  /** Whether there is one to serve. */
  async isBuilt(): Promise<boolean> {
    return (await this.#files.get(PAGE)) !== undefined;
  }

  async send(reply: FastifyReply, { simple, status = 200, outcome }: PersonPage): Promise<FastifyReply> {
    const file = await this.#files.get(PAGE);
    if (!file) return await sendSimple(reply.status(status), simple);
    const nonce = Buffer.from(this.#random.bytes(NONCE_BYTES)).toString("base64");
    const html = withNonce(file.bytes.toString("utf8"), nonce);
    return await reply
      .status(status)
      .headers({ "content-security-policy": contentPolicy(nonce), "cache-control": "no-store" })
      .type(file.type)
      .send(outcome === undefined ? html : html.replace("<html", `<html data-outcome="${outcome}"`));
  }

  /** Answers an address that only the dashboard has. */
  async sendOwn(reply: FastifyReply): Promise<FastifyReply> {
    if (await this.isBuilt()) return await this.send(reply, { simple: notBuilt });
    return await sendSimple(reply.status(404), notBuilt);
  }
}

async function sendSimple(reply: FastifyReply, { html, headers }: HtmlPage): Promise<FastifyReply> {
  return await reply.headers(headers).send(html);
}

const notBuilt = pageOf(
  "The dashboard is not built",
  `<p>This server runs without its dashboard. <code>./wrenn up</code> builds it; why it could not is in its output.</p>
<p>Command line, SDKs and API work as ever: <a href="/download">install a client</a>, <a href="/docs">API reference</a>.</p>`,
);
