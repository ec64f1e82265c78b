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
#define MAX_HEADER_OFFSET (ETH_HLEN + MAX_VLAN_TAGS * 4)

#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001

/* What part of its packet a frame carries. An IPv6 fragment with nothing before or after it is whole (RFC 6946). */
enum fragment_part {
	PART_WHOLE,
	PART_FIRST,
	PART_LATER,
	PART_UNKNOWN, /* hidden */
	PARTS,
};

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
	__u16 offset;  /* where the IP header begins: at most MAX_HEADER_OFFSET */
	__u32 length;  /* of the IP packet, header included, as the header tells it */
	__u8 family;   /* 4 or 6 */
	__u8 protocol;
	__u8 dscp;
	__u8 icmp6_type; /* only for an unfragmented ICMPv6 packet, else 0 */
	__u8 hop_limit;
	__u8 part;      /* enum fragment_part */
	__u8 tcp_flags; /* as they are on the wire, FIN the lowest bit; only if has_tcp_flags */
	__u8 icmp_type; /* of ICMP and ICMPv6; only if has_icmp_type */
	bool has_ports;
	bool has_tcp_flags;
	bool has_icmp_type;
	bool hidden;
};

struct vlan {
	__be16 tci;
	__be16 protocol;
};

#define TCP_FLAGS_OFFSET 13

/* How ICMP and ICMPv6 both begin. */
struct icmp_start {
	__u8 type;
	__u8 code;
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
		__u8 *flags = header + TCP_FLAGS_OFFSET;

		if ((void *)(ports + 1) > end)
			return;
		packet->source_port = bpf_ntohs(ports->source);
		packet->destination_port = bpf_ntohs(ports->destination);
		packet->has_ports = true;
		if (packet->protocol != IPPROTO_TCP || (void *)(flags + 1) > end)
			return;
		packet->tcp_flags = *flags;
		packet->has_tcp_flags = true;
	} else if (packet->protocol == IPPROTO_ICMPV6 || packet->protocol == IPPROTO_ICMP) {
		struct icmp_start *icmp = header;

		if ((void *)(icmp + 1) > end)
			return;
		packet->icmp_type = icmp->type;
		packet->has_icmp_type = true;
		/* Neighbor discovery with less than a whole header is none. */
		if (packet->protocol == IPPROTO_ICMPV6 && header + sizeof(struct icmp6hdr) <= end)
			packet->icmp6_type = icmp->type;
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
	packet->length = bpf_ntohs(ip->tot_len);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		packet->part = PART_LATER;
	else if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		packet->part = PART_FIRST;
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
			if (fragment->offset & bpf_htons(IPV6_FRAGMENT_OFFSET)) {
				packet->part = PART_LATER;
				return true;
			}
			if (fragment->offset & bpf_htons(IPV6_MORE_FRAGMENTS))
				packet->part = PART_FIRST;
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
	packet->length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	packet->hidden = !parse_extensions(ip + 1, end, ip->nexthdr, packet);
	if (packet->hidden)
		packet->part = PART_UNKNOWN;
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
	packet->offset = header - data;
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
