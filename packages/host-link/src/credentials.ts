/** A private key, its certificate, and the authority that both sides trust; all PEM. */
export interface LinkCredentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** The name in the certificates of control planes. */
export const CONTROL_PLANE = "wrenn-control-plane";
