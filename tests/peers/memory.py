"""Looks into the memory of a program at the moment of its end: all is freed, nothing is given back to the system yet.

The kernel stops a traced child there (PTRACE_O_TRACEEXIT). cmek forbids that others look into it, so this takes CAP_SYS_PTRACE: root, as a rule.
"""
import ctypes, os, signal, subprocess

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
TRACEME, CONT, SETOPTIONS, TRACEEXIT, EVENT_EXIT, WALL = 0, 7, 0x4200, 0x40, 6, 0x40000000


def _search(pid, needles):
    """The names of the needles that stand anywhere in what the process may read."""
    found, overlap = set(), max(map(len, needles.values()))
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            while start < end:
                size = min(end - start, 1 << 24)
                try:
                    memory.seek(start)
                    block = memory.read(size)
                except OSError:
                    break   # a guard page, or a device
                found.update(name for name, needle in needles.items() if needle in block)
                start += size if size < (1 << 24) else size - overlap
    return found


def at_the_end(argv, needles, env):
    """Runs argv; its exit status and the names of the needles that were in its memory when it ended."""
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=lambda: libc.ptrace(TRACEME, 0, None, None))
    found, first = None, True
    while True:
        _, status = os.waitpid(child.pid, WALL)
        if not os.WIFSTOPPED(status):
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, found
        deliver = os.WSTOPSIG(status)
        if first:   # it has become the program
            libc.ptrace(SETOPTIONS, child.pid, None, TRACEEXIT)
            first, deliver = False, 0
        elif status >> 8 == signal.SIGTRAP | EVENT_EXIT << 8:
            found, deliver = _search(child.pid, needles), 0
        libc.ptrace(CONT, child.pid, None, deliver)
