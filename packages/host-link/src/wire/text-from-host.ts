const MARKS = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu;

/**
 * Text of the other side as it may be shown: at most `limit` characters, without control and formatting characters, which could
 * forge lines of a log or steer a terminal.
 */
export function plainText(text: string, limit: number): string {
  return text.slice(0, limit).replaceAll(MARKS, " ");
}
