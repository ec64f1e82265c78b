/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * From a VIP to a server that answers for it, and out of the wrapping there.
 *
 *     to a VIP ─ frontend ─ hash of the flow ─ bucket ─┬─ first hop ─ encapsulate, second hop in the header ─ send
 *                                                      └─ none is well ─ drop
 *     encapsulated, to us ─ is it for a VIP we serve? ─┬─ new, ours, or no second hop ─ unwrap ─ stack
 *                                                      └─ a connection we do not know ─ on to the second hop
 *
 * No balancer remembers a connection. A server that is draining, or that took connections while another was ill, still
 * gets their packets: the first hop asks its own kernel whether it knows the connection (bpf_skc_lookup_tcp), and hands
 * on what it does not. tidegate/balancing/hops.py says which two servers a bucket has.
 *
 * An ICMP error about a packet from a VIP goes where the packets of that flow go: the flow is read from its payload.
 *
 * Tables are in two slots, and the slot is the one that the filter has read for this packet: a packet never meets one
 * policy's rules and another one's VIPs. Userspace (tidegate/balancing/) writes all of this; health changes single buckets
 * of the slot in force, one store each.
 */
#pragma once

#include "arrive.h"
#include "flow.h"
#include "too_big.h"
#include "way.h"
#include "wrap.h"

static __always_inline int to_backend(struct xdp_md *ctx, const struct balancing *own, const struct target *target,
				      __u8 family, __u8 dscp, const struct backend *to, __u32 number,
				      const struct backend *hop, __u64 hash)
{
	struct wrapping wrapping = {
		.entropy = (hash >> 13) & 0x7fff,
		.inner = family,
		.dscp = dscp,
		.encapsulation = target->encapsulation,
		.has_hop = hop && target->encapsulation == ENCAPSULATION_GUE,
		.length = stated_length(ctx, family),
	};
	struct bpf_fib_lookup fib = {};
	__u32 size = wrapped(&wrapping, to), whole = size + wrapping.length;
	long way;

	if (!wrapping.length)
		return XDP_DROP;
	if (target->mtu && whole > target->mtu)
		return too_big(ctx, family, target->mtu - size);
	outer_source(wrapping.source, to->family == 4 ? &own->outer4 : &own->outer6, to->family, hash);
	way = way_to(ctx, &fib, wrapping.source, to, number, whole);
	if (way == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return too_big(ctx, family, fib.mtu_result - size);
	if (way == BPF_FIB_LKUP_RET_NO_NEIGH) {
		/* The stack forwards it, and learns the neighbor by that. It must be for us: the MAC address stays. */
		struct ethhdr *ethernet = (void *)(long)ctx->data;

		if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
			return XDP_DROP;
		__builtin_memcpy(fib.dmac, ethernet->h_dest, ETH_ALEN);
		__builtin_memcpy(fib.smac, ethernet->h_source, ETH_ALEN);
	} else if (way != BPF_FIB_LKUP_RET_SUCCESS) {
		return fate(ctx, FATE_NO_ROUTE, XDP_DROP);
	}
	tally(&balanced, target->counter, wrapping.length);
	tally(&balanced, to->counter, wrapping.length);
	if (bpf_xdp_adjust_head(ctx, -(int)size))
		return XDP_DROP;
	if (to->family == 4 ? !wrap4(ctx, &wrapping, to, hop) : !wrap6(ctx, &wrapping, to, hop))
		return XDP_DROP;
	if (way == BPF_FIB_LKUP_RET_NO_NEIGH) {
		fib.ifindex = 0;
		send(ctx, &fib);
		return fate(ctx, FATE_UNRESOLVED, XDP_PASS);
	}
	return fate(ctx, FATE_SENT, send(ctx, &fib));
}

/* Where a service's backend is among all; `BACKENDS` of all slots and more: nowhere. */
static __always_inline __u32 place(__u32 slot, const struct target *target, __u32 number)
{
	return number == NO_BACKEND ? SLOTS * BACKENDS : slot * BACKENDS + target->base + number;
}

static __always_inline int to_server(struct xdp_md *ctx, __u32 slot, const struct balancing *own,
				     const struct target *target, const struct packet *flow, __u8 dscp, bool error)
{
	__u64 hash = hash_of(flow, target->affinity);
	__u32 key = target->service * BUCKETS + ((hash >> 32) * BUCKETS >> 32);
	void *table = bpf_map_lookup_elem(&buckets, &slot);
	struct backend *first, *second;
	__u32 chosen, other;
	__u64 *word;

	if (!table)
		return XDP_DROP;
	word = bpf_map_lookup_elem(table, &key);
	if (!word)
		return XDP_DROP;
	key = *(volatile __u64 *)word;
	chosen = place(slot, target, key & 0xffff);
	other = place(slot, target, key >> 16);
	first = bpf_map_lookup_elem(&backends, &chosen);
	if (!first)
		return fate(ctx, FATE_NO_BACKEND, XDP_DROP);
	second = bpf_map_lookup_elem(&backends, &other);
	if (first->is_self) {
		if (!second || is_ours(ctx, sizeof(struct ethhdr), flow, error)) {
			tally(&balanced, target->counter, bpf_xdp_get_buff_len(ctx));
			tally(&balanced, first->counter, bpf_xdp_get_buff_len(ctx));
			return fate(ctx, FATE_KEPT, XDP_PASS);
		}
		first = second;
		chosen = other;
		second = NULL;
	}
	return to_backend(ctx, own, target, flow->family, dscp, first, chosen, second, hash);
}

/* Whether a slot has anything to balance or to unwrap: what most hosts pay for balancing. */
static __always_inline bool balances(__u32 slot)
{
	const struct balancing *own = bpf_map_lookup_elem(&balancing, &slot);

	return own && own->active;
}

/* The program behind the filter, and the slot that the filter has judged by: the other half must be of the same policy. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} stages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} judged_by SEC(".maps");

static __always_inline int to_balancing(struct xdp_md *ctx, __u32 slot)
{
	__u32 zero = 0, *judged;

	if (!balances(slot))
		return XDP_PASS;
	judged = bpf_map_lookup_elem(&judged_by, &zero);
	if (!judged)
		return XDP_PASS;
	*judged = slot;
	bpf_tail_call(ctx, &stages, 0);
	return XDP_PASS;
}

/*
 * What the filter lets pass, on its way to a server or out of its wrapping. Frames with VLAN tags go to the stack.
 * `packet` is the filter's no more: an ICMP error's becomes the flow that it is about.
 */
static __always_inline int balance(struct xdp_md *ctx, __u32 slot, struct packet *packet)
{
	const struct balancing *own = bpf_map_lookup_elem(&balancing, &slot);
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	__u8 dscp = packet->dscp;
	struct target *target;
	bool error = false;

	if (!own || !own->active || !packet->family)
		return XDP_PASS;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(packet->family == 4 ? ETH_P_IP : ETH_P_IPV6))
		return XDP_PASS;
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		error = follow_error(ctx, sizeof(*ethernet), packet);
		if (!error)
			return XDP_PASS;
	}
	target = target_of(slot, packet);
	if (!target)
		return XDP_PASS;
	if (target->kind & KIND_BALANCED)
		return to_server(ctx, slot, own, target, packet, dscp, error);
	if (target->kind & KIND_ARRIVES && !error)
		return arrive(ctx, slot, packet);
	return XDP_PASS;
}
