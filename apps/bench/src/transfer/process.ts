/**
 * Uploads or downloads one file in a separate process, so that the client does not share the server's thread. Arguments: `up` or
 * `down`, URL, API key, bytes. Prints the milliseconds of the transfer alone.
 */
const [direction = "", url = "", apiKey = "", bytes = ""] = process.argv.slice(2);
const headers = { "x-api-key": apiKey };
const body = direction === "up" ? Buffer.alloc(Number(bytes), 7) : undefined;
const begunAt = performance.now();
const answer = await fetch(url, body === undefined ? { headers } : { method: "PUT", headers, body });
let received = 0;
for await (const piece of answer.body ?? []) received += (piece as Uint8Array).length;
const elapsed = performance.now() - begunAt;
if (!answer.ok) throw new Error(`the ${direction}load was answered with ${answer.status}`);
if (direction === "down" && received !== Number(bytes)) throw new Error(`${received} bytes came`);
process.stdout.write(String(elapsed));
