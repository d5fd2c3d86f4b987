/**
 * A service for a capsule, in Python, on port 8000, or by TLS on the port of its first argument with the PEM file of the second: endless bodies framed in each way, WebSockets and other upgrades
 * that echo bytes, small answers, and what it saw of its connections.
 */
export const trafficService = String.raw`
import base64, hashlib, json, os, socket, ssl, sys, threading, time
secure = None
if len(sys.argv) == 3:
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(sys.argv[2])
seen = {'pid': os.getpid(), 'opened': 0, 'closed': 0, 'failed': []}
lock = threading.Lock()
block = b'x' * 65536

def forever(c, frame):
    while True:
        c.sendall(frame)
        time.sleep(0.005)

def answer(c, head):
    path = head.split(b' ')[1]
    if path == b'/length':
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n')
        forever(c, block)
    elif path == b'/chunked':
        c.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        forever(c, b'%x\r\n' % len(block) + block + b'\r\n')
    elif path == b'/until-close':
        c.sendall(b'HTTP/1.0 200 OK\r\n\r\n')
        forever(c, block)
    elif path == b'/echo':
        key = [l.split(b':')[1].strip() for l in head.split(b'\r\n') if l.lower().startswith(b'sec-websocket-key')][0]
        accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
        c.sendall(b'HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + accept + b'\r\n\r\n')
        while True:
            data = c.recv(65536)
            if not data: return
            c.sendall(data)
    else:
        body = json.dumps(seen).encode() if path == b'/seen' else b'ok'
        c.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)

def serve(c):
    with lock: seen['opened'] += 1
    try:
        if secure: c = secure.wrap_socket(c, server_side=True)
        head = b''
        while b'\r\n\r\n' not in head:
            data = c.recv(65536)
            if not data: return
            head += data
        answer(c, head)
    except ConnectionError: pass
    except Exception as e: seen['failed'].append(repr(e))
    finally:
        with lock: seen['closed'] += 1
        c.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', int(sys.argv[1]) if secure else 8000))
s.listen(512)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** What the service saw. */
export interface TrafficSeen {
  readonly pid: number;
  readonly opened: number;
  readonly closed: number;
  /** Errors other than connections that ended. */
  readonly failed: readonly string[];
}

/** A shell line that waits until the service listens. */
export const trafficServiceIsUp =
  "for i in $(seq 600); do curl -sf -o /dev/null localhost:8000/ && exit 0; sleep 0.1; done; exit 1";
