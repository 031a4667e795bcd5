#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The laboratory: a small internet made of network namespaces, for end-to-end tests and the demo.

    lab.py [-- COMMAND...]     runs COMMAND (or a shell) on the lab's host

Everything lives in one mount, one PID and several network namespaces of its own. When the first
process of the lab goes, however it goes, the kernel ends all others and takes down all that was
made: nothing is cleaned up by hand, and nothing outside is changed.

    host ---- r1 ---- r2 ---- internet          198.51.100.0/24 and 2001:db8:51::/48
     |                 |
     |                 +----- narrow            the same, behind a link with an MTU of 1300
     |                 +----- origin            192.31.196.0/24 and 2620:4f:8000::/48
     192.168.77.2, 2001:db8:77::2: where weir runs

The host's default route leads to r1, and r1 has none: nothing has a route to the world outside. r2 drops what goes to the `dead` addresses, and answers
"host unreachable" for the `unreachable` and "administratively prohibited" for the `prohibited`
ones. Port 9 of every server refuses. The origin's addresses are such that names may have them (special-purpose, but
globally reachable); its servers record what reaches them (services.py), and its name server is a hostile one (zones.py).
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = "/run/lab"  # on a tmpfs that only the lab sees
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"

HOST4, HOST6 = "192.168.77.2", "2001:db8:77::2"
R1_4, R1_6 = "192.168.77.1", "2001:db8:77::1"
R2_4, R2_6 = "203.0.113.2", "2001:db8:78::2"
WEB4, WEB6 = "198.51.100.10", "2001:db8:51::10"  # web, git, rsync, the services of services.py
ALT4, ALT6 = "198.51.100.11", "2001:db8:51::11"  # the same machine's second address
SSH4, SSH6 = "198.51.100.22", "2001:db8:51::22"
DNS4, DNS6 = "198.51.100.53", "2001:db8:51::53"
DEAD4, DEAD6 = "198.51.100.66", "2001:db8:51::66"
UNREACH4, UNREACH6 = "198.51.100.67", "2001:db8:51::67"
PROHIBIT4, PROHIBIT6 = "198.51.100.68", "2001:db8:51::68"
NARROW4, NARROW6 = "198.51.100.70", "2001:db8:51:70::70"
NARROW_MTU = 1300
NOROUTE4, NOROUTE6 = "198.51.100.99", "2001:db8:51::99"  # what the host itself has no route to
ELSEWHERE4, ELSEWHERE6 = "9.9.9.9", "2620:fe::9"  # what the first router has no route to
ORIGIN4, ORIGIN6 = "192.31.196.2", "2620:4f:8000::2"  # the hostile name server, and what asks the origin's records
SITE4, SITE6 = "192.31.196.%d", "2620:4f:8000:1::%x"  # the servers of each test have addresses of their own: of 128 + N
SITES = 120
SHARED4, SHARED6 = "192.31.196.100", "2620:4f:8000:2::100"  # two names have it, as on shared hosting; the web server's, too
API4, API6 = "192.31.196.101", "2620:4f:8000:2::101"  # the services of api.py: the web server's, too
SERVERS4 = [WEB4, ALT4, SSH4, DNS4]
SERVERS6 = [WEB6, ALT6, SSH6, DNS6]
NAMES = {  # NAME.test
    "web": (WEB4, WEB6), "www": (WEB4, WEB6), "alt": (ALT4, ALT6), "ssh": (SSH4, SSH6), "ns": (DNS4, DNS6),
    "v4only": (WEB4, None), "v6only": (None, WEB6), "dead": (DEAD4, DEAD6), "unreachable": (UNREACH4, UNREACH6),
    "dead6": (WEB4, DEAD6), "unreachable6": (WEB4, UNREACH6), "dead4": (DEAD4, WEB6),
    "git": (SHARED4, SHARED6), "registry": (SHARED4, SHARED6),
}
NAMES.update((n, (API4, API6)) for n in (
    "api", "other", "oauth", "bypass", "tls12", "tls13", "mtls", "h1", "expired", "wrongname", "selfsigned", "private", "raw"))

KEY = "sk-lab-4f9dc1b2A7e0Zq83LmNp55Tt"  # what https://web.test/key wants
USER, USER_ID = "lab", 4242  # an ordinary user, known inside the lab only
BIG_FILE = 1 << 30


def sh(cmd, **kw):
    """Runs a command that must succeed."""
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode:
        raise RuntimeError("lab: %s: exit %d: %s" % (cmd, r.returncode, r.stdout.strip()))
    return r.stdout


def ip(*args, ns=None):
    sh((["nsenter", "--net=/run/netns/" + ns] if ns else []) + ["ip"] + list(args))


def sysctl(ns, **values):
    code = "".join("echo '%s' > /proc/sys/%s; " % (v, k.replace("__", "/")) for k, v in values.items())
    sh((["nsenter", "--net=/run/netns/" + ns] if ns else []) + ["sh", "-ec", code])


def enter():
    """Goes on inside new namespaces; comes back only there, in a process that is not the first one."""
    if os.environ.get("WEIR_LAB") != "1":
        if os.geteuid() != 0:
            os.execvp("sudo", ["sudo", "--preserve-env=CI,WEIR_KEEP,TERM,COLUMNS"] + [PYTHON] + sys.argv)
        os.environ["WEIR_LAB"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--ipc", "--uts", "--pid", "--fork",
                              "--kill-child=KILL", "--mount-proc", "--propagation", "private",
                              PYTHON] + sys.argv)
    pid = os.fork()
    if pid:  # the namespace's init: reaps, passes signals on, and takes everything with it when it goes
        def pass_on(sig, frame):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, pass_on)
        while True:
            try:
                got, status = os.wait()
            except InterruptedError:
                continue
            if got == pid:
                sys.stdout.flush()
                os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Lab:
    full = True

    def __init__(self):
        self.procs = []

    # ---- the machine: files that only the lab sees -------------------------------------------------
    def files(self):
        resolv = os.path.realpath("/etc/resolv.conf")
        sh(["mount", "-t", "tmpfs", "-o", "mode=755,size=75%", "tmpfs", "/run"])
        for d in ("netns", "lock", "sshd", "lab", "lab/www", "lab/www/up", "lab/ssh", "lab/home", "lab/git",
                  "lab/rsync", "lab/log", "lab/tmp", "lab/etc"):
            os.makedirs("/run/" + d, exist_ok=True)
        os.chmod(ROOT + "/tmp", 0o1777)
        sh(["mount", "-t", "sysfs", "sysfs", "/sys"])
        if os.path.exists("/dev/net/tun"):  # for everybody, as udev makes it
            sh(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"])
            sh(["mknod", "-m", "666", "/dev/net/tun", "c", "10", "200"])
        if not os.path.exists("/dev/net"):
            print("lab: no /dev/net/tun on this machine", file=sys.stderr)

        with open("/etc/passwd") as f:
            passwd = f.read() + "%s:x:%d:%d::%s/home:/bin/bash\n" % (USER, USER_ID, USER_ID, ROOT)
        with open("/etc/group") as f:
            group = f.read() + "%s:x:%d:\n" % (USER, USER_ID)
        try:
            with open("/etc/shadow") as f:
                shadow = f.read()
        except OSError:
            shadow = ""
        shadow += "%s:*:19000:0:99999:7:::\n" % USER
        for name, text, mode in (("passwd", passwd, 0o644), ("group", group, 0o644), ("shadow", shadow, 0o600),
                                 ("hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644),
                                 ("resolv.conf", "nameserver %s\nsearch test\n" % DNS4, 0o644)):
            own = ROOT + "/etc/" + name
            with open(own, "w") as f:
                f.write(text)
            os.chmod(own, mode)
            target = resolv if name == "resolv.conf" else "/etc/" + name
            if not os.path.exists(target):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if not target.startswith("/run/"):
                    raise RuntimeError("lab: %s is missing on this machine" % target)
                open(target, "w").close()
            sh(["mount", "--bind", own, target])
        os.chown(ROOT + "/home", USER_ID, USER_ID)
        sh(["hostname", "lab"])

    # ---- the wires ---------------------------------------------------------------------------------
    def wires(self):
        for ns in ("r1", "r2", "internet", "narrow", "origin"):
            ip("netns", "add", ns)
        ip("link", "set", "lo", "up")
        for ns in ("r1", "r2", "internet", "narrow", "origin"):
            ip("link", "set", "lo", "up", ns=ns)
        for ns in ("r1", "r2"):
            sysctl(ns, net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        for ns in ("r1", "r2", "internet", "narrow", "origin", None):
            # Answers must not be thinned out: a test counts them. (What a route says, "host unreachable", Linux
            # still limits to bursts of five and one a second for IPv4.)
            sysctl(ns, net__ipv4__icmp_ratemask=0, net__ipv6__icmp__ratelimit=0)
        sysctl(None, net__ipv4__ping_group_range="0 2147483647")  # as Debian sets it

        self.wire(None, "eth0", [HOST4 + "/24", HOST6 + "/64"], "r1", "host", [R1_4 + "/24", R1_6 + "/64"])
        self.wire("r1", "wan", ["203.0.113.1/25", "2001:db8:78::1/64"], "r2", "lan", [R2_4 + "/25", R2_6 + "/64"])
        self.wire("r2", "net", ["198.51.100.1/24", "2001:db8:51::1/64"], "internet", "eth0",
                  [a + "/24" for a in SERVERS4] + [a + "/64" for a in SERVERS6])
        self.wire("r2", "narrow", ["203.0.113.129/25", "2001:db8:79::1/64"], "narrow", "eth0",
                  ["203.0.113.130/25", "2001:db8:79::2/64"])
        ip("link", "set", "narrow", "mtu", str(NARROW_MTU), ns="r2")
        ip("link", "set", "eth0", "mtu", str(NARROW_MTU), ns="narrow")
        for a in (NARROW4 + "/32", NARROW6 + "/128"):
            ip("addr", "add", a, "dev", "lo", ns="narrow")
        self.wire("r2", "origin", ["192.31.196.1/25", "2620:4f:8000::1/64"], "origin", "eth0",
                  [ORIGIN4 + "/25", ORIGIN6 + "/64"])
        ip("route", "add", "192.31.196.128/25", "via", ORIGIN4, ns="r2")
        for net in ("192.31.196.128/25", "2620:4f:8000:1::/64"):
            ip("route", "add", "local", net, "dev", "lo", ns="origin")
        ip("route", "add", "default", "via", "192.31.196.1", ns="origin")
        ip("-6", "route", "add", "default", "via", "2620:4f:8000::1", ns="origin")
        ip("-6", "route", "add", "2620:4f:8000:1::/64", "via", ORIGIN6, ns="r2")
        for a, via in ((SHARED4 + "/32", WEB4), (SHARED6 + "/128", WEB6), (API4 + "/32", WEB4), (API6 + "/128", WEB6)):
            ip("addr", "add", a, "dev", "lo", ns="internet")
            ip("route", "add", a, "via", via, ns="r2")

        # Beyond r1, routes lead to the test nets only; what is elsewhere, r1 calls unreachable.
        ip("route", "add", "default", "via", R1_4)
        ip("-6", "route", "add", "default", "via", R1_6)
        ip("route", "add", "unreachable", NOROUTE4 + "/32")
        ip("-6", "route", "add", "unreachable", NOROUTE6 + "/128")
        for via4, via6, ns in ((R1_4, R1_6, None), (R2_4, R2_6, "r1")):
            for net in ("198.51.100.0/24", "192.31.196.0/24", "203.0.113.128/25" if ns else "203.0.113.0/24"):
                ip("route", "add", net, "via", via4, ns=ns)
            for net in ["2001:db8:51::/48", "2620:4f:8000::/48", "2001:db8:79::/64"] + ([] if ns else ["2001:db8:78::/64"]):
                ip("-6", "route", "add", net, "via", via6, ns=ns)
        ip("route", "add", "192.168.77.0/24", "via", "203.0.113.1", ns="r2")
        ip("-6", "route", "add", "2001:db8:77::/64", "via", "2001:db8:78::1", ns="r2")
        for ns, via4, via6 in (("internet", "198.51.100.1", "2001:db8:51::1"), ("narrow", "203.0.113.129", "2001:db8:79::1")):
            ip("route", "add", "192.168.77.0/24", "via", via4, ns=ns)
            ip("route", "add", "203.0.113.0/24", "via", via4, ns=ns)
            ip("route", "add", "192.31.196.0/24", "via", via4, ns=ns)
            ip("-6", "route", "add", "2620:4f:8000::/48", "via", via6, ns=ns)
            ip("-6", "route", "add", "2001:db8:77::/64", "via", via6, ns=ns)
            ip("-6", "route", "add", "2001:db8:78::/64", "via", via6, ns=ns)
        ip("route", "add", NARROW4 + "/32", "via", "203.0.113.130", ns="r2")
        ip("-6", "route", "add", "2001:db8:51:70::/64", "via", "2001:db8:79::2", ns="r2")
        for kind, a4, a6 in (("blackhole", DEAD4, DEAD6), ("unreachable", UNREACH4, UNREACH6),
                             ("prohibit", PROHIBIT4, PROHIBIT6)):
            ip("route", "add", kind, a4 + "/32", ns="r2")
            ip("-6", "route", "add", kind, a6 + "/128", ns="r2")

    def wire(self, ns_a, dev_a, addrs_a, ns_b, dev_b, addrs_b):
        """A veth pair between two namespaces (None: the host), with addresses, up."""
        args = ["link", "add", "wire0", "type", "veth", "peer", "name", "wire1"]
        ip(*args)
        for tmp, ns, dev, addrs in (("wire0", ns_a, dev_a, addrs_a), ("wire1", ns_b, dev_b, addrs_b)):
            if ns:
                ip("link", "set", tmp, "netns", ns)
            ip("link", "set", tmp, "name", dev, ns=ns)
            for a in addrs:
                ip(*(["addr", "add", a, "dev", dev] + (["nodad"] if ":" in a else [])), ns=ns)
            sysctl(ns, **{"net__ipv6__conf__%s__accept_dad" % dev: 0})
            ip("link", "set", dev, "up", ns=ns)

    # ---- the servers -------------------------------------------------------------------------------
    def start(self, name, cmd, ns="internet", env=None):
        log = open("%s/log/%s" % (ROOT, name), "w")
        p = subprocess.Popen(["nsenter", "--net=/run/netns/" + ns] + cmd, stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, env=env, start_new_session=True)
        log.close()
        self.procs.append((name, p))
        return p

    def keys(self):
        """A certificate authority and one server certificate for every name of the lab."""
        d = ROOT + "/"
        with open(d + "san.cnf", "w") as f:
            names = ["%s.test" % n for n in NAMES] + ["*.t%d.good.zone" % n for n in range(SITES)]
            f.write("subjectAltName=%s,IP:%s,IP:%s\n" % (",".join("DNS:" + n for n in names), WEB4, WEB6))
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        sh(["openssl", "req", "-x509"] + curve + ["-keyout", d + "ca.key", "-out", d + "ca.pem", "-days", "30",
            "-subj", "/CN=lab test CA", "-addext", "basicConstraints=critical,CA:TRUE"])
        sh(["openssl", "req"] + curve + ["-keyout", d + "server.key", "-out", d + "server.csr", "-subj", "/CN=test"])
        sh(["openssl", "x509", "-req", "-in", d + "server.csr", "-CA", d + "ca.pem", "-CAkey", d + "ca.key",
            "-CAcreateserial", "-days", "30", "-extfile", d + "san.cnf", "-out", d + "server.pem"])
        os.environ.update(SSL_CERT_FILE=d + "ca.pem", CURL_CA_BUNDLE=d + "ca.pem", GIT_SSL_CAINFO=d + "ca.pem",
                          NODE_EXTRA_CA_CERTS=d + "ca.pem")

    def dns(self):
        lines = ["no-resolv", "no-hosts", "bind-interfaces", "no-daemon", "user=root", "group=root", "pid-file=",
                 "local=/test/", "log-queries=extra", "log-facility=-", "cache-size=0", "dns-forward-max=1000",
                 "listen-address=%s,%s" % (DNS4, DNS6), "except-interface=lo", "local-ttl=60",
                 "cname=alias.test,web.test", "edns-packet-max=1232"]
        lines += ["host-record=%s.test,%s" % (n, ",".join(a for a in (a4, a6) if a)) for n, (a4, a6) in NAMES.items()]
        for i in range(16):  # 16 * 200 bytes: more than any datagram may carry, so TCP is asked
            lines.append("txt-record=big.test,%s" % (chr(97 + i) * 200))
        lines.append("txt-record=small.test,hello")
        lines += ["server=/%s/%s" % (z, ORIGIN4) for z in ("good.zone", "evil.zone")]
        with open(ROOT + "/dnsmasq.conf", "w") as f:
            f.write("\n".join(lines) + "\n")
        self.start("dnsmasq", ["dnsmasq", "--conf-file=" + ROOT + "/dnsmasq.conf"])

    def web(self, git):
        import api
        fcgi = ""
        if git:
            self.start("fcgiwrap", ["fcgiwrap", "-f", "-c", "4", "-s", "unix:" + ROOT + "/fcgi.sock"])
            fcgi = """
        location ~ ^/git/ {
            client_max_body_size 0;
            fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
            fastcgi_param GIT_PROJECT_ROOT %s;
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param HOME %s/home;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_pass unix:%s/fcgi.sock;
        }""" % (ROOT, ROOT, ROOT)
        with open(ROOT + "/www/index.html", "w") as f:
            f.write("hello from the lab\n")
        with open(ROOT + "/nginx.conf", "w") as f:
            f.write("""
daemon off; user root; worker_processes 2; pid %(root)s/nginx.pid; error_log %(root)s/log/nginx.err;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
    access_log off; default_type application/octet-stream; keepalive_requests 100000;
    sendfile on; tcp_nopush on; server_tokens off;
    client_body_temp_path %(root)s/www/tmp; client_max_body_size 0; fastcgi_temp_path %(root)s/tmp/fcgi;
    proxy_temp_path %(root)s/tmp/proxy; uwsgi_temp_path %(root)s/tmp/u; scgi_temp_path %(root)s/tmp/s;
    ssl_certificate %(root)s/server.pem; ssl_certificate_key %(root)s/server.key; ssl_protocols TLSv1.2 TLSv1.3;
    server {
        listen 80 backlog=4096 default_server; listen [::]:80 backlog=4096 default_server;
        listen 443 ssl http2 backlog=4096 default_server; listen [::]:443 ssl http2 backlog=4096 default_server;
        server_name _; root %(root)s/www;
        location /up/ { dav_methods PUT DELETE; create_full_put_path on; client_body_in_file_only off; }
        location = /whoami { return 200 "$remote_addr $remote_port $server_protocol $host\\n"; }
        location = /key {
            default_type text/plain;
            if ($http_authorization = "Bearer %(key)s") { return 200 "hello, you who have the right key\\n"; }
            return 401 "this is not the key\\n";
        }
        location = /slow { limit_rate 64k; limit_rate_after 1; try_files /one-mib =404; }
        %(fcgi)s
    }
    %(vhosts)s
}
""" % dict(root=ROOT, fcgi=fcgi, key=KEY, vhosts=api.vhosts(ROOT) if self.full else ""))
        self.file("one-mib", 1 << 20)
        self.start("nginx", ["nginx", "-c", ROOT + "/nginx.conf", "-e", ROOT + "/log/nginx.err"])

    def file(self, name, size):
        """A file of pseudo-random bytes on the web server; made when it is first wanted."""
        path = "%s/www/%s" % (ROOT, name)
        if not os.path.exists(path):
            part = path + ".part%d" % os.getpid()
            with open(part, "wb") as out:
                z = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
                sh2 = subprocess.run(["openssl", "enc", "-aes-128-ctr", "-K", "0" * 31 + "1", "-iv", "0" * 32, "-nosalt"],
                                     stdin=z.stdout, stdout=out, check=True)
                z.wait()
                assert sh2.returncode == 0
            os.chmod(part, 0o644)
            os.rename(part, path)
        return path

    def ssh(self):
        d = ROOT + "/ssh/"
        for k in ("host_key", "id"):
            sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", d + k])
        os.rename(d + "id.pub", d + "authorized_keys")
        shutil.copy(d + "id", d + "id_user")
        os.chown(d + "id_user", USER_ID, USER_ID)
        with open(d + "host_key.pub") as f:
            key = " ".join(f.read().split()[:2])
        with open(d + "known_hosts", "w") as f:
            f.write("ssh.test,[ssh.test]:22,%s,%s %s\n" % (SSH4, SSH6, key))
        with open(d + "config", "w") as f:
            f.write("Host *\n User %s\n IdentityFile %sid\n IdentityFile %sid_user\n UserKnownHostsFile %sknown_hosts\n"
                    " StrictHostKeyChecking yes\n BatchMode yes\n LogLevel ERROR\n IdentitiesOnly yes\n"
                    % (USER, d, d, d))
        with open(d + "sshd_config", "w") as f:
            f.write("Port 22\nHostKey %shost_key\nAuthorizedKeysFile %sauthorized_keys\nStrictModes no\nUsePAM no\n"
                    "PidFile none\nPasswordAuthentication no\nMaxStartups 100\nUseDNS no\nPrintMotd no\n"
                    "Subsystem sftp internal-sftp\n" % (d, d))
        self.start("sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", d + "sshd_config"])

    def git(self):
        """A repository with some history and one larger file, bare, for ssh and https."""
        env = dict(os.environ, HOME=ROOT + "/tmp", GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="lab",
                   GIT_AUTHOR_EMAIL="lab@test", GIT_COMMITTER_NAME="lab", GIT_COMMITTER_EMAIL="lab@test")
        work = ROOT + "/tmp/work"
        bare = ROOT + "/git/project.git"
        code = """git init -q -b main %(w)s; cd %(w)s
for i in 1 2 3 4 5; do
    head -c 400000 /dev/urandom > blob$i; seq $i 20000 > text; git add .; git commit -q -m "change $i"
done
git clone -q --bare . %(b)s; git -C %(b)s config http.receivepack true; rm -rf %(w)s""" % dict(w=work, b=bare)
        sh(["sh", "-euc", code], env=env)
        sh(["chown", "-R", "%d:%d" % (USER_ID, USER_ID), bare])
        with open(ROOT + "/etc/gitconfig", "w") as f:
            f.write("[safe]\n directory = *\n[user]\n name = lab\n email = lab@test\n")
        os.environ["GIT_CONFIG_SYSTEM"] = ROOT + "/etc/gitconfig"
        for home in (ROOT + "/home",):
            shutil.copy(ROOT + "/etc/gitconfig", home + "/.gitconfig")

    def rsync(self):
        for i in range(50):
            with open("%s/rsync/file%d" % (ROOT, i), "wb") as f:
                f.write(os.urandom(1 + i * 4001))
        os.makedirs(ROOT + "/rsync-in", exist_ok=True)
        with open(ROOT + "/rsyncd.conf", "w") as f:
            f.write("use chroot = no\nuid = root\ngid = root\n[out]\npath = %s/rsync\nread only = yes\n"
                    "[in]\npath = %s/rsync-in\nread only = no\n" % (ROOT, ROOT))
        self.start("rsync", ["rsync", "--daemon", "--no-detach", "--config=" + ROOT + "/rsyncd.conf", "--log-file=/dev/stdout"])

    def services(self):
        self.start("services", [PYTHON, HERE + "/services.py"])
        self.start("api", [PYTHON, HERE + "/api.py"])
        self.start("services-narrow", [PYTHON, HERE + "/services.py", "--narrow"], ns="narrow")

    def origin(self):
        self.start("zones", [PYTHON, HERE + "/zones.py"], ns="origin")
        self.start("origin", [PYTHON, HERE + "/services.py", "--origin"], ns="origin")

    def wait(self, checks, seconds=20):
        """Until every (address, port) accepts."""
        end = time.monotonic() + seconds
        for addr, port in checks:
            while True:
                try:
                    socket.create_connection((addr, port), 1).close()
                    break
                except OSError as e:
                    if time.monotonic() > end:
                        raise RuntimeError("lab: %s port %d: %s\n%s" % (addr, port, e, self.dead()))
                    time.sleep(0.05)

    def dead(self):
        return "".join("%s has ended with %s: %s\n" % (n, p.poll(), open("%s/log/%s" % (ROOT, n)).read()[-500:])
                       for n, p in self.procs if p.poll() is not None)

    def up(self, full=True):
        """The whole lab; full=False leaves out what only the tests need."""
        os.umask(0o022)
        self.full = full
        self.files()
        self.wires()
        self.keys()
        if full:
            import api  # which needs this module
            api.certificates(ROOT, sh, NAMES)
        self.dns()
        self.git()
        self.web(git=shutil.which("fcgiwrap") is not None)
        self.ssh()
        checks = [(WEB4, 443), (WEB6, 80), (SSH4, 22), (SSH6, 22), (DNS4, 53)]
        if full:
            self.rsync()
            self.services()
            self.origin()
            checks += [(ORIGIN4, 53), (ORIGIN6, 7098), (ORIGIN4, 7099), (WEB4, 873), (WEB4, 7000), (WEB6, 7005), (NARROW4, 7000), (API6, 7098), (API4, 8443)]
        self.wait(checks)
        os.environ.update(HOME=ROOT + "/home", TMPDIR=ROOT + "/tmp")  # what programs leave there goes with the lab


def main():
    enter()
    lab = Lab()
    lab.up()
    args = sys.argv[1:]
    if args[:1] == ["--"]:
        args = args[1:]
    sys.exit(subprocess.call(args or [os.environ.get("SHELL", "/bin/sh")]))


if __name__ == "__main__":
    main()
