/**
 * Style elements run by the nonce of the page only (packages/control-plane/src/dashboard/content-policy.ts). Terminal and editor
 * create theirs themselves: they get the nonce on their way.
 */
export function giveStylesTheNonce(document: Document): void {
  const nonce = document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce;
  if (nonce === undefined || nonce === "") return;
  const create = document.createElement.bind(document);
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = create(name, options);
    if (element instanceof HTMLStyleElement) element.nonce = nonce;
    return element;
  };
  document.createElement = createElement;
}
