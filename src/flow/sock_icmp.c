// SPDX-License-Identifier: Apache-2.0
/*
 * What a host socket's error means in the words of an ICMP error for the guest. See sock_icmp.h.
 */
#include "flow/sock_icmp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

/* RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1. */
static bool of_icmp4(const struct sock_error *e, enum icmp_error *ret)
{
	switch (e->type) {
	case ICMP_DEST_UNREACH:
		switch (e->code) {
		case ICMP_NET_UNREACH:
		case ICMP_NET_UNKNOWN:
		case ICMP_NET_UNR_TOS:
			*ret = ICMP_ERR_NET_UNREACH;
			return true;
		case ICMP_PROT_UNREACH:
			*ret = ICMP_ERR_PROTO_UNREACH;
			return true;
		case ICMP_PORT_UNREACH:
			*ret = ICMP_ERR_PORT_UNREACH;
			return true;
		case ICMP_FRAG_NEEDED:
			*ret = ICMP_ERR_TOO_BIG;
			return true;
		case ICMP_NET_ANO:
		case ICMP_HOST_ANO:
		case ICMP_PKT_FILTERED:
			*ret = ICMP_ERR_ADMIN;
			return true;
		default:
			*ret = ICMP_ERR_HOST_UNREACH;
			return true;
		}
	case ICMP_TIME_EXCEEDED:
		*ret = e->code == ICMP_EXC_FRAGTIME ? ICMP_ERR_REASSEMBLY : ICMP_ERR_TTL;
		return true;
	case ICMP_PARAMETERPROB:
		*ret = ICMP_ERR_PARAM;
		return true;
	}
	return false;
}

/* RFC 4443 3. */
static bool of_icmp6(const struct sock_error *e, enum icmp_error *ret)
{
	switch (e->type) {
	case ICMP6_DST_UNREACH:
		switch (e->code) {
		case ICMP6_DST_UNREACH_NOROUTE:
			*ret = ICMP_ERR_NET_UNREACH;
			return true;
		case ICMP6_DST_UNREACH_NOPORT:
			*ret = ICMP_ERR_PORT_UNREACH;
			return true;
		case ICMP6_DST_UNREACH_ADMIN:
		case 5: /* source address failed ingress/egress policy */
		case 6: /* reject route */
			*ret = ICMP_ERR_ADMIN;
			return true;
		default:
			*ret = ICMP_ERR_HOST_UNREACH;
			return true;
		}
	case ICMP6_PACKET_TOO_BIG:
		*ret = ICMP_ERR_TOO_BIG;
		return true;
	case ICMP6_TIME_EXCEEDED:
		*ret = e->code == ICMP6_TIME_EXCEED_REASSEMBLY ? ICMP_ERR_REASSEMBLY : ICMP_ERR_TTL;
		return true;
	case ICMP6_PARAM_PROB:
		*ret = e->code == ICMP6_PARAMPROB_NEXTHEADER ? ICMP_ERR_PROTO_UNREACH
							     : ICMP_ERR_PARAM;
		return true;
	}
	return false;
}

bool sock_icmp_of_queue(const struct sock_error *e, enum icmp_error *ret, uint32_t *ret_value)
{
	enum icmp_error kind;
	if (e->local || !(e->dst.family == 4 ? of_icmp4(e, &kind) : of_icmp6(e, &kind)))
		return false;
	*ret = kind;
	*ret_value = kind == ICMP_ERR_TOO_BIG ? e->info : 0;
	return true;
}

bool sock_icmp_of_errno(int err, enum icmp_error *ret)
{
	switch (err < 0 ? -err : err) {
	case ENETUNREACH:
	case ENETDOWN:
	case EAFNOSUPPORT: /* a host without this family has no route for it */
		*ret = ICMP_ERR_NET_UNREACH;
		return true;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case EINVAL: /* a destination that the host cannot even express, such as a link-local one */
	case EADDRNOTAVAIL:
	case EMFILE:
	case ENFILE:
		*ret = ICMP_ERR_HOST_UNREACH;
		return true;
	case ECONNREFUSED:
		*ret = ICMP_ERR_PORT_UNREACH;
		return true;
	case EACCES: /* a broadcast address, or a firewall of the host */
	case EPERM:
		*ret = ICMP_ERR_ADMIN;
		return true;
	}
	return false;
}

const struct ipaddr *sock_icmp_from(const struct sandbox *sb, const struct sock_error *e,
				    const struct ipaddr *dial, const struct ipaddr *seen)
{
	if (!e->offender.family)
		return NULL;
	if (ipaddr_eq(&e->offender, dial))
		return seen;
	if (e->offender.family != seen->family || ipaddr_is_loopback(&e->offender) ||
	    ipaddr_is_unspecified(&e->offender) || ipaddr_is_link_local(&e->offender))
		return NULL;
	for (size_t i = 0; i < sb->env.host_count; i++) {
		if (ipaddr_eq(&e->offender, &sb->env.host[i]))
			return NULL;
	}
	return &e->offender;
}

bool sock_wants_df(struct view l3)
{
	if (l3.len < 8)
		return false;
	if (l3.p[0] >> 4 == 4)
		return l3.p[6] & 0x40;
	return l3.p[6] != IPPROTO_FRAGMENT;
}
