// SPDX-License-Identifier: Apache-2.0
/*
 * The target `doh`: public resolvers that speak DNS over HTTPS (RFC 8484), by name and by address,
 * on TCP and UDP port 443. Each name stands for itself alone, each address for itself. No such list
 * is ever whole; it is for rules that deny in one word what programs use by default.
 *
 * To add a service: its name as clients are configured with it, and, where the operator publishes
 * fixed addresses for clients that need no name, these.
 */
#include "policy/groups.h"
#include "policy/rule.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const names[] = {
	"1dot1dot1dot1.cloudflare-dns.com",
	"adblock.dns.mullvad.net",
	"adblock.doh.mullvad.net",
	"all.dns.mullvad.net",
	"anycast.dns.nextdns.io",
	"anycast.uncensoreddns.org",
	"base.dns.mullvad.net",
	"basic.rethinkdns.com",
	"canadianshield.cira.ca",
	"chrome.cloudflare-dns.com",
	"cloudflare-dns.com",
	"common.dot.dns.yandex.net",
	"dns-family.adguard.com",
	"dns-unfiltered.adguard.com",
	"dns.adguard-dns.com",
	"dns.adguard.com",
	"dns.alidns.com",
	"dns.cloudflare.com",
	"dns.controld.com",
	"dns.digitale-gesellschaft.ch",
	"dns.dnsguard.pub",
	"dns.google",
	"dns.google.com",
	"dns.mullvad.net",
	"dns.nextdns.io",
	"dns.opendns.com",
	"dns.pub",
	"dns.quad9.net",
	"dns.sb",
	"dns.switch.ch",
	"dns.umbrella.com",
	"dns10.quad9.net",
	"dns11.quad9.net",
	"dns12.quad9.net",
	"dns64.cloudflare-dns.com",
	"dns64.dns.google",
	"dns9.quad9.net",
	"dnsforge.de",
	"doh-de.blahdns.com",
	"doh-fi.blahdns.com",
	"doh.360.cn",
	"doh.applied-privacy.net",
	"doh.cleanbrowsing.org",
	"doh.cox.net",
	"doh.dns.apple.com",
	"doh.dns.sb",
	"doh.familyshield.opendns.com",
	"doh.ffmuc.net",
	"doh.libredns.gr",
	"doh.mullvad.net",
	"doh.opendns.com",
	"doh.pub",
	"doh.sandbox.opendns.com",
	"doh.sb",
	"doh.tiar.app",
	"doh.umbrella.com",
	"doh.xfinity.com",
	"extended.dns.mullvad.net",
	"family.adguard-dns.com",
	"family.canadianshield.cira.ca",
	"family.cloudflare-dns.com",
	"family.dns.mullvad.net",
	"family.dot.dns.yandex.net",
	"firefox.dns.nextdns.io",
	"freedns.controld.com",
	"mask-api.icloud.com",
	"mask-h2.icloud.com",
	"mask.icloud.com",
	"max.rethinkdns.com",
	"mozilla.cloudflare-dns.com",
	"odoh.cloudflare-dns.com",
	"odvr.nic.cz",
	"one.one.one.one",
	"ordns.he.net",
	"p0.freedns.controld.com",
	"private.canadianshield.cira.ca",
	"protected.canadianshield.cira.ca",
	"public.dns.iij.jp",
	"safe.dot.dns.yandex.net",
	"security.cloudflare-dns.com",
	"sky.rethinkdns.com",
	"unfiltered.adguard-dns.com",
	"unicast.uncensoreddns.org",
	"wikimedia-dns.org",
	"zero.dns0.eu",
};

static const char *const addresses[] = {
	/* AdGuard */
	"2a00:5a60::ad1:ff",
	"2a00:5a60::ad2:ff",
	"94.140.14.14",
	"94.140.14.140",
	"94.140.14.141",
	"94.140.14.15",
	"94.140.15.15",
	"94.140.15.16",
	"2a10:50c0::ad1:ff",
	"2a10:50c0::ad2:ff",
	"2a10:50c0::1:ff",
	"2a10:50c0::2:ff",
	"2a10:50c0::bad1:ff",
	"2a10:50c0::bad2:ff",
	/* AliDNS */
	"223.5.5.5",
	"223.6.6.6",
	"2400:3200:baba::1",
	"2400:3200::1",
	/* CIRA */
	"149.112.121.10",
	"149.112.121.20",
	"149.112.121.30",
	"149.112.122.10",
	"149.112.122.20",
	"149.112.122.30",
	"2620:10a:80bb::10",
	"2620:10a:80bb::20",
	"2620:10a:80bb::30",
	"2620:10a:80bc::10",
	"2620:10a:80bc::20",
	"2620:10a:80bc::30",
	/* CleanBrowsing */
	"185.228.168.10",
	"185.228.168.168",
	"185.228.168.9",
	/* Cloudflare */
	"1.0.0.1",
	"1.0.0.2",
	"1.0.0.3",
	"1.1.1.1",
	"1.1.1.2",
	"1.1.1.3",
	"162.159.36.1",
	"162.159.46.1",
	"162.159.61.3",
	"162.159.61.4",
	"172.64.36.1",
	"172.64.41.3",
	"172.64.41.4",
	"2606:4700:4700::1001",
	"2606:4700:4700::1002",
	"2606:4700:4700::1003",
	"2606:4700:4700::1111",
	"2606:4700:4700::1112",
	"2606:4700:4700::1113",
	"2606:4700:4700::64",
	"2606:4700:4700::6400",
	/* Control D */
	"2606:1a40::",
	"2606:1a40:1::",
	"76.76.10.0",
	"76.76.2.0",
	/* CZ.NIC */
	"193.17.47.1",
	"2001:148f:ffff::1",
	"2001:148f:fffe::1",
	/* Digitale Gesellschaft */
	"185.95.218.42",
	"185.95.218.43",
	/* DNS.SB */
	"185.222.222.222",
	"45.11.45.11",
	"2a11::",
	"2a09::",
	/* dns0.eu */
	"193.110.81.0",
	"193.110.81.9",
	"2a0f:fc80::",
	"2a0f:fc81::",
	/* DNSPod */
	"1.12.12.12",
	"120.53.53.53",
	/* Google */
	"8.8.4.4",
	"8.8.8.8",
	"2001:4860:4860::8844",
	"2001:4860:4860::8888",
	"2001:4860:4860::64",
	"2001:4860:4860::6464",
	/* Hurricane Electric */
	"74.82.42.42",
	"2001:470:20::2",
	/* LibreDNS */
	"116.202.176.26",
	/* Mullvad */
	"194.242.2.2",
	"194.242.2.3",
	"194.242.2.4",
	"194.242.2.5",
	"194.242.2.6",
	"194.242.2.9",
	"2a07:e340::2",
	"2a07:e340::3",
	"2a07:e340::4",
	"2a07:e340::5",
	"2a07:e340::6",
	"2a07:e340::9",
	/* NextDNS */
	"2a07:a8c0::",
	"2a07:a8c1::",
	"45.90.28.0",
	"45.90.30.0",
	/* OpenDNS */
	"146.112.41.2",
	"146.112.41.3",
	"146.112.41.4",
	"146.112.41.5",
	"208.67.220.220",
	"208.67.220.222",
	"208.67.222.220",
	"208.67.222.222",
	"2620:0:ccc::2",
	"2620:0:ccd::2",
	"2620:119:35::35",
	"2620:119:53::53",
	/* Quad9 */
	"149.112.112.10",
	"149.112.112.11",
	"149.112.112.112",
	"149.112.112.12",
	"149.112.112.9",
	"2620:fe::10",
	"2620:fe::11",
	"2620:fe::12",
	"2620:fe::9",
	"2620:fe::fe",
	"2620:fe::fe:10",
	"2620:fe::fe:11",
	"2620:fe::fe:12",
	"2620:fe::fe:9",
	"9.9.9.10",
	"9.9.9.11",
	"9.9.9.12",
	"9.9.9.9",
	/* SWITCH */
	"130.59.31.248",
	"130.59.31.251",
	/* TWNIC */
	"101.101.101.101",
	/* Yandex */
	"77.88.8.1",
	"77.88.8.2",
	"77.88.8.3",
	"77.88.8.7",
	"77.88.8.8",
	"77.88.8.88",
};

static bool load_names(struct arena *mem, struct doh_list *l)
{
	l->names = arena_get(mem, COUNT(names) * sizeof(*l->names));
	if (!l->names)
		return false;
	for (size_t i = 0; i < COUNT(names); i++)
		l->names[l->name_count++] = (struct rule_name){.s = names[i],
							       .len = (uint8_t)strlen(names[i]),
							       .self = true};
	return true;
}

bool doh_load(struct arena *mem, struct doh_list *ret)
{
	struct doh_list l = {.prefixes = arena_get(mem, COUNT(addresses) * sizeof(*l.prefixes))};

	if (!l.prefixes || !load_names(mem, &l))
		return false;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct ipaddr a;
		unsigned bits;

		if (!ipaddr_parse_prefix(addresses[i], true, &a, &bits))
			continue;
		l.prefixes[l.prefix_count++] = (struct rule_prefix){
			.net = addr_key(&a),
			.bits = (uint8_t)bits,
			.names = group_named_by(&a, bits),
		};
	}
	*ret = l;
	return true;
}
