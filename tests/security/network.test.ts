import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { startDnsStub } from "../support/dns-stub.ts";
import { openInternet, runIn, serveIn } from "../support/network-lab.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * From inside of real guests, whose users are root and make whatever packets they like. Every denial stands beside the same probe
 * succeeding where it may.
 */

const internet = `wrsec-${process.pid}`;
const PUBLIC = "203.0.113.9";
/** Echoes UDP on 7000 and serves HTTP on 8081. */
const ECHO = `const u=require("dgram").createSocket("udp4");u.on("message",(m,r)=>u.send(m,r.port,r.address));u.bind(7000);
require("http").createServer((q,s)=>s.end("hello")).listen(8081,"0.0.0.0",()=>process.stdout.write("up"))`;

const stack = new AsyncDisposableStack();
let server: TestServer;
let id: string;
let otherAddress: string;
let ownAddress: string;

before(async () => {
  stack.use(await openInternet(internet, [PUBLIC]));
  stack.use(await serveIn(internet, ECHO));
  const stub = stack.use(await startDnsStub({ "*.good.example": [PUBLIC], "*.evil.example": [PUBLIC] }));
  server = await startTestServer({ config: { resolvers: [stub.address] } });
  stack.defer(() => server.close());
  id = await server.capsule(undefined);
  const other = await server.capsule(undefined);
  ownAddress = await addressOf(id);
  otherAddress = await addressOf(other);
  await server.exec(other, "python3", ["-c", UDP_ECHO], { background: true });
});
after(() => stack.disposeAsync());

const UDP_ECHO = `import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',7000))
while True:
    m,a=s.recvfrom(2048); s.sendto(m,a)`;

async function addressOf(capsule: string): Promise<string> {
  return (await server.call<{ host_ip: string }>("GET", `/v1/capsules/${capsule}`)).body.host_ip;
}

/** Runs Python as root in the guest; what it prints. A script that fails is the test's error, never a denial. */
async function inGuest(script: string): Promise<string> {
  const { body } = await server.exec(id, "sudo", ["python3", "-c", script]);
  assert.equal(body.exit_code, 0, body.stderr);
  return body.stdout.trim();
}

/** Which of these answer UDP packets from the guest; all are tried at once, twice. */
async function udp(targets: readonly string[]): Promise<readonly string[]> {
  const answered = await inGuest(`import socket,select,time
asked={}
for t in ${JSON.stringify(targets)}:
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.setblocking(False); asked[s]=t
answered=[]
for _ in range(2):
    for s,t in asked.items():
        try: s.sendto(b'probe',(t.split(':')[0],int(t.split(':')[1])))
        except OSError: pass
    end=time.time()+0.7
    while asked and time.time()<end:
        for s in select.select(list(asked),[],[],max(0,end-time.time()))[0]:
            try:
                if s.recv(64)==b'probe': answered.append(asked.pop(s))
            except OSError: pass
print(*answered)`);
  return answered.split(" ").filter(Boolean);
}

/** Which of these answer ICMP echo requests from the guest themselves; all are tried at once. */
async function ping(hosts: readonly string[]): Promise<readonly string[]> {
  const answered = await inGuest(`import socket,struct,time
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_ICMP); s.settimeout(0.7)
b=struct.pack('!BBHHH',8,0,0,77,1)+b'wrenn-ping'
t=sum(struct.unpack('!%dH'%(len(b)//2),b)); t=(t>>16)+(t&0xffff); t+=t>>16
hosts=${JSON.stringify(hosts)}; answered=set()
for h in hosts: s.sendto(b[:2]+struct.pack('!H',~t&0xffff)+b[4:],(h,0))
end=time.time()+1
while time.time()<end and len(answered)<len(hosts):
    try: p,a=s.recvfrom(2048)
    except OSError: break
    if a[0] in hosts and p[20]==0 and p.endswith(b'wrenn-ping'): answered.add(a[0])
print(*answered)`);
  return answered.split(" ").filter(Boolean);
}

test("UDP reaches public addresses and nobody else", async () => {
  const host = createSocket("udp4");
  host.on("message", (message, from) => host.send(message, from.port, from.address));
  await new Promise<void>((resolve) => host.bind(0, "0.0.0.0", resolve));
  try {
    const { port } = host.address();
    const control = await runIn(
      internet,
      `const s=require("dgram").createSocket("udp4");s.on("message",(m)=>{console.log(String(m));process.exit()});s.send("probe",${port},"203.0.113.1");setTimeout(()=>process.exit(),3000)`,
    );
    assert.equal(control.stdout, "probe\n", "the host's service answers others");
    // The host, its gateway, its address towards slots, and another capsule.
    const denied = ["203.0.113.1", "169.254.0.22", hostSide()].map((address) => `${address}:${port}`);
    assert.deepEqual(await udp([`${PUBLIC}:7000`, ...denied, `${otherAddress}:7000`]), [`${PUBLIC}:7000`]);
  } finally {
    host.close();
  }
});

/** The address that the host has towards all slots. */
function hostSide(): string {
  return `${ownAddress.split(".").slice(0, 2).join(".")}.255.254`;
}

test("the gateway's own ports answer nobody but through the guest's gateway address", async () => {
  const ports = [15_353, 15_443, 15_080].map((port) => `${hostSide()}:${port}`);
  assert.deepEqual(await udp([...ports, `${PUBLIC}:7000`]), [`${PUBLIC}:7000`]);
  const tcp = await inGuest(`import socket
def probe(p):
    try: socket.create_connection((${JSON.stringify(hostSide())},p),0.7); return 'open'
    except OSError: return 'closed'
print(probe(15353),probe(15443),probe(15080))`);
  assert.equal(tcp, "closed closed closed");
});

test("ICMP echo reaches public addresses and nobody else", async () => {
  const denied = ["203.0.113.1", hostSide(), otherAddress, "169.254.169.254"];
  assert.deepEqual(await ping([PUBLIC, ...denied]), [PUBLIC]);
});

interface Frame {
  readonly mac: string;
  readonly from: string;
  readonly says: string;
}

/** Sends Ethernet frames with UDP packets to PUBLIC from raw sockets, as root of the guest may; what the internet sees of them. */
async function rawFrames(frames: readonly Frame[]): Promise<readonly string[]> {
  const seen = runIn(
    internet,
    `const s=require("dgram").createSocket("udp4");s.bind(7001);s.on("message",(m)=>{if(String(m)==="over")process.exit();console.log(String(m))});setTimeout(()=>process.exit(),60000)`,
  );
  await inGuest(`import socket,struct,time
time.sleep(0.6)
def sum16(b):
    b+=b'\\0'*(len(b)%2); t=sum(struct.unpack('!%dH'%(len(b)//2),b)); t=(t>>16)+(t&0xffff); t+=t>>16; return ~t&0xffff
dev=open('/proc/net/route').read().split('\\n')[1].split()[0]
socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'x',('169.254.0.22',9)); time.sleep(0.2)
gw=[l.split()[3] for l in open('/proc/net/arp') if l.startswith('169.254.0.22 ')][0]
mac=lambda t: bytes.fromhex(t.replace(':',''))
def frame(f):
    src=socket.inet_aton(f['from']); dst=socket.inet_aton(${JSON.stringify(PUBLIC)}); says=f['says'].encode()
    udp=struct.pack('!HHHH',5555,7001,8+len(says),0)+says
    ip=struct.pack('!BBHHHBBH',0x45,0,20+len(udp),7,0,64,17,0)+src+dst
    ip=ip[:10]+struct.pack('!H',sum16(ip))+ip[12:]
    return mac(gw)+mac(f['mac'])+b'\\x08\\x00'+ip+udp
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind((dev,0))
for _ in range(3):
    for f in ${JSON.stringify(frames)}: s.send(frame(f)); time.sleep(0.03)
print('sent')`);
  // However long the guest took: what it sent has arrived by now, or never does.
  await runIn(
    internet,
    `require("dgram").createSocket("udp4").send("over",7001,"127.0.0.1",()=>process.exit())`,
  );
  return [...new Set((await seen).stdout.trim().split("\n"))];
}

test("forged source addresses and MAC addresses do not leave the slot", async () => {
  const mac = "02:fc:00:00:00:05";
  const seen = await rawFrames([
    { mac, from: "198.51.100.7", says: "a stranger's address" },
    { mac, from: otherAddress, says: "another capsule's address" },
    { mac: "02:fc:00:00:00:06", from: "169.254.0.21", says: "another MAC address" },
    { mac, from: "169.254.0.21", says: "the same frame as itself" },
  ]);
  assert.deepEqual(seen, ["the same frame as itself"]);
});

test("nothing passes over IPv6, though the host answers there", async () => {
  const host = createSocket("udp6");
  let heard = 0;
  host.on("message", (message, from) => {
    heard += 1;
    host.send(message, from.port, from.address);
  });
  await new Promise<void>((resolve) => host.bind(0, "::", resolve));
  try {
    const { port } = host.address();
    await runCommand(["ip", "-6", "addr", "add", "2001:db8:1::1/64", "dev", internet, "nodad"]);
    await runCommand(["ip", "-n", internet, "-6", "addr", "add", "2001:db8:1::9/64", "dev", "eth0", "nodad"]);
    const control = await runIn(
      internet,
      `const s=require("dgram").createSocket("udp6");s.on("message",(m)=>{console.log(String(m));process.exit()});s.send("probe",${port},"2001:db8:1::1");setTimeout(()=>process.exit(),3000)`,
    );
    assert.equal(control.stdout, "probe\n", "the host's service answers others");
    heard = 0;
    // The guest gives itself an address, and a route by the hardware address of its gateway.
    const forced = await inGuest(`import subprocess,socket
dev=open('/proc/net/route').read().split('\\n')[1].split()[0]
socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'x',('169.254.0.22',9))
import time; time.sleep(0.2)
gw=[l.split()[3] for l in open('/proc/net/arp') if l.startswith('169.254.0.22 ')][0]
run=lambda *a: subprocess.run(a,check=True)
run('sysctl','-qw','net.ipv6.conf.all.disable_ipv6=0','net.ipv6.conf.%s.disable_ipv6=0'%dev)
run('ip','-6','addr','add','2001:db8:2::2/64','dev',dev,'nodad')
run('ip','-6','neigh','replace','fe80::1','lladdr',gw,'dev',dev)
run('ip','-6','route','replace','default','via','fe80::1','dev',dev)
s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.settimeout(0.7)
sent=open('/sys/class/net/%s/statistics/tx_packets'%dev).read
before=int(sent())
for _ in range(3):
    s.sendto(b'probe',('2001:db8:1::1',${port}))
    try: s.recv(64); print('answered')
    except OSError: pass
print('sent' if int(open('/sys/class/net/%s/statistics/tx_packets'%dev).read())-before>=3 else 'kept')`);
    assert.equal(forced, "sent");
    assert.equal(heard, 0, "not one packet arrived");
  } finally {
    host.close();
  }
});

test("a capsule resolves names at its gateway, under its policy, and a name opens its address only", async () => {
  const fetch = (url: string): string =>
    `import urllib.request\ntry: print(urllib.request.urlopen(${JSON.stringify(url)},timeout=5).read().decode().strip())\nexcept Exception as e: print(type(e).__name__)`;
  const set = async (rules: object): Promise<void> => {
    const { status } = await server.call("PUT", `/v1/capsules/${id}/network`, rules);
    assert.equal(status, 200);
  };
  await set({ egress: "deny", allow: ["*.good.example"] });
  assert.equal(await inGuest(fetch(`http://${PUBLIC}:8081/`)), "URLError", "the address without its name");
  assert.equal(await inGuest(fetch("http://www.good.example:8081/")), "hello");
  assert.equal(await inGuest(fetch("http://www.evil.example:8081/")), "URLError");
  await set({ egress: "allow" });
  assert.equal(await inGuest(fetch("http://www.evil.example:8081/")), "hello");
  const { body } = await server.call<{ kind: string; subject: string; verdict: string }[]>(
    "GET",
    `/v1/capsules/${id}/network/decisions`,
  );
  const names = body.filter(({ kind }) => kind === "name").map((d) => `${d.subject} ${d.verdict}`);
  for (const expected of ["www.good.example allowed", "www.evil.example denied", "www.evil.example allowed"])
    assert.ok(names.includes(expected), `${expected} in ${names.join(", ")}`);
});
