/** Tokens of links that mails and the command line hand out: 32 bytes in hexadecimal digits. */
const TOKEN = /^[0-9a-f]{64}$/;

/** Whether it is a whole token: of a link that was cut off, the server could only say that a field is wrong. */
export function isLinkToken(text: string): boolean {
  return TOKEN.test(text);
}
