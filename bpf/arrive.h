/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* Out of the wrapping, at the server; or on to the second hop. */
#pragma once

#include "flow.h"
#include "way.h"
#include "wrap.h"

/* Whom the wrapping names as second hop; where the inner packet begins. 0: not a wrapping of ours. */
static __always_inline __u32 unwrap(struct xdp_md *ctx, const struct packet *outer, struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = sizeof(struct ethhdr) + (outer->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct udphdr *udp = data + at;
	struct gue *gue = (void *)(udp + 1);
	struct hop *head = (void *)(gue + 1);
	__u32 words;

	if (data + sizeof(struct ethhdr) + 1 > end)
		return 0;
	if (outer->family == 4 && *(__u8 *)(data + sizeof(struct ethhdr)) != 0x45)
		return 0;
	if (outer->protocol != IPPROTO_UDP)
		return at;
	if (!outer->has_ports || (void *)(gue + 1) > end || gue->head & ~0x1f || gue->flags)
		return 0;
	if (gue->protocol != IPPROTO_IPIP && gue->protocol != IPPROTO_IPV6)
		return 0;
	words = gue->head & 0x1f;
	at += sizeof(*udp) + sizeof(*gue) + words * 4;
	hop->family = outer->family;
	if (words == 2 && outer->family == 4 && (void *)(head + 1) + 4 <= end) {
		if (head->magic == bpf_htons(HOP_MAGIC) && head->left)
			__builtin_memcpy(hop->address, head + 1, 4);
	} else if (words == 5 && outer->family == 6 && (void *)(head + 1) + 16 <= end) {
		if (head->magic == bpf_htons(HOP_MAGIC) && head->left)
			__builtin_memcpy(hop->address, head + 1, 16);
	}
	return at;
}

/* On to the second hop, as the last one: its wrapping says so. */
static __always_inline int hand_on(struct xdp_md *ctx, const struct packet *outer, const struct backend *to)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct bpf_fib_lookup fib = {};
	__u32 behind = sizeof(struct udphdr) + sizeof(struct gue);
	struct hop *head;

	if (route(ctx, &fib, outer->source.word, to->address, to->family, 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return fate(ctx, FATE_NO_ROUTE, XDP_DROP);
	if (outer->family == 4) {
		head = (void *)(ip + 1) + behind;
		if ((void *)(head + 1) > end)
			return XDP_DROP;
		head->left = 0;
		ip->daddr = to->address[0];
		ip->ttl = OUTER_TTL;
		seal(ip);
	} else {
		head = (void *)(ip6 + 1) + behind;
		if ((void *)(head + 1) > end)
			return XDP_DROP;
		head->left = 0;
		__builtin_memcpy(&ip6->daddr, to->address, sizeof(ip6->daddr));
	}
	return fate(ctx, FATE_HANDED_ON, send(ctx, &fib));
}

/* An encapsulated packet has come to an address of ours. What is not for a VIP that we serve is left to the stack. */
static __always_inline int arrive(struct xdp_md *ctx, __u32 slot, const struct packet *outer)
{
	struct packet flow = {};
	struct backend hop = {};
	__u32 at = unwrap(ctx, outer, &hop);
	struct ethhdr saved, *ethernet;
	struct target *target;
	bool error = false;

	if (!at || !parse_at(ctx, at, &flow))
		return XDP_PASS;
	saved.h_proto = bpf_htons(flow.family == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (flow.protocol == IPPROTO_ICMP || flow.protocol == IPPROTO_ICMPV6)
		error = follow_error(ctx, at, &flow);
	target = target_of(slot, &flow);
	if (!target || !(target->kind & KIND_SERVED))
		return XDP_PASS;
	if ((hop.address[0] || hop.address[3]) && !is_ours(ctx, at, &flow, error))
		return hand_on(ctx, outer, &hop);
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end || at > 256)
		return XDP_DROP;
	__builtin_memcpy(&saved, ethernet, 2 * ETH_ALEN);
	tally(&balanced, target->counter, bpf_xdp_get_buff_len(ctx) - at);
	if (bpf_xdp_adjust_head(ctx, (int)(at - sizeof(saved))))
		return XDP_DROP;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*ethernet = saved;
	return fate(ctx, FATE_ARRIVED, XDP_PASS);
}
