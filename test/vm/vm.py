# SPDX-License-Identifier: Apache-2.0
"""
A virtual machine for a test: QEMU without hardware acceleration, the kernel and the initramfs of image.py, and
the agent (agent.c) in it, which runs commands for us.

    g = VM(t, "a", netdev("stream", path), mac="02:...")      starts; g.boot() waits until it listens to us
    g.run("ping -c 1 web.test")                               to its end; raises unless it ends with 0
    j = g.go("traffic flood udp ..."); ...; j.wait()          beside other commands

The machine's console is in g.console, for whom a test fails.
"""
import signal
import socket
import threading
import time

KERNEL = IMAGE = None  # `run` says where they are


class Job:
    """A command in the guest."""

    def __init__(self, vm, number, command):
        self.vm, self.number, self.command = vm, number, command
        self.data = b""
        self.rc = None
        self.t0 = time.monotonic()
        self.seconds = None

    @property
    def out(self):
        return self.data.decode(errors="replace")

    def __repr__(self):
        return "%s: `%s` exit %s after %.1f s\n%s" % (self.vm.name, self.command, self.rc,
                                                      self.seconds or time.monotonic() - self.t0, self.out[-2000:])

    def wait(self, timeout=30, rc=0):
        with self.vm.changed:
            self.vm.changed.wait_for(lambda: self.rc is not None or self.vm.gone, timeout)
        if self.rc is None:
            self.kill()
            raise AssertionError("not over after %d s%s: %r" % (timeout, " (the machine is gone)" * self.vm.gone, self))
        assert rc is None or self.rc == rc, "exit status is not %s: %r" % (rc, self)
        return self

    def wait_for(self, text, timeout=10):
        with self.vm.changed:
            ok = self.vm.changed.wait_for(lambda: text in self.out or self.rc is not None or self.vm.gone, timeout)
        assert ok and text in self.out, "did not say %r: %r" % (text, self)
        return self

    def kill(self):
        self.vm.send("kill", self.number, "")


class VM:
    """netdev: QEMU's arguments for the back end `net0`; pass_fds: what they name."""

    def __init__(self, t, name, netdev, mac, device="", pass_fds=(), shared=False, memory=128):
        self.t, self.name = t, name
        self.changed = threading.Condition()
        self.jobs = {}
        self.ready = self.gone = False
        self.count = 0
        self.serial = "%s/%s.console" % (t.dir, name)
        ours, theirs = socket.socketpair()
        ram = ["-object", "memory-backend-memfd,id=ram,size=%dM,share=on" % memory, "-machine",
               "memory-backend=ram"] if shared else []
        self.qemu = t.go(
            ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35,usb=off,smbus=off,sata=off,vmport=off", "-cpu", "qemu64", "-m", "%dM" % memory] + ram +
            ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", KERNEL, "-initrd", IMAGE,
             "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable no_timer_check net.ifnames=0",
             "-serial", "file:" + self.serial,
             "-chardev", "socket,id=agent,fd=%d" % theirs.fileno(), "-device", "virtio-serial-pci,max_ports=2",
             "-device", "virtserialport,chardev=agent,name=agent",
             *netdev, "-device", "virtio-net-pci,netdev=net0,mac=%s,romfile=%s" % (mac, device)],
            pass_fds=(theirs.fileno(),) + tuple(pass_fds))
        theirs.close()
        self.s = ours
        threading.Thread(target=self.listen, daemon=True).start()

    @property
    def console(self):
        try:
            with open(self.serial, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def listen(self):
        f = self.s.makefile("rb")
        try:
            while True:
                line = f.readline()
                if not line:
                    break
                word, number, length = line.split()
                data = f.read(int(length))
                with self.changed:
                    job = self.jobs.get(int(number))
                    if int(number) == 0:
                        self.ready = True
                    elif job and word == b"out":
                        job.data += data
                    elif job:
                        job.rc = int(data)
                        job.seconds = time.monotonic() - job.t0
                    self.changed.notify_all()
        except (OSError, ValueError):
            pass
        with self.changed:
            self.gone = True
            self.changed.notify_all()

    def send(self, word, number, text):
        data = text.encode()
        try:
            self.s.sendall(b"%s %d %d\n" % (word.encode(), number, len(data)) + data)
        except OSError:
            pass

    def boot(self, timeout=30):
        with self.changed:
            self.changed.wait_for(lambda: self.ready or self.gone, timeout)
        assert self.ready, "%s did not start (%s)\n%s\n%s" % (self.name, self.qemu.p.poll(), self.qemu.err, self.console[-3000:])
        return self

    def go(self, command):
        self.count += 1
        job = self.jobs[self.count] = Job(self, self.count, command)
        self.send("run", self.count, command)
        return job

    def run(self, command, timeout=30, rc=0):
        return self.go(command).wait(timeout, rc)

    def stop(self):
        """As a power cut: nobody is told."""
        self.qemu.p.send_signal(signal.SIGKILL)
        self.qemu.p.wait(5)
        self.s.close()

    # ---- what a guest's distribution does at start ------------------------------------------------------------------
    def dhcp4(self):
        """The words of the lease: address, mask, router, dns, mtu."""
        j = self.run("udhcpc -i eth0 -f -n -q -t 5 -T 2 -O mtu -s /bin/lease4", 20)
        return lease(j)

    def dhcp6(self):
        j = self.run("touch /var/lib/dhcp/dhclient6.leases; timeout 25 dhclient -6 -1 -v -pf /tmp/d.pid -sf /bin/lease6 eth0 2>&1;"
                     " kill $(cat /tmp/d.pid); true", 30)
        return lease(j)

    def slaac(self, timeout=10):
        """The global IPv6 addresses, when there is one and a default route."""
        j = self.run("for i in $(seq %d); do a=$(ip -6 addr show dev eth0 scope global | grep -v tentative | "
                     "sed -n 's/.*inet6 \\([^ ]*\\).*/\\1/p'); r=$(ip -6 route show default); "
                     '[ -n "$a" ] && [ -n "$r" ] && break; usleep 100000; done; echo $a; echo $r' % (timeout * 10), timeout + 10)
        lines = j.out.split("\n")
        return lines[0].split(), lines[1]


def lease(job):
    for line in job.out.split("\n"):
        if line.startswith("lease "):
            return dict(w.split("=", 1) for w in line.split()[1:] if "=" in w)
    raise AssertionError("no lease: %r" % job)


def netdev(kind, *args):
    """QEMU's words for the links that weir offers."""
    if kind == "user":
        return ["-netdev", "user,id=net0" + "".join("," + a for a in args)]
    if kind == "stream":
        return ["-netdev", "stream,id=net0,server=off,addr.type=unix,addr.path=" + args[0]]
    if kind == "dgram":
        return ["-netdev", "dgram,id=net0,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s" % args]
    if kind == "tap":
        return ["-netdev", "tap,id=net0,ifname=%s,script=no,downscript=no,vnet_hdr=on" % args[0]]
    assert kind == "vhost-user", kind
    return ["-chardev", "socket,id=vu0,path=%s,reconnect=1" % args[0], "-netdev", "vhost-user,id=net0,chardev=vu0"]


