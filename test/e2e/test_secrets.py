# SPDX-License-Identifier: Apache-2.0
"""Secrets that never enter the sandbox: what the API gets, what the guest sees, and what nobody else gets."""
import json
import os
import socket
import time

import api
import lab
from harness import test

VALUE = lab.KEY
ASK = 'curl -sS -H "Authorization: Bearer $KEY" '


def saw(word):
    """The requests that the lab's web services saw and that hold `word`."""
    with socket.create_connection((lab.WEB4, 7098), 10) as s:
        s.sendall(word.encode() + b"\n")
        return json.loads(s.makefile().readline())


def headers(request):
    """Of one that was seen, with the names as HTTP/2 has them."""
    return {k.lower(): v for k, v in request["headers"]}


def env(t, **kw):
    return dict({"XDG_STATE_HOME": t.dir + "/state", "KEY": VALUE}, **kw)


def tag(t):
    return "tag-%d-%d" % (t.number, time.monotonic_ns())


def config(t, text):
    path = t.dir + "/weir.yaml"
    with open(path, "w") as f:
        f.write(text)
    return ["--config", path]


@test(smoke=True)
def test_it_works_for_its_api_and_is_nowhere_in_the_sandbox(t):
    w = tag(t)
    r = t.run("--secret", "KEY@api.test", sh='env; echo ---; ' + ASK + "https://api.test/echo?" + w, env=env(t))
    guest, _, answer = r.out.partition("---\n")
    assert VALUE not in r.out and VALUE not in r.err, r
    placeholder = [x for x in guest.splitlines() if x.startswith("KEY=")][0][4:]
    assert placeholder and placeholder != VALUE and len(placeholder) == len(VALUE), r
    got = saw(w)
    assert len(got) == 1 and headers(got[0])["authorization"] == "Bearer " + VALUE, got
    # The echo gave it back, and weir took it out again.
    assert headers(json.loads(answer))["authorization"] == "Bearer " + placeholder, r


@test(smoke=True)
def test_http2_and_http1_alike(t):
    w = tag(t)
    t.run("--secret", "KEY@api.test", sh="for v in --http1.1 --http2; do " + ASK + "$v https://api.test/echo?%s; done" % w, env=env(t))
    got = saw(w)
    assert [headers(g)["authorization"] for g in got] == ["Bearer " + VALUE] * 2, got


@test(smoke=True)
def test_elsewhere_it_is_useless(t):
    """Another host, plain HTTP: 403 and an event, and nothing arrives."""
    w = tag(t)
    r = t.run("--secret", "KEY@api.test", "--tls-intercept", "--events", t.dir + "/ev", sh="""
        for u in https://other.test/echo?%s http://other.test/echo?%s http://api.test/echo?%s; do
            curl -sS -o /dev/null -w '%%{http_code}\n' -H "Authorization: Bearer $KEY" $u; done
        curl -sS -H "Authorization: Bearer $KEY" https://other.test/""" % (w, w, w), env=env(t))
    assert r.out.startswith("403\n403\n403\n") and '"secret-violation"' in r.out, r
    assert saw(w) == [], saw(w)
    events = [json.loads(x) for x in open(t.dir + "/ev")]
    told = [e for e in events if e["event"] == "secret"]
    assert len(told) == 4 and all("KEY" in json.dumps(e) and VALUE not in json.dumps(e) for e in told), told


@test()
def test_every_place_that_is_switched_on(t):
    w = tag(t)
    conf = config(t, """
secrets:
  secrets:
    - {env_var: KEY, allowed_hosts: [api.test], injection: {query_params: true, body: true, path: true, websocket: true}}
""")
    r = t.run(*conf, "--net", "public", sh="""
        curl -sS -u "user:$KEY" https://api.test/echo?%(w)s-basic
        curl -sS "https://api.test/echo?%(w)s-query&k=$KEY"
        curl -sS "https://api.test/echo/$KEY/x?%(w)s-path"
        curl -sS -d "a=1&key=$KEY" https://api.test/echo?%(w)s-form
        curl -sS --json "{\\"key\\": \\"$KEY\\"}" https://api.test/echo?%(w)s-json
        curl -sS -F "key=$KEY" -F "other=@/etc/hostname" https://api.test/echo?%(w)s-multipart
        printf '{"key": "%%s"}' "$KEY" | gzip | curl -sS -H 'Content-Encoding: gzip' --data-binary @- https://api.test/echo?%(w)s-gzip
        printf 'x%%s' "$KEY" | curl -sS -H 'Transfer-Encoding: chunked' --data-binary @- https://api.test/echo?%(w)s-chunked
        """ % dict(w=w), env=env(t))
    assert VALUE not in r.out, r
    import base64
    import gzip as gz
    got = {g["path"].partition(w + "-")[2].split("&")[0]: g for g in saw(w)}
    assert set(got) == {"basic", "query", "path", "form", "json", "multipart", "gzip", "chunked"}, got.keys()
    assert headers(got["basic"])["authorization"] == "Basic " + base64.b64encode(b"user:" + VALUE.encode()).decode()
    assert "k=" + VALUE in got["query"]["path"] and "/%s/x" % VALUE in got["path"]["path"], got
    assert got["form"]["body"] == "a=1&key=" + VALUE and json.loads(got["json"]["body"])["key"] == VALUE, got
    assert VALUE in got["multipart"]["body"] and got["chunked"]["body"] == "x" + VALUE
    assert json.loads(gz.decompress(got["gzip"]["body"].encode("latin-1")))["key"] == VALUE


@test()
def test_the_way_back_is_masked(t):
    """Whatever spelling the origin reflects it in, up to the documented limits."""
    hows = ["raw", "json", "json-escaped", "percent", "form", "base64", "base64-1", "base64-2", "base64url", "gzip", "deflate", "br",
            "zstd", "split", "header", "error", "trailer"]
    r = t.run("--secret", "KEY@api.test", sh="".join(
        "echo '#%s'; %s -i --compressed https://api.test/reflect/%s; echo; %s --http1.1 -i --compressed https://api.test/reflect/%s | base64;\n"
        % (h, ASK, h, ASK, h) for h in hows), env=env(t), timeout=60)
    import base64
    import urllib.parse
    assert VALUE not in r.out and VALUE not in urllib.parse.unquote(r.out), r
    for i in range(3):  # the value at each place of a group of three
        whole = base64.b64encode(b"x" * i + VALUE.encode() + b"yyy").decode().rstrip("=")
        core = whole[(4 if i else 0):-5]
        assert core not in r.out.replace("-", "+").replace("_", "/"), (i, core)
    assert "".join("\\u%04x" % ord(c) for c in VALUE) not in r.out, r
    assert r.out.count("before ") >= 10, r


@test()
def test_a_file_a_command_and_their_change(t):
    """Read where it lies; SIGHUP reads it again; a command's value expires."""
    w = tag(t)
    with open(t.dir + "/key", "w") as f:
        f.write("first-value-of-the-file\n")
    with open(t.dir + "/n", "w") as f:
        f.write("0")
    conf = config(t, """
policy: {default_egress: allow}
secrets:
  secrets:
    - {env_var: FILE_KEY, file: %(d)s/key, allowed_hosts: [api.test]}
    - {env_var: CMD_KEY, command: "n=$(cat %(d)s/n); echo $((n + 1)) > %(d)s/n; echo value-number-$n-of-the-command", expiry: 2s, allowed_hosts: [api.test]}
""" % dict(d=t.dir))
    p = t.spawn(*conf, sh="""
        ask() { curl -sS -H "X-File: $FILE_KEY" -H "X-Cmd: $CMD_KEY" https://api.test/echo?%s-$1 >/dev/null && echo asked $1; }
        ask 1; while [ ! -e %s/go ]; do sleep 0.1; done; sleep 0.7; ask 2""" % (w, t.dir), env=env(t))
    p.wait_for("asked 1")
    with open(t.dir + "/key", "w") as f:
        f.write("second-value-of-the-file\n")
    time.sleep(2.1)
    os.kill(p.pid, 1)
    open(t.dir + "/go", "w").close()
    p.wait(30)
    got = [headers(g) for g in saw(w)]
    assert [g["x-file"] for g in got] == ["first-value-of-the-file", "second-value-of-the-file"], got
    assert got[0]["x-cmd"] == "value-number-0-of-the-command" and got[1]["x-cmd"] != got[0]["x-cmd"], got


@test()
def test_require_stops_a_key_of_the_guests_own(t):
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: KEY, allowed_hosts: [api.test], require: true}]}\n")
    r = t.run(*conf, "--net", "public", sh="""
        curl -sS -o /dev/null -w '%%{http_code}\n' -H 'Authorization: Bearer my-own-smuggled-key' https://api.test/echo?%s
        curl -sS -o /dev/null -w '%%{http_code}\n' https://api.test/echo?%s
        curl -sS -o /dev/null -w '%%{http_code}\n' -H "Authorization: Bearer $KEY" https://api.test/echo?%s""" % (w, w, w), env=env(t))
    assert r.out == "403\n403\n200\n", r
    assert len(saw(w)) == 1, saw(w)


@test()
def test_oauth_tokens_become_placeholders(t):
    """The token of an answer is the guest's to use, and not to have."""
    w = tag(t)
    conf = config(t, """
secrets:
  secrets:
    - {env_var: CLIENT_SECRET, allowed_hosts: [oauth.test, api.test], capture: true, injection: {body: true}}
""")
    r = t.run(*conf, "--net", "public", sh="""
        curl -sS -u "lab-client:$CLIENT_SECRET" -d grant_type=client_credentials https://oauth.test/token > %(d)s/answer
        token=$(jq -r .access_token %(d)s/answer)
        curl -sS -o /dev/null -w '%%{http_code}\n' -H "Authorization: Bearer $token" https://oauth.test/protected?%(w)s
        curl -sS -o /dev/null -w '%%{http_code}\n' -H "Authorization: Bearer $token" https://other.test/echo?%(w)s-other
        """ % dict(d=t.dir, w=w), env=env(t, CLIENT_SECRET=api.CLIENT[1]))
    answer = json.load(open(t.dir + "/answer"))
    assert r.out.startswith("200\n"), (r, answer)
    real = headers(saw(w)[0])["authorization"].split()[1]
    assert real.startswith("token-") and answer["access_token"] != real, (real, answer)
    assert answer["refresh_token"] != api.REFRESH, answer
    assert saw(w + "-other") == [] or real not in json.dumps(saw(w + "-other"))


@test()
def test_aws_signatures_are_made_anew(t):
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: LAB_ACCESS_KEY_ID, env: AWS, allowed_hosts: [api.test], signer: {type: sigv4}}]}\n")
    r = t.run(*conf, "--net", "public", sh="""
        set -e; pair=$LAB_ACCESS_KEY_ID:$LAB_SECRET_ACCESS_KEY; echo $pair
        curl -sS --aws-sigv4 aws:amz:us-east-1:s3 -u "$pair" "https://api.test/sigv4/a/b?%s=1&x=a%%20b"
        curl -sS --http1.1 --aws-sigv4 aws:amz:eu-west-1:execute-api -u "$pair" -d '{"a": 1}' "https://api.test/sigv4/post"
        """ % w, env=env(t, AWS=":".join(api.SIGV4)))
    assert api.SIGV4[1] not in r.out and api.SIGV4[0] not in r.out and r.out.count('"ok": true') == 2, r


@test()
def test_oauth2_client_credentials_are_the_holders(t):
    conf = config(t, """
secrets:
  secrets:
    - {env_var: TOKEN, env: CLIENT, allowed_hosts: [api.test], signer: {type: oauth2-client-credentials, token_url: "https://oauth.test/token"}}
""")
    r = t.run(*conf, "--net", "public", sh="""
        curl -sS -w '%{http_code}\n' -H "Authorization: Bearer $TOKEN" https://api.test/protected
        curl -sS -w '%{http_code}\n' --http1.1 -H "Authorization: Bearer $TOKEN" https://api.test/protected""",
              env=env(t, CLIENT=":".join(api.CLIENT)), timeout=60)
    assert r.out.count('{"ok": true}200') == 2, r


@test()
def test_a_refresh_token_stays_with_the_holder(t):
    conf = config(t, """
secrets:
  secrets:
    - {env_var: TOKEN, env: CLIENT, allowed_hosts: [api.test], signer: {type: oauth2-refresh-token, token_url: "https://oauth.test/token"}}
""")
    r = t.run(*conf, "--net", "public", sh="""
        curl -sS -w '%{http_code}\n' -H "Authorization: Bearer $TOKEN" https://api.test/protected
        curl -sS -H "Authorization: Bearer $TOKEN" https://api.test/echo""",
              env=env(t, CLIENT=":".join(api.CLIENT + (api.REFRESH,))), timeout=60)
    assert r.out.count('{"ok": true}200') == 1 and "token-0" not in r.out and api.REFRESH not in r.out, r


@test()
def test_bodies_are_signed_with_a_key_that_stays(t):
    """HMAC: with a length, in chunks, without a body, in both versions; the key itself goes nowhere."""
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: SIGN, env: HMAC, allowed_hosts: [api.test], signer: {type: hmac, header: X-Signature, algorithm: sha256}}]}\n")
    r = t.run(*conf, "--net", "public", "--tls-intercept", sh="""
        for v in --http1.1 --http2; do
            curl -sS $v -H "X-Signature: $SIGN" -d '{"a": 1}' https://api.test/hmac?%s
            head -c 100000 /dev/zero | curl -sS $v -H "X-Signature: $SIGN" -T - https://api.test/hmac?%s
            curl -sS $v -H "X-Signature: $SIGN" https://api.test/hmac?%s
            curl -sS $v -o /dev/null -w '%%{http_code}\n' -H "X-Signature: $SIGN" -d x https://other.test/hmac?%s
        done""" % (w, w, w, w), env=env(t, HMAC=api.HMAC_KEY))
    assert r.out.count('{"ok": true}') == 6 and r.out.count("403\n") == 2, r
    got = saw(w)
    assert len(got) == 6 and api.HMAC_KEY not in json.dumps(got) + r.out, got


@test()
def test_the_placeholder_itself_may_go_where_it_is_said(t):
    """A collector of logs, in which it will stand; nobody else, and nobody gets the value."""
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: KEY, allowed_hosts: [api.test], passthrough_hosts: [other.test], injection: {body: true}}]}\n")
    r = t.run(*conf, "--net", "public", "--tls-intercept", sh="""
        echo $KEY
        for h in api.test other.test tls12.test; do
            curl -sS -o /dev/null -w '%%{http_code}\n' -H "X-Key: $KEY" -d "key=$KEY" https://$h/echo?%s
        done""" % w, env=env(t))
    placeholder, *codes = r.out.split()
    assert codes == ["200", "200", "403"], r
    assert [(headers(g)["x-key"], g["body"]) for g in saw(w)] == [(VALUE, "key=" + VALUE), (placeholder, "key=" + placeholder)], saw(w)


@test()
def test_where_a_start_would_be_half_it_fails(t):
    """No such variable, no host, a pattern for everything, an unreadable file, a short value, a bypassed host."""
    def fails(want, *opts, **kw):
        r = t.run(*opts, cmd=["true"], rc=125, env=env(t, **kw))
        assert want in r.err and VALUE not in r.err and len(r.err.strip().splitlines()) == 1, (want, r)
    fails("NOSUCH", "--secret", "NOSUCH@api.test")
    fails("KEY", "--secret", "KEY")
    fails("*", "--secret", "KEY@*")
    fails("*.com", "--secret", "KEY@*.com")
    fails("KEY", "--secret", "KEY@api.test", KEY="short")
    fails("/nowhere", *config(t, "secrets: {secrets: [{env_var: KEY, file: /nowhere/key, allowed_hosts: [api.test]}]}\n"))
    fails("command failed", *config(t, "secrets: {secrets: [{env_var: KEY, command: 'false', allowed_hosts: [api.test]}]}\n"))
    fails("api.test", "--secret", "KEY@api.test", "--tls-bypass", "api.test")


def memory(pid):
    """All that can be read of a process's memory."""
    out = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            span, perms = line.split()[:2]
            lo, hi = (int(x, 16) for x in span.split("-"))
            if "r" not in perms or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            try:
                mem.seek(lo)
                out.append(mem.read(hi - lo))
            except (OSError, ValueError):
                pass
    return b"".join(out)


def family(pid):
    """A process and all that descend from it: {pid: command line}."""
    ret = {pid: open("/proc/%d/cmdline" % pid).read()}
    for task in os.listdir("/proc/%d/task" % pid):
        for child in open("/proc/%d/task/%s/children" % (pid, task)).read().split():
            ret.update(family(int(child)))
    return ret


@test(release=True)  # a sanitizer's shadow is terabytes to read, and keeps what was freed
def test_no_process_but_the_holder_has_the_value(t):
    """Memory, environment, arguments, logs, events, captures, cores: the value is in none of them."""
    p = t.spawn("--secret", "KEY@api.test", "--events", t.dir + "/ev", "--pcap", t.dir + "/p.pcapng", "--log-level", "debug", sh=
                ASK + "https://api.test/reflect/raw; " + ASK + "https://other.test/echo; echo asked; sleep 30", env=env(t))
    p.wait_for("asked")
    time.sleep(0.3)
    holders = 0
    for pid, cmd in family(p.pid).items():
        has = VALUE.encode() in memory(pid)
        environ = open("/proc/%d/environ" % pid, "rb").read()
        assert VALUE not in cmd and VALUE.encode() not in environ, (pid, cmd)
        if "keyholder" in cmd:
            holders += 1
            core = [x.split() for x in open("/proc/%d/limits" % pid) if x.startswith("Max core file size")][0]
            assert core[4] == "0", core
        else:
            assert not has, "process %d (%r) has the value in its memory" % (pid, cmd)
    assert holders == 1, family(p.pid)
    p.stop()
    for f in ("ev", "p.pcapng"):
        assert VALUE.encode() not in open(t.dir + "/" + f, "rb").read(), f
    assert VALUE not in p.out and VALUE not in p.err


@test()
def test_the_guest_cannot_look_into_the_gateway(t):
    """Same user, same machine: the packet process and the holder give their memory to nobody but root."""
    code = """
        import glob, os
        r = {}
        for d in glob.glob("/proc/[0-9]*"):
            try:
                name = open(d + "/cmdline").read()
            except OSError:
                continue
            if "--secret" not in name and "keyholder" not in name:
                continue
            for f in ("mem", "environ"):
                try:
                    open(d + "/" + f, "rb").read(1)
                    r[d + "/" + f] = name
                except OSError:
                    pass
        out(r)
    """
    got = t.py(code, "--secret", "KEY@api.test", user=True, env=env(t, XDG_STATE_HOME=lab.ROOT + "/home/state"))
    # What the guest descends from keeps its placeholder in the environment, and no value anywhere.
    assert got == {} or all("mem" not in k for k in got), got


@test()
def test_a_guest_that_bypasses_gets_nothing(t):
    """To a bypassed host TLS is not opened: the placeholder stays one."""
    w = tag(t)
    t.run("--secret", "KEY@api.test", "--tls-intercept", "--tls-bypass", "bypass.test", sh=ASK + "https://bypass.test/echo?" + w, env=env(t))
    got = saw(w)
    assert len(got) == 1 and VALUE not in json.dumps(got), got


@test()
def test_block_and_terminate_ends_the_sandbox(t):
    conf = config(t, "secrets: {secrets: [{env_var: KEY, allowed_hosts: [api.test], on_violation: block-and-terminate}]}\n")
    r = t.run(*conf, "--net", "public", "--tls-intercept", sh=ASK + "https://other.test/; sleep 20; echo still here", env=env(t), rc=None, timeout=20)
    assert r.rc != 0 and "still here" not in r.out and "secret" in r.err and r.seconds < 10, r
    # Whatever the command does to the process that watches over it.
    r = t.run(*conf, "--net", "public", "--tls-intercept", sh="kill -STOP $PPID; " + ASK + "https://other.test/; sleep 20; echo still here", env=env(t), rc=None, timeout=20)
    assert r.rc != 0 and "still here" not in r.out and r.seconds < 10, r


@test()
def test_websocket(t):
    w = tag(t)
    conf = config(t, "secrets: {secrets: [{env_var: KEY, allowed_hosts: [api.test], injection: {websocket: true}}]}\n")
    got = t.py("""
        import asyncio, os, websockets
        async def main():
            r = []
            async with websockets.connect("wss://api.test/ws?%s") as ws:
                for m in ("hello", "key " + os.environ["KEY"], b"\\x00" * 100000, "x" * 200000):
                    await ws.send(m)
                    r.append(await ws.recv())
            return [x if isinstance(x, str) else x.decode("latin-1") for x in r]
        got = asyncio.run(main())
        out([got, os.environ["KEY"]])
    """ % w, *conf, "--net", "public", env=env(t))
    (hello, key, zeros, xs), placeholder = got
    assert hello == "hello" and key == "key " + placeholder and zeros == "\0" * 100000 and xs == "x" * 200000
    sent = [g["body"] for g in saw(w) if g["method"] == "message"]
    assert "key " + VALUE in sent, sent


@test()
def test_nothing_waits_while_secrets_are_read_anew(t):
    """A source that takes its time: traffic goes on, the old value stays until the new one is there, and a SIGHUP meanwhile counts."""
    w, slow, end = tag(t), t.dir + "/slow", t.dir + "/end"

    def value(text):
        with open(t.dir + "/value", "w") as f:
            f.write(text)

    value("value-number-one")
    conf = config(t, """
policy: {default_egress: allow}
secrets: {secrets: [{env_var: KEY, command: "[ ! -e %s ] || sleep 1.5; cat %s/value", allowed_hosts: [api.test]}]}
""" % (slow, t.dir))
    p = t.spawn(*conf, "--log-level", "info", cmd=t.py_cmd("""
        import os, ssl, urllib.request
        trust = ssl.create_default_context()
        def ask(url): return urllib.request.urlopen(urllib.request.Request(url, headers={"X-Key": os.environ["KEY"]} if url[4] == "s" else {}), timeout=10, context=trust if url[4] == "s" else None).read()
        ask("https://api.test/echo?%s-before")
        print("asked", flush=True)
        longest, count = 0, 0
        while not os.path.exists("%s"):
            t0 = time.monotonic()
            assert ask("http://" + WEB4 + "/").startswith(b"hello")
            if count == 5: ask("https://api.test/echo?%s-while")
            longest, count = max(longest, time.monotonic() - t0), count + 1
            time.sleep(0.05)
        ask("https://api.test/echo?%s-after")
        out([longest, count])
    """ % (w, end, w, w)), env=env(t))
    p.wait_for("asked")
    open(slow, "w").close()
    os.kill(p.pid, 1)
    t0 = time.monotonic()
    time.sleep(0.7)
    assert "is in force" not in p.err, p.err
    value("value-number-two")
    os.kill(p.pid, 1)
    while p.err.count("is in force") < 2:
        assert time.monotonic() - t0 < 20, p.err
        time.sleep(0.02)
    took = time.monotonic() - t0
    open(end, "w").close()
    longest, count = json.loads(p.wait(30).out.strip().split("\n")[-1])
    assert took > 2.9 and count > 20 and longest < 0.7, (took, count, longest)
    got = [headers(g)["x-key"] for g in saw(w)]
    assert got == ["value-number-one"] * 2 + ["value-number-two"], got


@test()
def test_a_changed_file_brings_other_sources(t):
    """The key holder is sealed to what it was started with; what the file says now it finds by itself."""
    w = tag(t)
    one = "policy: {default_egress: allow}\nsecrets: {secrets: [{env_var: KEY, file: one, placeholder: a-fixed-placeholder, allowed_hosts: [api.test]}]}\n"
    config(t, one)
    for name in ("one", "two", "three"):
        with open("%s/%s" % (t.dir, name), "w") as f:
            f.write("value-of-file-" + name)
    p = t.spawn("--config", "weir.yaml", "--log-level", "info", sh="""
        ask() { curl -sS -H "X-Key: $KEY" https://api.test/echo?%s >/dev/null && echo asked $1; }
        ask 1; while [ ! -e %s/go ]; do sleep 0.1; done; ask 2""" % (w, t.dir), env=env(t), cwd=t.dir)
    p.wait_for("asked 1")
    config(t, one.replace("file: one", "file: two"))
    os.kill(p.pid, 1)
    p.wait_for("is in force", where="err")
    config(t, one.replace("file: one", "command: cat three nowhere"))
    os.kill(p.pid, 1)
    p.wait_for("its command failed", where="err")
    open(t.dir + "/go", "w").close()
    p.wait(30)
    assert [headers(g)["x-key"] for g in saw(w)] == ["value-of-file-one", "value-of-file-two"], saw(w)
