/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* IPIP and GUE around a packet. */
#pragma once

#include <linux/udp.h>

#include "balance_tables.h"

#define GUE_PORT 6080
#define GUE_CONTROL 0x20
#define OUTER_TTL 64

struct gue {
	__u8 head; /* version 0, control bit, length of what follows the first four bytes in words */
	__u8 protocol;
	__be16 flags;
};

/* Private data of ours behind the GUE header: one more server to try. */
#define HOP_MAGIC 0x5467
struct hop {
	__be16 magic;
	__u8 left; /* 1: the address behind is still to be tried; 0: this was the last one */
	__u8 reserved;
};

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void seal(struct iphdr *ip)
{
	__u16 *half = (void *)ip;
	__u64 sum = 0;

	ip->check = 0;
	for (int i = 0; i < (int)(sizeof(*ip) / 2); i++)
		sum += half[i];
	ip->check = folded(sum);
}

struct wrapping {
	__u32 source[4];
	__u32 length; /* of the inner packet */
	__u16 entropy;
	__u8 inner;   /* its family */
	__u8 dscp;
	__u8 encapsulation;
	bool has_hop;
};

static __always_inline __u32 wrapped(const struct wrapping *wrapping, const struct backend *to)
{
	__u32 size = to->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		size += sizeof(struct udphdr) + sizeof(struct gue);
		if (wrapping->has_hop)
			size += sizeof(struct hop) + (to->family == 4 ? 4 : 16);
	}
	return size;
}

static __always_inline void wrap_gue(void *header, const struct wrapping *wrapping, const struct backend *hop,
				     __u32 length, __u8 family)
{
	struct udphdr *udp = header;
	struct gue *gue = (void *)(udp + 1);
	struct hop *head = (void *)(gue + 1);

	udp->source = bpf_htons(0x8000 | wrapping->entropy);
	udp->dest = bpf_htons(GUE_PORT);
	udp->len = bpf_htons(length);
	udp->check = 0; /* RFC 6935: the inner packet has its own */
	gue->head = wrapping->has_hop ? (family == 4 ? 2 : 5) : 0;
	gue->protocol = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	gue->flags = 0;
	if (wrapping->has_hop) {
		head->magic = bpf_htons(HOP_MAGIC);
		head->left = 1;
		head->reserved = 0;
		__builtin_memcpy(head + 1, hop->address, family == 4 ? 4 : 16);
	}
}

/* The outer header, and behind it GUE if asked for; the frame has room for them already. */
static __always_inline int wrap4(struct xdp_md *ctx, const struct wrapping *wrapping, const struct backend *to,
				 const struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 size = wrapped(wrapping, to);

	if ((void *)(ip + 1) + sizeof(struct udphdr) + sizeof(struct gue) + sizeof(struct hop) + 4 > end)
		return 0;
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = wrapping->dscp << 2; /* RFC 6040, compatibility mode: no ECN outside */
	ip->tot_len = bpf_htons(size + wrapping->length);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* do not fragment: RFC 6864 needs no id then */
	ip->ttl = OUTER_TTL;
	ip->saddr = wrapping->source[0];
	ip->daddr = to->address[0];
	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		ip->protocol = IPPROTO_UDP;
		wrap_gue(ip + 1, wrapping, hop, size - sizeof(*ip) + wrapping->length, 4);
	} else {
		ip->protocol = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	seal(ip);
	return 1;
}

static __always_inline int wrap6(struct xdp_md *ctx, const struct wrapping *wrapping, const struct backend *to,
				 const struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ip = (void *)(ethernet + 1);
	__u32 behind = wrapped(wrapping, to) - sizeof(*ip) + wrapping->length;

	if ((void *)(ip + 1) + sizeof(struct udphdr) + sizeof(struct gue) + sizeof(struct hop) + 16 > end)
		return 0;
	ethernet->h_proto = bpf_htons(ETH_P_IPV6);
	/* The flow label spreads flows over paths and queues (RFC 6438). */
	*(__be32 *)ip = bpf_htonl(6 << 28 | (__u32)wrapping->dscp << 22 | wrapping->entropy);
	ip->payload_len = bpf_htons(behind);
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, wrapping->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to->address, sizeof(ip->daddr));
	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		ip->nexthdr = IPPROTO_UDP;
		wrap_gue(ip + 1, wrapping, hop, behind, 6);
	} else {
		ip->nexthdr = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	return 1;
}

/* The length that the IP header at the frame's start states: frames may be padded. 0: it is not all there. */
static __always_inline __u32 stated_length(struct xdp_md *ctx, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 length;

	if (family == 4)
		length = (void *)(ip + 1) > end ? 0 : bpf_ntohs(ip->tot_len);
	else
		length = (void *)(ip6 + 1) > end ? 0 : bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
	return length + sizeof(struct ethhdr) > bpf_xdp_get_buff_len(ctx) ? 0 : length;
}

static __always_inline void outer_source(__u32 *source, const struct outer *outer, __u8 family, __u32 hash)
{
	__builtin_memcpy(source, outer->address, sizeof(outer->address));
	if (family == 4)
		source[0] |= hash & outer->spread;
	else
		source[3] |= hash & outer->spread;
}
