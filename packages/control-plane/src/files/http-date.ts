const IMF = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC850 =
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Seconds of Unix time of an HTTP-date (RFC 9110 §5.6.7); undefined for anything else, which recipients have to ignore. */
export function readHttpDate(date: string | undefined): number | undefined {
  if (date === undefined) return undefined;
  const isDate = IMF.test(date) || RFC850.test(date) || ASCTIME.test(date);
  const parsed = isDate ? Date.parse(ASCTIME.test(date) ? `${date} GMT` : date) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : Math.floor(parsed / 1000);
}
