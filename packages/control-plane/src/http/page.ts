import { createHash } from "node:crypto";

/** A page of the platform for a person's browser. */
export interface HtmlPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Key in the tab's storage under which a page keeps the address to return to when a person leaves it for a provider. The tab
 * keeps it on the way through another site, and only pages of this origin can write it.
 */
export const RETURN_TO_KEY = "wrenn_way_back";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:15vh auto;padding:0 1.5rem;color:#222}
h1{font-size:1.25rem}h2{font-size:1rem}pre{overflow-x:auto}label{display:block;margin:.75rem 0}
a{display:block;margin:.75rem 0;color:inherit}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}output{color:#b00}
@media(prefers-color-scheme:dark){body{background:#181a1f;color:#dde}output{color:#f88}}`;

/**
 * @param body - HTML; nothing in it comes from outside.
 * @param script - runs in the page; the policy lets nothing else run, and nobody frame it.
 */
export function pageOf(title: string, body: string, script = ""): HtmlPage {
  const policy = [
    "default-src 'none'",
    `style-src ${sourceOf(STYLE)}`,
    ...(script === "" ? [] : [`script-src ${sourceOf(script)}`, "connect-src 'self'"]),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${STYLE}</style></head><body><h1>${title}</h1>${body}${script === "" ? "" : `<script>${script}</script>`}</body></html>
`,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy.join("; "),
    },
  };
}

/** Source expression that allows exactly this text (CSP Level 3 §2.3.1). */
function sourceOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
