"""What the peers share: a tally, a scratch folder, and cmek sim around a program.

A script is called with the path of cmek. It starts itself again inside `cmek sim` where it wants the simulated services, so that
it sees exactly the environment that a user's command gets; the inner one prints the tally.
"""
import json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

PEERS = os.path.dirname(os.path.dirname(sys.executable))  # build/peers/venv: its bin/ holds python, moto_server, aws
passed = failed = 0


def check(name, good, seen=""):
    """One sentence; what was seen is printed when it is not so."""
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED   {name}: {seen!r}"[:1200], flush=True)
    return bool(good)


def equal(name, got, want):
    return check(name, got == want, {"got": got, "want": want})


def refused(name, code, call):
    """The call of boto3 must be refused with this error code."""
    try:
        seen = call()
    except Exception as error:
        seen = getattr(error, "response", {}).get("Error", {}).get("Code") or repr(error)
    return equal(name, seen, code)


def done():
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


def environment(**more):
    """Ours, with the peers' programs first on PATH and cmek's state in a scratch folder."""
    variables = dict(os.environ, PATH=os.path.join(PEERS, "bin") + ":" + os.environ["PATH"], PYTHONUNBUFFERED="1")
    variables.update(more)
    return variables


def inside():
    return os.environ.get("CMEK_SIM") == "1" and sys.argv[2:] == ["inside"]


def enter(*options, clusters=None, **more):
    """Runs this script again inside `cmek sim OPTIONS` and ends as it ends (after what stands around the call in a with)."""
    scratch = tempfile.mkdtemp(prefix="cmek-peer-")
    if clusters:
        path = os.path.join(scratch, "clusters.json")
        with open(path, "w") as f:
            json.dump(clusters, f)
        options += ("--clusters", path)
    cmek = os.path.abspath(sys.argv[1])
    argv = [cmek, "sim", *options, "--", sys.executable, os.path.abspath(sys.argv[0]), cmek, "inside"]
    state = os.path.join(scratch, "state")
    status = subprocess.run(argv, env=environment(CMEK_STATE_DIR=state, PEER_SCRATCH=scratch, **more), stdin=subprocess.DEVNULL).returncode
    shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(status)


def run(*argv, **more):
    """A program's status, stdout and stderr."""
    r = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, env=environment(**more))
    return r.returncode, r.stdout, r.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server as a child: started on a free port, waited for, ended at the end of the with."""

    def __init__(self, argv, **more):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.argv = [a.replace("PORT", str(self.port)) for a in argv]
        self.variables = environment(**{k: v.replace("PORT", str(self.port)) for k, v in more.items()})

    def __enter__(self):
        self.child = subprocess.Popen(self.argv, env=self.variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 30
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{self.argv[0]} does not listen on {self.port}")

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()


def cloud(method, path, body=None):
    """A request of the CockroachDB Cloud API as curl would send it: status, decoded answer."""
    request = urllib.request.Request(os.environ["COCKROACH_SERVER"] + "/api/v1" + path, method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Authorization": "Bearer " + os.environ["COCKROACH_API_KEY"], "Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429:
                return error.code, json.load(error)
        time.sleep(1)   # ten requests a second are too many, and cmek has just made some


def wait_enabled(cluster, seconds=20):
    deadline = time.time() + seconds
    while True:
        _, info = cloud("GET", f"/clusters/{cluster}/cmek")
        if info.get("status") == "ENABLED" or time.time() > deadline:
            return info
        time.sleep(0.3)


def take_over(cmek, cluster, changes):
    """adopt takes a chain over that was made by hand; then console has nothing to create, repairs it, and verify is clean.
    changes: the fields that a plan of console wants to change after adopt. Returns role and keys as adopt wrote them down."""
    def call(*words):
        status, out, err = run(cmek, *words, "--json")
        return status, json.loads(out) if check("cmek " + " ".join(words[:2]) + " prints a document", out.startswith("{"), (status, out, err)) else {}

    path = os.path.join(os.environ["PEER_SCRATCH"], cluster + ".json")
    status, report = call("run", "adopt", "--cluster", cluster, "--yes", "--save-args", path)
    equal("adopt takes role and keys over", (status, report["run"]["status"], report["summary"]["create"]), (0, "done", 0))
    check("and tags each", report["summary"]["change"] == len(report["steps"]) > 1, report["summary"])
    status, report = call("plan", "console", "--args", path)
    equal("console has nothing to create, and nothing is refused", (status, report["summary"]["create"], report["summary"]["refused"]), (0, 0, 0))
    equal("it says what differs", sorted({d["field"] for s in report["steps"] for d in s["differences"]}), sorted(changes))
    equal("run repairs it", call("run", "console", "--args", path, "--yes")[0], 0)
    status, report = call("verify", "console", "--args", path)
    equal("verify is clean", (status, report["findings"]), (0, []))
    equal("a second adopt finds nothing to do", call("run", "adopt", "--cluster", cluster, "--yes")[1]["summary"]["change"], 0)
    with open(path) as f:
        return json.load(f)


def find_cluster(name):
    _, answer = cloud("GET", "/clusters")
    return next(c for c in answer["clusters"] if c["name"] == name)
