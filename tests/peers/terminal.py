"""What a terminal shows: cmek in tmux panes of several sizes, held against tests/panes/*.txt; times, IDs and the spinner are made the
same. A pane is looked at when the text that is waited for stands in it. UPDATE=1 writes the panes anew.
usage: terminal.py CMEK [PART ...]: all parts, or those functions below; the last line is the tally.
"""
import os, re, shutil, subprocess, sys, tempfile, time
import peer
from peer import check, equal

CMEK = os.path.abspath(sys.argv[1])
PANES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0]))), "panes")
SECONDS = 30    # that a text is waited for
RUN = "run console --cluster orders --enable"
SLOW = "--seed 1 --propagation 3000"   # so slow that the keys wait until somebody ends the run


def broken(pattern):
    """A pattern of single characters that may be broken by the end of a line."""
    return r"\n?".join(pattern)


HEX = ["[0-9a-f]"]
KEY_ID = re.compile("(?<=key/)" + broken(HEX * 8 + ["-"] + (HEX * 4 + ["-"]) * 3 + HEX * 12))
RUN_ID = re.compile(broken(["2", "0"] + [r"\d"] * 6 + ["-"] + [r"\d"] * 6 + ["-"] + HEX * 7))


def zeros(match):
    return re.sub("[0-9a-f]", "0", match.group())


def same(text):
    """The pane without what differs from run to run; lengths stay, or lines would break elsewhere."""
    text = re.sub(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "⠿", text)
    text = re.sub(r"\d+ min \d+ s|\d+ s|\d+\.\d s", "N s", text)
    text = RUN_ID.sub(zeros, KEY_ID.sub(zeros, text))
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n"


class Pane:
    """A shell in a terminal of its own."""

    def __init__(self, width, height, sim="--seed 1", **variables):
        self.scratch = tempfile.mkdtemp(prefix="cmek-pane-")
        self.tmux = ["tmux", "-S", os.path.join(self.scratch, "socket"), "-f", "/dev/null"]
        environment = {"PATH": os.environ["PATH"], "HOME": self.scratch, "CMEK_STATE_DIR": os.path.join(self.scratch, "state"), "PS1": "$ ",
                       "LC_ALL": "C.UTF-8", "TERM": "xterm", **variables}
        self.clean = {k: v for k, v in environment.items() if k in ("PATH", "HOME", "LC_ALL", "TERM")}
        os.symlink(CMEK, os.path.join(self.scratch, "cmek"))
        self.run("set-option", "-g", "default-terminal", "screen", ";", "new-session", "-d", "-c", self.scratch, "-x", str(width), "-y", str(height),
                 "env", "-i", *(f"{k}={v}" for k, v in environment.items()), f"TERM={variables.get('TERM', 'screen')}",
                 os.path.join(self.scratch, "cmek"), "sim", *(sim.split() if isinstance(sim, str) else sim), "--", "sh")
        self.ended()

    def run(self, *words):
        return subprocess.run([*self.tmux, *words], env=self.clean, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout

    def send(self, *keys):
        self.run("send-keys", *keys)

    def text(self, history=False, joined=False):
        """What is seen; with what has left the pane at the top; with lines that the pane has broken in one."""
        return self.run("capture-pane", "-p", *(["-S", "-"] if history else []), *(["-J"] if joined else []))

    def prompt(self):
        """Opens cmek's prompt, which knows no account yet."""
        self.send("./cmek repl", "Enter")
        self.wait(r"cmek read> *\n*\Z")

    def wait(self, pattern):
        """Until the pane matches; the pane."""
        deadline = time.time() + SECONDS
        while time.time() < deadline:
            text = self.text()
            if re.search(pattern, text):
                return text
            time.sleep(0.05)
        check(f"the pane shows {pattern!r}", False, self.text())
        return self.text()

    def ended(self):
        """Until the shell asks for the next command; the pane."""
        return self.wait(r"(\A|\n)\$\s*\Z")

    def flag(self, name):
        return self.run("display-message", "-p", "#{%s}" % name).strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("kill-server")
        shutil.rmtree(self.scratch, ignore_errors=True)


def golden(name, text):
    """Holds a pane against the one that is kept."""
    path, text = os.path.join(PANES, name + ".txt"), same(text)
    if os.environ.get("UPDATE"):
        with open(path, "w") as f:
            f.write(text)
    try:
        with open(path) as f:
            want = f.read()
    except FileNotFoundError:
        want = ""
    if not check(f"the pane {name}", text == want):
        print(f"-- seen:\n{text}-- kept:\n{want}--", flush=True)


def sound_end(pane, name):
    """The shell is back, with its cursor and its echo."""
    pane.ended()
    pane.send("echo still $((40 + 2))", "Enter")
    pane.wait(r"\nstill 42\n\$")
    equal(f"{name}: the cursor is there", pane.flag("cursor_flag"), "1")


def in_order(text):
    """Lines of the keys, which come as the answers come, by region."""
    return re.sub(r"(^  [✓…] key .*\n)+", lambda lines: "".join(sorted(lines.group().splitlines(True))), text, flags=re.M)


def whole_run():
    with Pane(80, 24) as pane:
        pane.send(f"./cmek {RUN}", "Enter")
        golden("plan", pane.wait(r"\[y/N\]"))
        pane.send("y", "Enter")
        golden("irreversible", pane.wait("to go on: *\n"))
        pane.send("orders", "Enter")
        pane.ended()
        golden("done", pane.text(history=True))
        sound_end(pane, "after a run")


def declined():
    with Pane(80, 24) as pane:
        pane.send(f"./cmek {RUN}; echo status $?", "Enter")
        pane.wait(r"\[y/N\]")
        pane.send("n", "Enter")
        golden("declined", pane.ended())
        sound_end(pane, "after a question was declined")
    with Pane(80, 24) as pane:
        pane.send(f"./cmek {RUN}; echo status $?", "Enter")
        pane.wait(r"\[y/N\]")
        pane.send("y", "Enter")
        pane.wait("to go on:")
        pane.send("order", "Enter")
        golden("wrong-name", pane.ended())
        sound_end(pane, "after a wrong name")


def interrupted():
    for name, before, question in (("y-n", [], r"\[y/N\]\s*\Z"), ("name", ["y", "Enter"], r"to go on:\s*\Z")):
        with Pane(80, 24) as pane:
            pane.send(f"./cmek {RUN}; echo status $?", "Enter")
            pane.wait(r"\[y/N\]\s*\Z")
            if before:
                pane.send(*before)
            pane.wait(question)
            pane.send("C-c")
            pane.wait(r"status 130")
            golden("interrupted-" + name, pane.ended())
            sound_end(pane, "after ^C at a question")
    with Pane(80, 24) as pane:
        pane.send("./cmek run console; echo status $?", "Enter")
        pane.wait(r"of the cluster\):")
        pane.send("C-d")
        pane.wait("status 2")
        golden("no-answer", pane.ended())
        sound_end(pane, "after a question that was not answered")


def under_way(width, height, name):
    with Pane(width, height, SLOW) as pane:
        pane.send(f"./cmek {RUN} --yes --confirm orders; echo status $?", "Enter")
        golden(f"{name}-under-way", pane.wait(r"waiting \d.*\n*\Z"))
        pane.send("C-c")
        golden(f"{name}-stopped", pane.ended())
        sound_end(pane, f"{name}: after ^C")


def failed():
    fault = "error service=kms operation=CreateKey region=us-west-2 code=LimitExceededException status=400 message=No more keys"
    with Pane(80, 50, ["--seed", "1", "--fault", fault]) as pane:
        pane.send(f"./cmek {RUN} --yes --confirm orders; echo status $?", "Enter")
        pane.wait(r"status 5")
        text = pane.ended()
        block = re.search(r"\nPlan: [^\n]*\n(.*?)\n(unfinished|failed) ", text, re.S)
        golden("failed", block.group(1) if block else text)   # what is told of the failure is not the terminal's
        sound_end(pane, "after a failure")


def resized():
    with Pane(100, 30, SLOW) as pane:
        pane.send(f"./cmek {RUN} --yes --confirm orders", "Enter")
        pane.wait(r"waiting \d.*\n*\Z")
        for width in (60, 41, 100, 40):
            pane.run("resize-window", "-x", str(width), "-y", "30")
            end = r"✓ role .*(\n  . key .*){3}\n  · cluster_cmek *orders\n  1 of 5 done, .*\n    waiting .*\n*\Z"
            check(f"the block is whole when the terminal is {width} wide", re.search(end, pane.wait(end)))
            check("and the plan above it too", "Plan: 5 to create, 0 to change, 0 to delete" in pane.text(history=True, joined=True), pane.text())
        pane.send("C-c")
        sound_end(pane, "after the terminal was resized")


def appended(name, **variables):
    with Pane(100, 30, **variables) as pane:
        pane.run("pipe-pane", f"cat > {pane.scratch}/raw")
        pane.send(f"./cmek {RUN} --yes --confirm orders", "Enter")
        pane.wait("ENABLED with these keys")
        pane.ended()
        golden(name, in_order(pane.text(history=True, joined=True)))
        with open(os.path.join(pane.scratch, "raw"), newline="") as f:
            raw = f.read()
        equal(f"{name}: no control sequence but the shell's own line ends", re.findall(r"\x1b[^\n]{0,8}", raw), [])


def looking():
    """What is not a run: nothing of the progress stays; a plan on a narrow terminal; a failure before anything."""
    with Pane(40, 40) as pane:
        pane.send("./cmek plan console --cluster orders", "Enter")
        pane.wait("Plan: ")
        golden("narrow-plan", pane.ended())
    with Pane(40, 24) as pane:
        pane.send("./cmek plan console --clutser orders; echo status $?", "Enter")
        pane.wait(r"status \d")
        golden("narrow-failure", pane.ended())
        sound_end(pane, "after a failure")


def prompt():
    """The prompt: edited, completed, cancelled, called back, pasted into, and let write."""
    with Pane(90, 44) as pane:
        def typed(text, *keys, end=r"read> *\n*\Z"):
            pane.send("-l", text)
            if keys:
                pane.send(*keys)
            return pane.wait(end)

        pane.send("./cmek repl", "Enter")
        pane.wait(r"cmek read> *\n*\Z")   # nothing was asked yet
        typed("kms.desc", "Tab", end=r"kms\.describe_key\s*\Z")
        pane.send("C-c")
        pane.wait(r"describe_key\ncmek read> *\n*\Z")
        typed("cloud.organization().name", "Enter", end=r"us-east-1 read> *\n*\Z")
        typed("kms.list_keys { reg", "Tab", end=r"region = *\n {2}kms.list_keys region: .*\n*\Z")
        typed('"us-east-1" }', "Enter")
        for line, more in (("for i = 1, 2 do", r"do\n*\Z"), ("  print(j)", r"j\)\n*\Z"), ("end", r"end\n*\Z")):
            typed(line, *["Enter"] * (line != "end"), end=more)
        for key in ("Up", "End", "Left", "BSpace"):   # a line up, in what is not complete yet
            pane.send(key)
        typed("i", "Enter", end=r"print\(i\)\nend\n1\n2\n.*read> *\n*\Z")
        typed("while true do end", "Enter", end=r"do end\s*\Z")
        time.sleep(0.5)
        pane.send("C-c")
        pane.wait(r"cancelled\n.*read> *\n*\Z")
        typed("task.sleep(60)", "Enter", end=r"\(60\)\s*\Z")
        time.sleep(0.5)
        pane.send("C-c")
        pane.wait(r"\(60\)\n\^C\ncancelled\n.*read> *\n*\Z")
        pane.send("C-r")
        pane.send("-l", "print")
        pane.wait(r"print\(i\)")
        pane.send("Enter")
        pane.wait(r"(?s)end\n.*end\n1\n2\n.*read> *\n*\Z")
        pane.run("set-buffer", "a = {\n  1,\n  'é',\n}\n")
        pane.run("paste-buffer", "-p")
        pane.wait(r"\n\}\s*\Z")
        pane.send("Enter")
        pane.wait(r"\n\}\n.*read> *\n*\Z")
        typed("a", "Enter", end=r"\{ 1, \"é\" \}\n.*read> *\n*\Z")
        typed("kms.create_key { region = \"us-east-1\" }", "Enter", end=r"once you agree\n.*read> *\n*\Z")
        typed(":allow-writes", "Enter", end=r"\[y/N\]\s*\Z")
        typed("y", "Enter", end=r"write> *\n*\Z")
        check("a prompt that may write is red", re.search(r"\x1b\[[0-9;]*31m.*write>", pane.run("capture-pane", "-p", "-e")))
        typed("token = \"hvs.CAESIsecretsecretsecret\"", "Enter", end=r"\"\n.*write> *\n*\Z")
        pane.send("C-d")
        pane.wait(r"\$\s*\Z")
        golden("prompt", pane.text(history=True))
        sound_end(pane, "after a prompt")
        path = os.path.join(pane.scratch, "state", "simulated-prompt-history")
        kept = open(path).read()
        check("the history has a chunk in a line, and no secret", '\\n  print(i)\\nend"' in kept and "hvs" not in kept, kept)
        equal("and is its owner's alone", oct(os.stat(path).st_mode & 0o777), "0o600")
        pane.send("clear; ./cmek repl", "Enter")
        pane.wait(r"cmek read> *\n*\Z")
        pane.send("C-r")
        pane.send("-l", "organ")
        pane.wait(r"cloud\.organization")
        pane.send("Enter")
        pane.wait(r"\"\n.*us-east-1 read> *\n*\Z")
        pane.send("-l", ":quit")
        pane.send("Enter")
        sound_end(pane, "after :quit")
    with Pane(60, 16) as pane:
        pane.prompt()
        pane.send("cloud.clusters()", "Enter")
        pane.wait(r"us-east-1 read> *\n*\Z")
        pane.send('read("cluster", "orders")', "Enter")
        golden("prompt-small", pane.wait(r"more lines.*\n.*read> *\n*\Z"))
    with Pane(100, 30, TERM="dumb") as pane:
        pane.run("pipe-pane", f"cat > {pane.scratch}/raw")
        pane.prompt()
        pane.send("cloud.organization()", "Enter")
        pane.wait(r"us-east-1 read> *\n*\Z")
        pane.send("not this")
        pane.wait(r"not this\s*\Z")
        pane.send("C-c")
        pane.wait(r"not this\^C\n.*us-east-1 read> *\n*\Z")
        pane.send(":allow-writes", "Enter")
        pane.wait(r"\[y/N\]\s*\Z")
        pane.send("C-c")
        pane.wait(r"stopped by SIGINT\n.*us-east-1 read> *\n*\Z")
        pane.send("cloud.organization().name", "Enter")
        pane.wait(r'"\n.*us-east-1 read> *\n*\Z')
        pane.send("C-d")
        golden("prompt-dumb", pane.ended())
        with open(os.path.join(pane.scratch, "raw"), newline="") as f:
            equal("prompt-dumb: no control sequence", re.findall(r"\x1b[^\n]{0,8}", f.read()), [])


def hints():
    """What the call takes that is being typed, below the line; it goes with the call, and leaves nothing behind."""
    below = r"\n {2}kms\.describe_key "

    with Pane(72, 12) as pane:
        def shows(pattern, *keys):
            for key in keys:
                pane.send(*(["-l", key[1:]] if key[0] == "=" else [key]))
            return pane.wait(pattern)

        shows(r"cmek read> *\n*\Z", "=./cmek repl", "Enter")
        golden("hint", shows(below + r"\{.*\n*\Z", "=kms.describe_key {"))
        check("of a field", shows(below + r"KeyId: string\n*\Z", "= KeyId = "))
        check("nothing of a call that is closed", shows(r"\{ KeyId = 'x' \} *\n*\Z", "='x' }"))
        check("again inside it", shows(below, "Left", "Left"))
        shows(r"cmek read> *\n*\Z", "C-c")
        shows(r"\n2\ncmek read> *\n*\Z", "=2 or kms.describe_key {}", "Enter")
        check("in a line that is called back", shows(r"\{\} *\n*\Z", "Up") and shows(below, "Left"))
        shows(r"\ncmek read> *\n*\Z", "C-c")
        golden("hint-lines", shows(below + r".*\n*\Z", "=x = {", "Enter", "=  kms.describe_key {"))
        shows(r"\ncmek read> *\n*\Z", "C-c")
        check("of a command", shows(r"\n {2}:save FILE", "=:save"))
        shows(r"\ncmek read> *\n*\Z", "C-c")
        for _ in range(4):   # at the foot of the terminal
            shows(below, "=kms.describe_key {")
            shows(r"\ncmek read> *\n*\Z", "C-c")
        golden("hint-foot", shows(below + r".*\n*\Z", "=kms.describe_key {"))
    with Pane(40, 10) as pane:
        pane.prompt()
        pane.send("-l", "x = { '日本語日本語日本語日', kms.describe_key { KeyId = 'é")
        golden("hint-narrow", pane.wait(below + r".*\n*\Z"))
        equal("the cursor is where it is typed", pane.flag("cursor_x") + "," + pane.flag("cursor_y"), "30,2")
        pane.run("resize-window", "-x", "60", "-y", "10")
        golden("hint-wider", pane.wait(r"kms\.describe_key \{\nKeyId = 'é\n {2}kms\.describe_key KeyId: string\n*\Z"))
        pane.send("C-z")
        pane.wait(r"Stopped.*\n(.*\n)*\$ *\n*\Z")
        pane.send("fg", "Enter")
        pane.wait(r"fg\n(.*\n)*cmek read> x = .*\n?.*'é *\n" + below[2:])
        pane.send("C-c")
        pane.send("C-d")
        sound_end(pane, "after a prompt that was stopped and went on")


def pasted():
    """Lines that come together: marked by the terminal or not, one chunk or several; what stands behind an error is not run."""
    with Pane(70, 30) as pane:
        pane.prompt()
        pane.run("set-buffer", "for i = 1, 2 do\n  print(i)\nend\n")
        pane.run("paste-buffer")
        pane.wait(r"end\n1\n2\ncmek read> *\n*\Z")
        pane.run("set-buffer", "a = 1\n\na + 1\n:time a\nnosuch()\nprint 'not this'\n")
        pane.run("paste-buffer", "-p")
        pane.send("Enter")
        pane.wait(r"\d s\n(.*\n)*cmek read> *\n*\Z")
        with open(os.path.join(pane.scratch, "much"), "w") as f:
            f.write("print 'nor this'\n" * 70000)   # more than can be: not the beginning of it either
        pane.run("load-buffer", os.path.join(pane.scratch, "much"))
        pane.run("paste-buffer", "-p")
        pane.send("-l", "3 * 3")
        pane.send("Enter")
        golden("pasted", pane.wait(r"\n9\ncmek read> *\n*\Z"))
        pane.send("C-d")
        sound_end(pane, "after pasting")


STEPPED = """return { api = 1, summary = "Role and keys", args = { { "cluster", "which" } }, touches = { "cloud", "iam", "kms" },
run = function(arg)
  local cluster, org = read("cluster", arg.cluster), cloud.organization()
  local role = ensure("role", { cluster = cluster,
    trust = policy.cross_account { account_id = cluster.account_id, external_id = org.id } })
  local use = policy.cmek { role = role.arn }
  task.map(cluster.regions, function(region)
    return ensure("key", { cluster = cluster, region = region.name, policy = use })
  end)
  local word = "blue"
  break()
  say("it is " .. word)
end }
"""
REFUSED = ["--fault", "error service=kms operation=CreateKey region=us-west-2 code=LimitExceededException count=1 message=no more keys"]


def stepped(text):
    """The pane without the IDs of requests, which come as the answers come, and the name of its directory."""
    return re.sub(r"(?<=cmek-pane-)\w{8}", "0" * 8, re.sub("(?<=request )" + broken(HEX * 8 + ["-"] + (HEX * 4 + ["-"]) * 3 + HEX * 12), zeros, text))


def stopping():
    with Pane(100, 60, ["--seed", "1", *REFUSED]) as pane:
        with open(os.path.join(pane.scratch, "mine.lua"), "w") as f:
            f.write(STEPPED)
        pane.send("./cmek run ./mine.lua --cluster orders --on-error=repl", "Enter")
        pane.wait(r"mine.lua:11 read> *\n*\Z")
        pane.send(":continue", "Enter")
        pane.wait(r"\[y/N\] *\n*\Z")
        pane.send("y", "Enter")
        pane.wait(r"mine.lua:8 write> *\n*\Z")
        golden("on-error", stepped(pane.text(history=True)))
        pane.send("C-l")
        for line, answer in ((":where", r"2  ./mine.lua:7 .*"), (":locals", r"use +=.*"), ("region.name", '"us-west-2"'), ("call[1]", '"key"'),
                             ("nosuch", r"\^+"), (":where 2", "→ 2 .*"), ("arg", '{ cluster = "orders" }')):
            pane.send(line, "Enter")
            pane.wait(re.escape(line) + r"\n[^\0]*" + answer + r"\nmine.lua:8 write> *\n*\Z")
        pane.send("kms.list_k", "Tab", "C-u", "clus", "Tab")
        pane.wait(r"write> cluster *\n")
        pane.send(".name", "Enter")
        pane.wait(r'"orders"\nmine.lua:8 write> *\n*\Z')
        pane.send("while true do end", "Enter")
        pane.wait(r"true do end *\n*\Z")
        pane.send("C-c")
        pane.wait(r"cancelled\nmine.lua:8 write> *\n*\Z")
        pane.send(":continue", "Enter")
        pane.wait(r"mine.lua:11 write> *\n*\Z")
        pane.send('word = "red"', "Enter")
        pane.wait(r'"red"\nmine.lua:11 write> *\n*\Z')
        pane.send(":continue", "Enter")
        pane.ended()
        golden("on-error-go-on", stepped(pane.text()))
        sound_end(pane, "after a run that stopped")
    with Pane(100, 60, ["--seed", "1", *REFUSED]) as pane:
        with open(os.path.join(pane.scratch, "mine.lua"), "w") as f:
            f.write(STEPPED.replace("break()", ""))
        pane.send("./cmek run ./mine.lua --cluster orders --on-error=repl; echo status $?", "Enter")
        pane.wait(r"\[y/N\] *\n*\Z")
        pane.send("y", "Enter")
        pane.wait(r"mine.lua:8 write> *\n*\Z")
        pane.send("C-d")
        pane.wait(r"status 5")
        pane.ended()
        check("a run that was left at its prompt says how it is finished", "cmek resume" in pane.text())
        pane.send("./cmek resume --yes; echo status $?", "Enter")
        pane.wait(r"status 0")
        sound_end(pane, "after a run that was left")


def asked():
    """What a stranger types first."""
    with Pane(72, 40) as pane:
        pane.prompt()
        pane.send("help", "Enter")
        golden("prompt-help", pane.wait(r":quit.*\n(.*\n)*cmek read> *\n*\Z"))
        pane.send("C-l")
        for key in ("F1", "F5", "PPage", "NPage", "IC", "BTab", "C-Up"):
            pane.send(key)
        pane.send("-l", "ab cd")
        for key in ("C-Left", "M-b", "DC", "C-Right", "=", "5"):   # bcd: no half of what a key sends
            pane.send(key)
        check("keys that mean nothing leave nothing in the line", pane.wait(r"\A.*read> b=5 cd *\n*\Z"))
        pane.send("C-c")
        pane.send("-l", 'plan("console", { cluster = "orders-one" }).summary.create')
        pane.send("Enter")
        check("whose account it is shows behind the first answer, also a plan's", pane.wait(r"\n2\ncmek 2109….* read> *\n*\Z"))
        pane.send("exit()", "Enter")
        sound_end(pane, "after exit()")


PARTS = [whole_run, declined, interrupted, lambda: under_way(80, 24, "wide"), lambda: under_way(40, 24, "narrow"), failed, resized,
         lambda: appended("no-color", NO_COLOR="1"), lambda: appended("dumb", TERM="dumb"), looking, prompt, hints, pasted, asked, stopping]
for part in PARTS:
    if len(sys.argv) < 3 or part.__name__ in sys.argv[2:]:
        part()
peer.done()
