# SPDX-License-Identifier: Apache-2.0
"""What the sandbox gets from the host it stands on, and how weir meets a host that is different."""
import lab
from harness import test


@test(smoke=True)
def test_proxy_arp_serves_a_guest_that_takes_all_for_its_link(t):
    on_link = "ip route flush default; ip route add %s/32 dev eth0; curl -sS --connect-timeout 5 http://%s/" % (lab.WEB4, lab.WEB4)
    r = t.run("--map-root", "--proxy-arp", sh=on_link)
    assert r.out == "hello from the lab\n", r
    r = t.run("--map-root", sh=on_link, rc=None)
    assert r.rc != 0 and "hello" not in r.out, r
