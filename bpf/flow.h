/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* Which flow a packet is of, or an ICMP error about one; and whether this host has its connection. */
#pragma once

#include <linux/tcp.h>

#include "balance_tables.h"

#define CURRENT_NETNS (-1L)

/* linux/icmp.h drags in the C library. */
#define ICMP_DEST_UNREACH 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_FRAG_NEEDED 4

struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 unused;
	__be16 mtu; /* of "fragmentation needed" (RFC 1191) */
};

/* The IP packet that begins `offset` bytes into the frame. 0: it is none, or there is not enough of it. */
__noinline int parse_at(struct xdp_md *ctx, __u32 offset, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *first;

	if (!packet || offset > 256)
		return 0;
	first = data + offset;
	if ((void *)(first + 1) > end)
		return 0;
	if (*first >> 4 == 4)
		return parse_ipv4(first, end, packet);
	return parse_ipv6(first, end, packet);
}

/* Where the transport header begins; 0 if extension headers are before it. */
static __always_inline __u32 transport_at(struct xdp_md *ctx, __u32 offset, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (offset > 256)
		return 0;
	if (family == 4) {
		ip = data + offset;
		return (void *)(ip + 1) > end ? 0 : offset + ip->ihl * 4;
	}
	ip6 = data + offset;
	if ((void *)(ip6 + 1) > end)
		return 0;
	switch (ip6->nexthdr) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMPV6:
		return offset + sizeof(*ip6);
	}
	return 0;
}

static __always_inline struct target *target_of(__u32 slot, const struct packet *packet)
{
	struct frontend key = {
		.port = packet->has_ports ? packet->destination_port : 0,
		.protocol = packet->protocol,
		.slot = slot,
	};

	if (packet->family == 4) {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = packet->destination.word[0];
	} else {
		__builtin_memcpy(key.address, packet->destination.word, sizeof(key.address));
	}
	return bpf_map_lookup_elem(&frontends, &key);
}

/* RFC 792 and RFC 4443: errors quote the packet they are about. */
static __always_inline bool is_error(__u8 family, __u8 type)
{
	if (family == 4)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
	return type >= 1 && type <= 4;
}

/*
 * What an ICMP error is about, turned round: the flow as it comes to the VIP. The error must be addressed to whom it says
 * has sent the packet; anything else would let a stranger choose the flow. 0: not such an error.
 */
__noinline int follow_error(struct xdp_md *ctx, __u32 offset, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct packet quoted = {};
	struct icmphdr *icmp;
	struct address source;
	__u16 port;
	__u32 at;

	if (!packet)
		return 0;
	at = transport_at(ctx, offset, packet->family);
	if (!at || at > 256)
		return 0;
	icmp = data + at;
	if ((void *)(icmp + 1) > end || !is_error(packet->family, icmp->type))
		return 0;
	if (!parse_at(ctx, at + sizeof(*icmp), &quoted) || quoted.family != packet->family || !quoted.has_ports)
		return 0;
	for (int i = 0; i < 4; i++)
		if (quoted.source.word[i] != packet->destination.word[i])
			return 0;
	source = quoted.source;
	port = quoted.source_port;
	quoted.source = quoted.destination;
	quoted.destination = source;
	quoted.source_port = quoted.destination_port;
	quoted.destination_port = port;
	*packet = quoted;
	return 1;
}

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* One number for all packets of a flow; the same on every balancer. */
static __always_inline __u64 hash_of(const struct packet *packet, __u8 affinity)
{
	const __u32 *source = packet->source.word, *destination = packet->destination.word;
	__u64 hash = mix(packet->family, source[0]);

	if (packet->family == 6) {
		hash = mix(hash, (__u64)source[1] << 32 | source[2]);
		hash = mix(hash, source[3]);
	}
	if (affinity == AFFINITY_FLOW) {
		hash = mix(hash, (__u64)packet->source_port << 32 | packet->destination_port << 8 | packet->protocol);
		hash = mix(hash, destination[0]);
		if (packet->family == 6) {
			hash = mix(hash, (__u64)destination[1] << 32 | destination[2]);
			hash = mix(hash, destination[3]);
		}
	}
	return mix(hash, hash >> 29);
}

/* Whether our kernel has that connection, or is about to have it. */
__noinline int knows(struct xdp_md *ctx, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int known;

	if (!packet)
		return 0;
	if (packet->family == 4) {
		tuple.ipv4.saddr = packet->source.word[0];
		tuple.ipv4.daddr = packet->destination.word[0];
		tuple.ipv4.sport = bpf_htons(packet->source_port);
		tuple.ipv4.dport = bpf_htons(packet->destination_port);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->source.word, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, packet->destination.word, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(packet->source_port);
		tuple.ipv6.dport = bpf_htons(packet->destination_port);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	known = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return known;
}

static __always_inline bool opens(struct xdp_md *ctx, __u32 offset, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = transport_at(ctx, offset, family);
	struct tcphdr *tcp;

	if (!at || at > 256)
		return false;
	tcp = data + at;
	return (void *)(tcp + 1) <= end && tcp->syn && !tcp->ack;
}

/*
 * Whether a packet is for this server, or for the second hop: only TCP has connections that can be looked up, and
 * whoever opens one comes to the first hop.
 */
static __always_inline bool is_ours(struct xdp_md *ctx, __u32 offset, const struct packet *flow, bool error)
{
	if (flow->protocol != IPPROTO_TCP || !flow->has_ports)
		return true;
	if (!error && opens(ctx, offset, flow->family))
		return true;
	return knows(ctx, flow);
}
