/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* The way to a server: out of which interface, and to which MAC address. */
#pragma once

#include "balance_tables.h"

#define AF_INET 2
#define AF_INET6 10

/* The way to an address: MAC addresses and interface in `fib`, `BPF_FIB_LKUP_RET_*` returned. */
static __always_inline long route(struct xdp_md *ctx, struct bpf_fib_lookup *fib, const __u32 *source,
				  const __u32 *address, __u8 family, __u32 length)
{
	fib->ifindex = ctx->ingress_ifindex;
	fib->tot_len = length;
	if (family == 4) {
		fib->family = AF_INET;
		fib->ipv4_src = source[0];
		fib->ipv4_dst = address[0];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, source, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, address, sizeof(fib->ipv6_dst));
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

/*
 * What the kernel said of the way to a backend, kept for a moment: to ask it costs more than all the rest. A packet's outer
 * source is left out of it, so routes by source address are those of the flow that asked.
 */
#define WAY_LASTS (100 * 1000 * 1000ULL) /* nanoseconds */

struct way {
	__u64 until; /* by the coarse clock */
	__u32 address[4];
	__u32 ifindex;
	__u32 mtu;
	__u8 smac[ETH_ALEN];
	__u8 dmac[ETH_ALEN];
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS * BACKENDS);
	__type(key, __u32);
	__type(value, struct way);
} ways SEC(".maps");

/* As `route`, for a backend by its number in `backends`, and a packet of so many bytes. */
static __always_inline long way_to(struct xdp_md *ctx, struct bpf_fib_lookup *fib, const __u32 *source,
				   const struct backend *to, __u32 number, __u32 length)
{
	struct way *way = bpf_map_lookup_elem(&ways, &number);
	__u64 now = bpf_ktime_get_coarse_ns();
	long found;

	if (!way)
		return BPF_FIB_LKUP_RET_UNREACHABLE;
	if (now >= way->until || way->address[0] != to->address[0] || way->address[1] != to->address[1] ||
	    way->address[2] != to->address[2] || way->address[3] != to->address[3]) {
		found = route(ctx, fib, source, to->address, to->family, 0);
		if (found != BPF_FIB_LKUP_RET_SUCCESS)
			return found;
		__builtin_memcpy(way->address, to->address, sizeof(way->address));
		__builtin_memcpy(way->smac, fib->smac, ETH_ALEN);
		__builtin_memcpy(way->dmac, fib->dmac, ETH_ALEN);
		way->ifindex = fib->ifindex;
		way->mtu = fib->mtu_result;
		way->until = now + WAY_LASTS;
	} else {
		__builtin_memcpy(fib->smac, way->smac, ETH_ALEN);
		__builtin_memcpy(fib->dmac, way->dmac, ETH_ALEN);
		fib->ifindex = way->ifindex;
	}
	fib->mtu_result = way->mtu;
	return way->mtu && length > way->mtu ? BPF_FIB_LKUP_RET_FRAG_NEEDED : BPF_FIB_LKUP_RET_SUCCESS;
}

static __always_inline int send(struct xdp_md *ctx, const struct bpf_fib_lookup *fib)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, fib->smac, ETH_ALEN);
	return fib->ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(fib->ifindex, 0);
}
