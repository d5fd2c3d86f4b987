/**
 * A service for a sandbox, in Python, at the port of the code interpreter. It takes requests of E2B's client and runs no code: a cell
 * prints what arrived and how many requests were broken off, and the cell `endless` has no end. What runs code is tested in
 * packages/code-interpreter/test.
 */
export const cellService = String.raw`
import json, select, socket, threading
broken = 0
lock = threading.Lock()

def line(c, value):
    data = json.dumps(value).encode() + b'\n'
    c.sendall(b'%x\r\n' % len(data) + data + b'\r\n')

def requests(c):
    data = b''
    while True:
        while b'\r\n\r\n' not in data:
            more = c.recv(65536)
            if not more: return
            data += more
        head, data = data.split(b'\r\n\r\n', 1)
        first, *rest = head.decode().split('\r\n')
        headers = {n.lower(): v.strip() for n, v in (l.split(':', 1) for l in rest)}
        length = int(headers.get('content-length', 0))
        while len(data) < length:
            more = c.recv(65536)
            if not more: return
            data += more
        body, data = data[:length], data[length:]
        yield first.split(' ')[1], headers, body

def serve(c):
    global broken
    for path, headers, body in requests(c):
        if path != '/execute':
            c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
            continue
        cell = json.loads(body)
        c.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        if cell['code'] == 'endless':
            line(c, {'type': 'stdout', 'text': 'begun\n', 'timestamp': 1})
            select.select([c], [], [])
            with lock: broken += 1
            break
        names = ['host', 'e2b-sandbox-id', 'e2b-sandbox-port']
        seen = {'path': path, 'cell': cell, 'broken': broken, 'headers': {n: headers.get(n) for n in names}}
        line(c, {'type': 'stdout', 'text': json.dumps(seen), 'timestamp': 1})
        line(c, {'type': 'number_of_executions', 'execution_count': 1})
        line(c, {'type': 'end_of_execution'})
        c.sendall(b'0\r\n\r\n')
    c.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', 49999))
s.listen(64)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** What a cell of the service prints, as JSON. */
export interface SeenCell {
  readonly path: string;
  readonly cell: Readonly<Record<string, unknown>>;
  /** Requests without an end that clients have broken off. */
  readonly broken: number;
  readonly headers: Readonly<Record<string, string | null>>;
}
