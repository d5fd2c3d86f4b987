import { pageOf } from "../http/page.ts";
import type { HtmlPage } from "../http/page.ts";
import { packageNames } from "./client-packages.ts";

/** Shows what to type on a client machine. @param origin - where the client reaches the server. */
export function downloadPage(origin: string): HtmlPage {
  const server = escaped(origin);
  return pageOf(
    "Install Wrenn",
    `<h2>Command line</h2>
<p>For Linux, macOS and Windows, with Node.js 20.18 or newer:</p>
<pre><code>npm install -g ${server}/download/${packageNames.cli}
wrenn login --url ${server}
wrenn create</code></pre>
<h2>TypeScript SDK</h2>
<p>In the folder of a project:</p>
<pre><code>npm install ${server}/download/${packageNames.sdk}</code></pre>
<p><a href="/docs">API reference</a></p>`,
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
