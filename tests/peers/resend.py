"""libcurl resends a request by itself when a reused connection turns out closed. A write must reach the service once.

HTTP/1.1: a server of a few lines reads the whole second request and closes without an answer, or with one that is no HTTP.
HTTP/2: nghttp2's nghttpd, with a relay before it that drops the connection once the second request went through.
usage: resend.py CMEK; the last line is the tally.
"""
import os, shutil, socket, subprocess, sys, tempfile, threading, time

CMEK = sys.argv[1]
SCRIPT = os.path.join(os.path.dirname(__file__), "resend.lua")
passed = failed = skipped = 0


def judge(name, good, seen):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED   {name}: {seen}")


def cmek(url, effect, ca=None):
    argv = [CMEK, "test", SCRIPT, url, effect] + ([ca] if ca else [])
    r = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    return (r.stdout + r.stderr).strip()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = next((int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return None
        body += more
    return head


class Closing(threading.Thread):
    """Answers the first request of each connection, reads the second and closes. Counts the targets it read whole."""

    def __init__(self, last_words=b""):
        super().__init__(daemon=True)
        self.last_words = last_words
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen = []
        self.first = True

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            for turn in range(2):
                head = read_request(connection)
                if head is None:
                    return
                self.seen.append(next(l for l in head.split(b"\r\n") if l.lower().startswith(b"x-amz-target")).decode().split(".")[-1])
                if turn == 0 and self.first:
                    self.first = False
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n\r\n{}")
                else:
                    connection.sendall(self.last_words)
                    return


def http1():
    server = Closing()
    server.start()
    said = cmek(f"http://127.0.0.1:{server.port}", "write")
    judge("HTTP/1.1: the write reached the server once", server.seen.count("CreateKey") == 1, server.seen)
    judge("HTTP/1.1: its outcome is lost, not unsent", said.startswith("lost"), said)


def no_http():
    server = Closing(b"220 another protocol altogether\r\n")
    server.start()
    said = cmek(f"http://127.0.0.1:{server.port}", "write")
    judge("what answers no HTTP has read the write, and is not asked again", server.seen.count("CreateKey") == 1, server.seen)
    judge("its outcome is lost as well", said.startswith("lost") and "HTTP/0.9" in said, said)


def relay(listener, port, dropped):
    """Passes bytes both ways. After the first answer, what the client sends still goes through, and then the line is cut."""
    connections = 0
    while True:
        client, _ = listener.accept()
        connections += 1
        if connections > 1:
            dropped.append("reconnected")
        service = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(client, service, dropped, connections == 1), daemon=True).start()


def pump(client, service, dropped, cut):
    answered = threading.Event()

    def back():
        while True:
            try:
                data = service.recv(65536)
            except OSError:
                return
            if not data:
                return
            if not answered.is_set():
                client.sendall(data)

    threading.Thread(target=back, daemon=True).start()
    start = time.time()
    last = start
    total = 0
    while True:
        try:
            data = client.recv(65536)
        except OSError:
            return
        if not data:
            return
        total += len(data)
        # the TLS handshake and the first request come at once; the second comes after the pause that resend.lua does not
        # make, so the sizes tell them apart: each request carries 2,000 bytes of body
        if cut and total > 4600:
            answered.set()
            service.sendall(data)
            time.sleep(0.5)
            dropped.append("cut")
            client.close()
            return
        service.sendall(data)


def http2():
    directory = tempfile.mkdtemp()
    key, certificate, log = (os.path.join(directory, n) for n in ("key.pem", "certificate.pem", "log"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    os.makedirs(os.path.join(directory, "root"))
    with open(os.path.join(directory, "root", "index.html"), "w") as page:
        page.write("{}")
    probe = socket.create_server(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    with open(log, "w") as output:
        nghttpd = subprocess.Popen(["nghttpd", "-v", "-d", os.path.join(directory, "root"), "-a", "127.0.0.1", str(port), key, certificate],
                                   stdout=output, stderr=output)
    try:
        deadline = time.time() + 10
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        listener = socket.create_server(("127.0.0.1", 0))
        dropped = []
        threading.Thread(target=relay, args=(listener, port, dropped), daemon=True).start()
        said = cmek(f"https://127.0.0.1:{listener.getsockname()[1]}", "write", certificate)
        time.sleep(0.3)
        text = open(log).read()
        judge("HTTP/2: the second request went through to nghttpd and the line was cut", "cut" in dropped, (dropped, said))
        judge("HTTP/2: nghttpd spoke it", "HEADERS frame" in text, text[-300:])
        judge("HTTP/2: the write reached the server once", text.count("x-amz-target: TrentService.CreateKey") == 1,
              (text.count("x-amz-target: TrentService.CreateKey"), dropped))
        judge("HTTP/2: its outcome is lost, not unsent", said.startswith("lost"), said)
    finally:
        nghttpd.kill()
        nghttpd.wait()
        shutil.rmtree(directory)


http1()
no_http()
if shutil.which("nghttpd"):
    http2()
elif os.environ.get("CI") == "true":
    judge("HTTP/2: nghttpd is there", False, "not installed")
else:
    skipped += 1
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(failed > 0)
