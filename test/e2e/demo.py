#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
What `make demo` shows: a few real programs behind `weir run` in the laboratory (lab.py), what they got, how
fast, and what was refused and why, by address and by name. Exits with 1 where something that should work did not, or the reverse.
"""
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

WEIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../build/weir"))
TTY = sys.stdout.isatty()
BOLD, GREEN, RED, DIM, OFF = ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m") if TTY else ("",) * 5
wrong = 0


def heading(text):
    print("\n%s%s%s" % (BOLD, text, OFF), flush=True)


def show(cmd, options=(), good=True, keep=lambda line: True, most=6, note=""):
    """Runs cmd behind weir and shows the command, some of its output, its time, and whether it went as it should."""
    global wrong
    argv = [WEIR, "run"] + list(options) + ["--"] + (["sh", "-c", cmd] if isinstance(cmd, str) else cmd)
    shown = "weir run %s-- %s" % ("".join(o + " " for o in options), "sh -c '%s'" % cmd if isinstance(cmd, str) else " ".join(cmd).replace("\n", "\\n"))
    print("  %s$ %s%s" % (DIM, shown, OFF), flush=True)
    began = time.monotonic()
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           errors="replace", timeout=60)
        rc, out = p.returncode, p.stdout
    except subprocess.TimeoutExpired:
        rc, out = 124, "no end after 60 s"
    took = time.monotonic() - began
    ok = (rc == 0) == good and rc not in (124, 125, 126, 127)  # weir's own failures are no refusals
    wrong += not ok
    lines = [x for x in out.splitlines() if x.strip() and keep(x)]
    for line in lines[:most] if ok else lines[-20:]:
        print("      " + line)
    mark = (GREEN + "ok" if ok else RED + "NOT AS IT SHOULD BE (exit %d)" % rc) + OFF
    print("    %s %s in %.2f s%s" % (mark, "worked" if good else "refused", took, "; " + note if note else ""), flush=True)


def check(args):
    """The same policy, asked without sending anything."""
    global wrong
    words = [w for a in args for w in a.split()]
    print("  %s$ weir check %s%s" % (DIM, " ".join(words), OFF), flush=True)
    p = subprocess.run([WEIR, "check"] + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60)
    wrong += p.returncode != 1  # some of it is denied
    for line in p.stdout.splitlines():
        print("      " + line)


def speed(cmd, what):
    """A transfer whose speed curl tells."""
    global wrong
    p = subprocess.run([WEIR, "run", "--"] + cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60)
    try:
        rate = float(p.stdout.split()[-1]) * 8 / 1e9
        print("    %-44s %s%6.1f Gbit/s%s" % (what, BOLD, rate, OFF), flush=True)
    except (ValueError, IndexError):
        wrong += 1
        print("    %-44s %sfailed (exit %d)%s" % (what, RED, p.returncode, OFF))


def main():
    lab.enter()
    print("making an internet of namespaces: routers, DNS, a web server with TLS, git, ssh ...", flush=True)
    world = lab.Lab()
    world.up(full=False)
    world.file("big", 1 << 30)

    heading("Unchanged programs, in a network that is weir alone")
    show(["curl", "-sS", "-w", "HTTP/%{http_version} %{http_code} from %{remote_ip}\n", "https://web.test/"])
    show(["curl", "-6", "-sS", "-w", "HTTP/%{http_version} %{http_code} from %{remote_ip}\n", "https://web.test/"])
    os.environ["GIT_SSH_COMMAND"] = "ssh -F %s/ssh/config" % lab.ROOT
    show("cd $(mktemp -d) && git clone -q ssh://ssh.test%s/git/project.git project && git -C project log --oneline | head -3" % lab.ROOT)
    show(["ssh", "-F", lab.ROOT + "/ssh/config", "ssh.test", "echo logged in from $SSH_CONNECTION"])
    show(["dig", "+noall", "+answer", "web.test", "AAAA"])
    show(["ping", "-c", "2", "-i", "0.2", "web.test"], keep=lambda x: "bytes from" in x or "loss" in x)
    show(["traceroute", "-n", "-q", "1", "-w", "1", "web.test"])

    heading("Speed, one TCP connection, MTU 1500")
    rate = ["-w", "%{speed_download}"]
    speed(["curl", "-sS", "-o", "/dev/null"] + rate + ["http://web.test/big"], "download, 1 GiB over http")
    speed(["curl", "-sS", "-o", "/dev/null", "-T", lab.ROOT + "/www/big", "-w", "%{speed_upload}", "http://web.test/up/demo"],
          "upload, 1 GiB over http")

    heading("What the default policy refuses, at once and with a reason")
    tail = ["--connect-timeout", "5"]
    show(["curl", "-sS"] + tail + ["http://169.254.169.254/latest/meta-data/"], good=False)
    show(["curl", "-sS"] + tail + ["http://10.0.0.1/"], good=False)
    show(["curl", "-sS"] + tail + ["http://host.weir.internal:22/"], good=False)
    show(["ping", "-c", "1", "-W", "2", "192.168.77.2"], good=False, keep=lambda x: "From" in x or "refused" in x or "preset" in x)

    heading("Only what was allowed, by name: here git.test, which has one address together with registry.test")
    only = ["--allow", "git.test:tcp:443"]
    show("cd $(mktemp -d) && git clone https://git.test/git/project.git && git -C project fetch --verbose", options=only,
         keep=lambda x: x.startswith(("Cloning", "From", " =")))
    show(["curl", "-sS"] + tail + ["https://registry.test/"], options=only, good=False, note="no other name is answered")
    show(["curl", "-sS"] + tail + ["https://%s/" % lab.SHARED4], options=only, good=False, note="an address without a name")
    show(["curl", "-sS", "--connect-to", "::git.test", "https://registry.test/"], options=only, good=False,
         note="the address of the one, the TLS server name of the other")
    show(["curl", "-sS"] + tail + ["http://git.test/"], options=only, good=False, note="the right name, another port")
    show(["dig", "+noall", "+comments", "+additional", "registry.test"], options=only,
         keep=lambda x: "status" in x or "EDE" in x, note="and a resolver's client is told which rule")
    check(only + ["https://git.test/git/project.git", "https://registry.test/", "tcp %s:443" % lab.SHARED4])

    heading("A secret that never enters the sandbox: the program has a placeholder, its API gets the key")
    os.environ.update(API_KEY=lab.KEY, XDG_STATE_HOME=lab.ROOT + "/tmp/state")
    secret = ["--secret", "API_KEY@web.test"]
    ask = 'curl -fsS -H "Authorization: Bearer $API_KEY" https://%s/key'
    show("echo $API_KEY", options=secret, note="which is not the key")
    show(ask % "web.test", options=secret, note="and yet the web server got it, over HTTP/2, in a request that weir had read")
    show(ask % "www.test", options=secret, good=False, note="another host gets the placeholder, which is worth nothing there")
    show(ask % "www.test", options=secret + ["--tls-intercept"], good=False, note="and where weir looks into all TLS, not even that")
    show(ask.replace("https", "http") % "web.test", options=secret, good=False, note="nor does the right one without TLS")

    heading("The truth about what is allowed")
    show(["curl", "-4", "-sS"] + tail + ["http://web.test:9/"], good=False,
         note="that port refuses: weir says so as the server did")
    show(["curl", "-4", "-sS"] + tail + ["http://unreachable.test/"], good=False, note="unreachable: told, not timed out")

    print()
    if wrong:
        print("%sdemo: %d of the steps did not go as they should%s" % (RED, wrong, OFF))
        return 1
    print("%sdemo: everything went as it should.%s Try it yourself: build/weir run -- COMMAND" % (GREEN, OFF))
    return 0


if __name__ == "__main__":
    sys.exit(main())
