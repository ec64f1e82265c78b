/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* What userspace tells balancing, and what balancing counts; tidegate/balancing/maps.py has the other side. */
#pragma once

#include "match.h"

#define FRONTENDS 4096
#define BACKENDS 2048
#define BUCKETS 65537
#define BALANCED 4096
#define BALANCED_NAME 112
#define NO_BACKEND 0xffff

enum frontend_kind {
	KIND_BALANCED = 1 << 0, /* a VIP whose packets we send to a server */
	KIND_SERVED = 1 << 1,   /* a VIP that we answer for */
	KIND_ARRIVES = 1 << 2,  /* our own address, where encapsulated packets arrive */
};

enum encapsulation {
	ENCAPSULATION_IPIP,
	ENCAPSULATION_GUE,
};

enum affinity {
	AFFINITY_FLOW,
	AFFINITY_SOURCE,
};

/* IPv4 as ::ffff:a.b.c.d. Port 0: what carries none (fragments of a VIP's packets, IPIP). */
struct frontend {
	__u32 address[4];
	__u16 port; /* host order */
	__u8 protocol;
	__u8 slot;
};

struct target {
	__u8 kind;
	__u8 encapsulation;
	__u8 affinity;
	__u8 reserved;
	__u16 service; /* which of the slot's tables of buckets */
	__u16 base;    /* where the service's backends begin */
	__u32 counter; /* of the service, index into `balanced` */
	__u32 mtu;     /* of encapsulated packets; 0: the route's alone */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FRONTENDS);
	__type(key, struct frontend);
	__type(value, struct target);
} frontends SEC(".maps");

struct backend {
	__u32 address[4]; /* IPv4 in the first word */
	__u32 counter;
	__u8 family; /* 4 or 6 */
	__u8 is_self;
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS * BACKENDS);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

/*
 * First hop in the low 16 bits of a word, second in the next 16: one load sees a pair that belongs together. An array's
 * elements are eight bytes apart whatever their size.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SLOTS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
		__uint(max_entries, 1);
		__uint(key_size, sizeof(__u32));
		__uint(value_size, sizeof(__u64));
	});
} buckets SEC(".maps");

/* Where encapsulated packets come from: `spread` marks the bits of the last word that the flow's hash fills. */
struct outer {
	__u32 address[4];
	__u32 spread;
};

struct balancing {
	__u32 active;
	struct outer outer4;
	struct outer outer6;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct balancing);
} balancing SEC(".maps");

struct volume {
	__u64 packets;
	__u64 bytes;
};

/* One counter a service, and one a service's backend; kept through flips like those of rules. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BALANCED);
	__type(key, __u32);
	__type(value, struct volume);
} balanced SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BALANCED);
	__type(key, __u32);
	__type(value, char[BALANCED_NAME]);
} balanced_names SEC(".maps");

/* What became of packets that balancing looked at. */
enum fate {
	FATE_SENT,       /* encapsulated, to a server */
	FATE_KEPT,       /* this balancer is itself the server */
	FATE_ARRIVED,    /* unwrapped, to our stack */
	FATE_HANDED_ON,  /* of another server's connection, to the second hop */
	FATE_NO_BACKEND, /* dropped: no server is well */
	FATE_NO_ROUTE,   /* dropped: no way to the server */
	FATE_UNRESOLVED, /* to the stack encapsulated: it has to find out the next hop's address first */
	FATE_TOO_BIG,    /* does not fit when encapsulated: dropped, and its sender told */
	FATES,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FATES);
	__type(key, __u32);
	__type(value, struct volume);
} fates SEC(".maps");

static __always_inline void tally(void *table, __u32 index, __u64 bytes)
{
	struct volume *volume = bpf_map_lookup_elem(table, &index);

	if (!volume)
		return;
	volume->packets++;
	volume->bytes += bytes;
}

static __always_inline int fate(struct xdp_md *ctx, enum fate what, int verdict)
{
	tally(&fates, what, bpf_xdp_get_buff_len(ctx));
	return verdict;
}
