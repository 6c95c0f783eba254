"""The kernel as the one who knows: a cmek that is killed with a token in hand leaves no core, where a shell that is killed so does.
usage: cores.py CMEK; the last line is the tally. Nothing is simulated: the Vault that is asked takes the request and never answers.
"""
import os, resource, shutil, signal, socket, subprocess, sys, tempfile
import peer

CMEK = os.path.abspath(sys.argv[1])
TOKEN = "hvs.needle-of-a-token-in-hand"


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def killed(argv, folder, when, **more):
    """The exit status of a program that is killed when `when` returns, and the files that its folder has then."""
    os.makedirs(folder)
    child = subprocess.Popen(argv, cwd=folder, preexec_fn=unlimited, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env={"PATH": os.environ["PATH"], "HOME": folder, "CMEK_STATE_DIR": folder + "-state", **more})
    when()
    child.send_signal(signal.SIGABRT)
    return child.wait(30), os.listdir(folder)


scratch = tempfile.mkdtemp(prefix="cmek-cores-")
try:
    try:
        status, files = killed(["sleep", "30"], os.path.join(scratch, "control"), lambda: None)
    except subprocess.SubprocessError:   # this process may not allow cores
        files = []
    if not files:
        print("left out: no program that is killed here leaves a core in its folder, so nothing can be seen\n0 passed, 0 failed")
        sys.exit()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)
    seen = []

    def asked():
        connection = listener.accept()[0]
        seen.append((connection, connection.recv(65536).decode()))

    status, files = killed([CMEK, "whoami"], os.path.join(scratch, "cmek"), asked, VAULT_TOKEN=TOKEN,
                           VAULT_ADDR="http://127.0.0.1:%d" % listener.getsockname()[1], AWS_EC2_METADATA_DISABLED="true")
    peer.equal("it was killed", status, -signal.SIGABRT)
    peer.check("while it talked to Vault", seen[0][1].startswith("GET /v1/"), seen[0][1].splitlines()[:1])
    peer.equal("and left no core", files, [])
finally:
    shutil.rmtree(scratch, ignore_errors=True)
peer.done()
