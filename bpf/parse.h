/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * From the bytes of a frame to what rules speak of: addresses, protocol, ports, DSCP.
 *
 * A frame that is not IP, carries more than two VLAN tags, or whose IP header is cut short is "not IP" here: no rule
 * speaks of it and the stack drops what is malformed. Beyond the IP header a packet may show less than its protocol
 * promises; then only rules that do not ask for the missing part can match:
 *
 *   - a fragment other than the first, a protocol other than TCP and UDP, a transport header cut short: no ports;
 *   - more than MAX_EXTENSIONS IPv6 extension headers, or one cut short: no protocol either ("hidden").
 */
#pragma once

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VLAN_TAGS 2
#define MAX_EXTENSIONS 8
#define HOP_LIMIT_ON_LINK 255

#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_OFFSET 0xfff8

/* The key of a longest-prefix-match table, as the kernel wants it. IPv4 uses the first word only. */
struct address {
	__u32 prefixlen;
	__u32 word[4];
};

struct packet {
	struct address source;
	struct address destination;
	__u16 source_port; /* host order, both zero unless has_ports */
	__u16 destination_port;
	__u8 family; /* 4 or 6 */
	__u8 protocol;
	__u8 dscp;
	__u8 icmp6_type; /* only for an unfragmented ICMPv6 packet, else 0 */
	__u8 hop_limit;
	bool has_ports;
	bool hidden;
};

struct vlan {
	__be16 tci;
	__be16 protocol;
};

/* How TCP and UDP headers both begin. */
struct ports {
	__be16 source;
	__be16 destination;
};

/* The common start of IPv6 extension headers (RFC 6564); AH counts its length differently. */
struct extension {
	__u8 next;
	__u8 length;
};

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

static __always_inline void parse_transport(void *header, void *end, struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP) {
		struct ports *ports = header;

		if ((void *)(ports + 1) > end)
			return;
		packet->source_port = bpf_ntohs(ports->source);
		packet->destination_port = bpf_ntohs(ports->destination);
		packet->has_ports = true;
	} else if (packet->protocol == IPPROTO_ICMPV6) {
		struct icmp6hdr *icmp = header;

		if ((void *)(icmp + 1) > end)
			return;
		packet->icmp6_type = icmp->icmp6_type;
	}
}

static __always_inline bool parse_ipv4(void *header, void *end, struct packet *packet)
{
	struct iphdr *ip = header;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return false;
	packet->family = 4;
	packet->source.prefixlen = 32;
	packet->source.word[0] = ip->saddr;
	packet->destination.prefixlen = 32;
	packet->destination.word[0] = ip->daddr;
	packet->protocol = ip->protocol;
	packet->dscp = ip->tos >> 2;
	if (!(ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)))
		parse_transport(header + ip->ihl * 4, end, packet);
	return true;
}

/*
 * Walk to the transport header. False: it was not reached, because the chain is too long or cut short; a later
 * fragment has none, so for it the walk ends well with has_ports unset.
 */
static __always_inline bool parse_extensions(void *header, void *end, __u8 next, struct packet *packet)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		struct extension *extension = header;
		struct fragment *fragment = header;

		packet->protocol = next;
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_MH:
			if ((void *)(extension + 1) > end)
				return false;
			next = extension->next;
			header += (extension->length + 1) * 8;
			break;
		case IPPROTO_AH:
			if ((void *)(extension + 1) > end)
				return false;
			next = extension->next;
			header += (extension->length + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(fragment + 1) > end)
				return false;
			packet->protocol = fragment->next;
			if (fragment->offset & bpf_htons(IPV6_FRAGMENT_OFFSET))
				return true;
			next = fragment->next;
			header += sizeof(*fragment);
			break;
		default:
			parse_transport(header, end, packet);
			return true;
		}
	}
	return false;
}

static __always_inline bool parse_ipv6(void *header, void *end, struct packet *packet)
{
	struct ipv6hdr *ip = header;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return false;
	packet->family = 6;
	packet->source.prefixlen = 128;
	__builtin_memcpy(packet->source.word, &ip->saddr, sizeof(ip->saddr));
	packet->destination.prefixlen = 128;
	__builtin_memcpy(packet->destination.word, &ip->daddr, sizeof(ip->daddr));
	packet->dscp = ip->priority << 2 | ip->flow_lbl[0] >> 6;
	packet->hop_limit = ip->hop_limit;
	packet->hidden = !parse_extensions(ip + 1, end, ip->nexthdr, packet);
	return true;
}

/* False: not IP (or not enough of it). `packet` must be zeroed by the caller. */
static __always_inline bool parse(void *data, void *end, struct packet *packet)
{
	struct ethhdr *ethernet = data;
	void *header = ethernet + 1;
	__be16 protocol;

	if (header > end)
		return false;
	protocol = ethernet->h_proto;
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan *vlan = header;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(vlan + 1) > end)
			return false;
		protocol = vlan->protocol;
		header = vlan + 1;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(header, end, packet);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(header, end, packet);
	return false;
}

/* RFC 4861 section 7.1: router and neighbor solicitation and advertisement, redirect; 255 proves it comes from the link. */
static __always_inline bool is_neighbor_discovery(const struct packet *packet)
{
	return packet->icmp6_type >= 133 && packet->icmp6_type <= 137 && packet->hop_limit == HOP_LIMIT_ON_LINK;
}
