# SPDX-License-Identifier: Apache-2.0
"""`weir ca`: the authority is shown, found and made; its key is shown to nobody."""
import json
import os
import stat
import subprocess

from harness import test


def ca(t, *args, rc=0, where=None, **env):
    return t.host([t.weir, "ca"] + list(args), env=dict({"XDG_STATE_HOME": where or t.dir + "/state"}, **env), rc=rc)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@test(smoke=True)
def test_one_is_made_and_shown(t):
    t.need("openssl")
    cert, key = t.dir + "/state/weir/tls/ca.crt", t.dir + "/state/weir/tls/ca.key"
    r = ca(t, "show", rc=125)
    assert r.out == "" and "weir ca create" in r.err, r
    assert ca(t, "path").out == "%s\n%s\n" % (cert, key)
    assert not os.path.exists(t.dir + "/state"), "show and path make nothing"
    r = ca(t, "create")
    assert cert in r.out and key in r.out, r
    assert (mode(cert), mode(key), mode(os.path.dirname(key))) == (0o644, 0o600, 0o700)
    shown = ca(t, "show").out
    said = t.host(["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-ext", "basicConstraints,keyUsage"],
                  stdin=shown.encode()).out
    with open(cert) as f:
        assert f.read() in shown, shown
    assert "CA:TRUE, pathlen:0" in said and "Certificate Sign, CRL Sign" in said, said
    fingerprint = said.split("Fingerprint=")[1].splitlines()[0]
    assert "# SHA-256: %s\n" % fingerprint in shown, shown
    text = ca(t, "show", "--text").out
    assert "Public Key Algorithm: id-ecPublicKey" in text and "BEGIN CERTIFICATE" in text, text
    for args in (["show"], ["show", "--text"], ["show", "--json"], ["path"]):
        assert "PRIVATE KEY" not in ca(t, *args).out, args


@test(smoke=True)
def test_json_has_all_of_it(t):
    assert json.loads(ca(t, "path", "--json").out) == {
        "cert": t.dir + "/state/weir/tls/ca.crt", "key": t.dir + "/state/weir/tls/ca.key"}
    made = json.loads(ca(t, "create", "--json").out)
    assert made == json.loads(ca(t, "show", "--json").out)
    assert list(made) == ["cert", "key", "subject", "sha256", "not_before", "not_after", "in_force", "pem"], made
    assert made["in_force"] is True and made["not_before"] < made["not_after"], made
    with open(made["cert"]) as f:
        assert f.read() == made["pem"]


@test(smoke=True)
def test_one_that_is_there_stays_unless_force(t):
    first = json.loads(ca(t, "create", "--json").out)
    r = ca(t, "create", rc=125)
    assert "already" in r.err and "--force" in r.err, r
    assert json.loads(ca(t, "show", "--json").out) == first
    second = json.loads(ca(t, "create", "--force", "--json").out)
    assert second["sha256"] != first["sha256"] and second["subject"] != first["subject"], second


@test(smoke=True)
def test_several_at_once_make_one(t):
    env = dict(os.environ, XDG_STATE_HOME=t.dir + "/state")
    starters = [subprocess.Popen([t.weir, "ca", "create"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(8)]
    assert sorted(p.wait(timeout=30) for p in starters) == [0] + [125] * 7
    assert ca(t, "show").out
    assert sorted(os.listdir(t.dir + "/state/weir/tls")) == ["ca.crt", "ca.key", "lock"]


@test(smoke=True)
def test_what_is_wrong_is_said(t):
    for args, says in [([], "expected show, path or create"), (["shwo"], "'shwo'"), (["show", "path"], "'path'"),
                       (["show", "--force"], "--force"), (["path", "--text"], "--text"), (["show", "--jsn"], "--jsn"),
                       (["show", "--text", "--json"], "--text")]:
        r = ca(t, *args, rc=125)
        assert r.out == "" and says in r.err and r.err.startswith("weir: ") and r.err.count("\n") == 1, r
    assert "weir ca create" in ca(t, "--help").out
    r = ca(t, "create", rc=125, where="/proc/nowhere")
    assert "/proc/nowhere" in r.err, r
    r = t.host(["sh", "-c", "%s ca path >/dev/full" % t.weir], env={"XDG_STATE_HOME": t.dir}, rc=125)
    assert "standard output" in r.err, r
