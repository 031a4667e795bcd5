# SPDX-License-Identifier: Apache-2.0
"""Unmodified programs accept what weir intercepts: the command's trusted certificates have weir's authority among them."""
import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile

import lab
from harness import test

INTERCEPT = ["--tls-intercept"]


def state(t):
    """The authority of this test alone."""
    return {"XDG_STATE_HOME": t.dir + "/state"}


def publish(path, data):
    path = "%s/www/%s" % (lab.ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def go(t, *cmd, sh=None, env=None, timeout=60, **kw):
    return t.run(*INTERCEPT, cmd=cmd, sh=sh, env=dict(state(t), **(env or {})), timeout=timeout, **kw)


@test(smoke=True)
def test_who_signs_what_the_guest_sees(t):
    """The leaf is weir's, for the name that was asked for; the authority's certificate comes with it."""
    t.need("openssl")
    r = go(t, sh="openssl s_client -connect api.test:443 -servername api.test -verify_return_error -verify_hostname api.test "
                 "-showcerts </dev/null 2>&1")
    assert "Verify return code: 0 (ok)" in r.out, r
    assert "weir" in r.out.split("issuer=")[1].splitlines()[0], r
    assert r.out.count("BEGIN CERTIFICATE") == 2, r
    ca = t.host([t.weir, "ca", "show"], env=state(t)).out
    assert "BEGIN CERTIFICATE" in ca and "PRIVATE" not in ca, ca
    body = ca.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].strip()
    assert body.replace("\n", "") in r.out.replace("\n", ""), r
    key = t.host([t.weir, "ca", "path"], env=state(t)).out
    assert t.dir in key, key
    mode = os.stat(t.dir + "/state/weir/tls/ca.key").st_mode & 0o777
    assert mode == 0o600, oct(mode)


@test(smoke=True)
def test_curl_wget_and_git(t):
    t.need("curl", "wget", "git")
    r = go(t, sh="""set -e
        curl -sS https://api.test/quick; curl -sS --http1.1 https://api.test/quick
        wget -qO- https://api.test/quick
        git ls-remote https://git.test/git/project.git | head -n 1
        env -i PATH="$PATH" curl -sS https://api.test/quick
        env -i PATH="$PATH" wget -qO- https://api.test/quick""")
    assert r.out.count("quick\n") == 5 and "\tHEAD" in r.out, r


@test(smoke=True)
def test_python(t):
    r = go(t, lab.PYTHON, "-c", """if True:
        import ssl, urllib.request, http.client, requests
        print(urllib.request.urlopen("https://api.test/quick").read())
        print(requests.get("https://api.test/quick").content)
        c = ssl.create_default_context()
        import socket
        s = c.wrap_socket(socket.create_connection(("api.test", 443)), server_hostname="api.test")
        print([v for rdn in s.getpeercert()["issuer"] for k, v in rdn])
    """)
    assert r.out.count("b'quick\\n'") == 2 and "weir" in r.out, r


@test()
def test_node_and_npm(t):
    t.need("node")
    r = go(t, "node", "-e", "fetch('https://api.test/quick').then(r => r.text()).then(console.log)")
    assert "quick" in r.out, r
    if not any(os.access(d + "/npm", os.X_OK) for d in os.environ["PATH"].split(":")):
        return
    tgz = io.BytesIO()
    with tarfile.open(fileobj=tgz, mode="w:gz") as tar:
        data = b'{"name": "labpkg", "version": "1.0.0"}'
        info = tarfile.TarInfo("package/package.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    base = "https://api.test/static/npm/"
    publish("npm/labpkg-1.0.0.tgz", tgz.getvalue())
    publish("npm/labpkg", json.dumps({
        "name": "labpkg", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
            "name": "labpkg", "version": "1.0.0",
            "dist": {"tarball": base + "labpkg-1.0.0.tgz", "shasum": hashlib.sha1(tgz.getvalue()).hexdigest()}}}}))
    r = go(t, sh="mkdir p && cd p && npm init -y >/dev/null && npm install --no-audit --no-fund --no-update-notifier "
                 "--registry=%s labpkg && cat node_modules/labpkg/package.json" % base, cwd=t.dir, timeout=90,
           env={"HOME": t.dir, "npm_config_cache": t.dir + "/npm"})
    assert '"labpkg"' in r.out, r


@test()
def test_pip(t):
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("labpkg.py", "x = 1\n")
        z.writestr("labpkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: labpkg\nVersion: 1.0\n")
        z.writestr("labpkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("labpkg-1.0.dist-info/RECORD", "")
    publish("pip/simple/labpkg/labpkg-1.0-py3-none-any.whl", wheel.getvalue())
    publish("pip/simple/labpkg/index.html", '<a href="labpkg-1.0-py3-none-any.whl">labpkg-1.0-py3-none-any.whl</a>')
    r = go(t, lab.PYTHON, "-m", "pip", "download", "--no-cache-dir", "--disable-pip-version-check", "-d", t.dir + "/got",
           "--index-url", "https://api.test/static/pip/simple/", "labpkg", env={"HOME": t.dir}, cwd=t.dir, timeout=90)
    assert os.path.exists(t.dir + "/got/labpkg-1.0-py3-none-any.whl"), r


@test()
def test_apt_over_https(t):
    t.need("apt-get", "dpkg-deb")
    d = t.dir + "/deb"
    os.makedirs(d + "/DEBIAN")
    with open(d + "/DEBIAN/control", "w") as f:
        f.write("Package: labpkg\nVersion: 1\nArchitecture: all\nMaintainer: lab <lab@test>\nDescription: a package of the lab\n")
    os.makedirs(lab.ROOT + "/www/apt", exist_ok=True)
    t.host(["dpkg-deb", "--root-owner-group", "-b", d, lab.ROOT + "/www/apt/labpkg_1_all.deb"])
    deb = open(lab.ROOT + "/www/apt/labpkg_1_all.deb", "rb").read()
    publish("apt/Packages", open(d + "/DEBIAN/control").read() + "Filename: ./labpkg_1_all.deb\nSize: %d\nSHA256: %s\n\n" % (
        len(deb), hashlib.sha256(deb).hexdigest()))
    for sub in ("lists/partial", "cache/archives/partial", "etc"):
        os.makedirs("%s/apt/%s" % (t.dir, sub))
    with open(t.dir + "/apt/etc/sources.list", "w") as f:
        f.write("deb [trusted=yes] https://api.test/static/apt ./\n")
    a = t.dir + "/apt"
    opts = ["-o", "Dir::State::Lists=%s/lists" % a, "-o", "Dir::Cache=%s/cache" % a, "-o", "Dir::Etc::SourceList=%s/etc/sources.list" % a,
            "-o", "Dir::Etc::SourceParts=-", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]
    r = go(t, "sh", "-ec", 'apt-get "$@" update; cd %s; apt-get "$@" download labpkg; ls' % t.dir, "sh", *opts, timeout=90)
    assert "labpkg_1_all.deb" in r.out, r


JAVA = """
import java.net.*; import java.io.*; import javax.net.ssl.*;
public class Fetch { public static void main(String[] a) throws Exception {
    HttpsURLConnection c = (HttpsURLConnection) new URL("https://api.test/quick").openConnection();
    System.out.println(new BufferedReader(new InputStreamReader(c.getInputStream())).readLine());
    System.out.println(c.getServerCertificates()[1]);
} }
"""


@test(timeout=120)
def test_java(t):
    t.need("java")
    with open(t.dir + "/Fetch.java", "w") as f:
        f.write(JAVA)
    r = go(t, "java", t.dir + "/Fetch.java", timeout=100, env={"HOME": t.dir})
    assert "quick" in r.out and "weir" in r.out, r
    assert "JAVA_TOOL_OPTIONS" not in r.err, r


GO = """package main
import ("fmt"; "io"; "net/http")
func main() {
    r, err := http.Get("https://api.test/quick")
    if err != nil { panic(err) }
    b, _ := io.ReadAll(r.Body)
    fmt.Println(string(b), r.Proto, r.TLS.PeerCertificates[0].Issuer)
}
"""


@test(timeout=180)
def test_go(t):
    t.need("go")
    with open(t.dir + "/fetch.go", "w") as f:
        f.write(GO)
    env = {"GOCACHE": t.dir + "/gocache", "GOPATH": t.dir + "/gopath", "GO111MODULE": "off", "HOME": t.dir}
    t.host(["go", "build", "-o", t.dir + "/fetch", t.dir + "/fetch.go"], env=env, timeout=170)
    r = go(t, t.dir + "/fetch")
    assert "quick" in r.out and "HTTP/2" in r.out and "weir" in r.out, r


@test()
def test_the_hosts_own_files_are_as_before(t):
    """Nothing outside changes, and nothing is left: the bundle is in the command's own mount namespace."""
    path = "/etc/ssl/certs/ca-certificates.crt"
    t.need("sha256sum")
    if not os.path.exists(path):
        t.skip("no %s here" % path)
    before = open(path, "rb").read()
    names = set(os.listdir("/etc/ssl/certs"))
    r = go(t, sh="cat %s | sha256sum; ls /etc/ssl/certs | wc -l; touch /etc/ssl/certs/x 2>/dev/null; echo $SSL_CERT_FILE" % path)
    assert hashlib.sha256(before).hexdigest() not in r.out, r
    assert open(path, "rb").read() == before and set(os.listdir("/etc/ssl/certs")) == names


@test()
def test_two_starters_end_with_one_authority(t):
    ps = [t.spawn(*INTERCEPT, cmd=["cat", "/etc/ssl/certs/ca-certificates.crt"], env=state(t)) for _ in range(6)]
    outs = {p.wait(60).out for p in ps}
    assert len(outs) == 1, [len(o) for o in outs]
    assert {"ca.crt", "ca.key"} <= set(os.listdir(t.dir + "/state/weir/tls"))


@test()
def test_a_wrong_authority_fails_the_start(t):
    """Both or neither, matching, in force, an authority: the message says which file and what to do."""
    d = t.dir + "/"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for n in ("a", "b"):
        t.host(["openssl", "req", "-x509"] + curve + ["-keyout", d + n + ".key", "-out", d + n + ".pem", "-days", "5", "-subj", "/CN=" + n,
                                                      "-addext", "basicConstraints=critical,CA:TRUE"])
    shared = lab.ROOT + "/"
    for cert, key, want in (
            (d + "a.pem", d + "b.key", "match"), (d + "none.pem", d + "a.key", "none.pem"), (d + "a.pem", d + "none.key", "none.key"),
            (shared + "server.pem", shared + "server.key", "authority"), (d + "a.key", d + "a.key", "a.key")):
        r = t.run("--tls-ca", cert + ":" + key, *INTERCEPT, cmd=["true"], rc=125, env=state(t))
        assert want in r.err and len(r.err.strip().splitlines()) == 1, (want, r)
    r = t.run("--tls-ca", d + "a.pem:" + d + "a.key", *INTERCEPT, cmd=["curl", "-sS", "https://api.test/quick"], env=state(t))
    assert r.out == "quick\n", r
    assert not os.path.exists(t.dir + "/state/weir"), "another authority was made"


@test(timeout=120)
def test_cargo(t):
    """A registry of files, asked over HTTP; only where there is a cargo, which no package of ours brings."""
    cargo = shutil.which("cargo")
    if not cargo:
        return
    crate = io.BytesIO()
    with tarfile.open(fileobj=crate, mode="w:gz") as tar:
        for name, data in (("Cargo.toml", b'[package]\nname = "labcrate"\nversion = "1.0.0"\nedition = "2021"\n'), ("src/lib.rs", b"")):
            info = tarfile.TarInfo("labcrate-1.0.0/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    base = "https://api.test/static/cargo/"
    publish("cargo/config.json", json.dumps({"dl": base + "dl"}))
    publish("cargo/dl/labcrate/1.0.0/download", crate.getvalue())
    publish("cargo/la/bc/labcrate", json.dumps({"name": "labcrate", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
                                                "cksum": hashlib.sha256(crate.getvalue()).hexdigest()}) + "\n")
    os.makedirs(t.dir + "/p/src")
    for name, data in (("Cargo.toml", '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
                                      'labcrate = {version = "1", registry = "lab"}\n'), ("src/lib.rs", "")):
        with open(t.dir + "/p/" + name, "w") as f:
            f.write(data)
    rustup = os.path.dirname(os.path.dirname(os.path.dirname(cargo))) + "/.rustup"  # the lab has another HOME
    home = {"RUSTUP_HOME": rustup} if os.path.isdir(rustup) else {}
    r = go(t, "cargo", "fetch", cwd=t.dir + "/p", timeout=100,
           env=dict(home, CARGO_HOME=t.dir + "/cargo", CARGO_REGISTRIES_LAB_INDEX="sparse+" + base))
    assert "labcrate" in open(t.dir + "/p/Cargo.lock").read() and os.listdir(t.dir + "/cargo/registry/cache"), r
