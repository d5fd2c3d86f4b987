/**
 * What pages of the dashboard may do (CSP Level 3). Scripts and style elements run by the nonce of one answer. Style attributes are
 * the one exception: terminals, plots and editors place what they draw by them, and they cannot load or run anything.
 *
 * @param nonce - base64, never the same twice.
 */
export function contentPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src-elem 'self' 'nonce-${nonce}'`,
    "style-src-attr 'unsafe-inline'",
    "connect-src 'self'",
    "font-src 'self'",
    "img-src 'self' data: blob:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types svelte-trusted-html",
  ].join("; ");
}

/** The page with the nonce on each of its scripts. */
export function withNonce(html: string, nonce: string): string {
  return html.replaceAll(/<script(?=[\s>])/g, `<script nonce="${nonce}"`);
}
