/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Policing: what comes in is held to its rates where it comes in, without a queue. Packets wait nowhere, so they are let in
 * or dropped.
 *
 * Three buckets decide, as in RFC 4115 but for the colours:
 *
 *     within the class's guarantee?          let in
 *     within its ceiling, and room in the    let in
 *     interface's bucket for its priority?
 *     else                                   drop
 *
 * All that is let in is charged to all three, so spare rate is what the guarantees leave. A class may use the interface's
 * bucket only as far as its priority goes (`spare`): where all want more, the bucket stays as full as the highest of them
 * can keep it, which is beyond the reach of the others.
 *
 * Buckets belong to a class's id, not to a slot: a flip changes the rates for the next packet and fills no bucket.
 * Userspace (tidegate/tc/police_table.py) mirrors the structures, and makes a class's buckets before it is in force.
 */
#pragma once

#include "bucket.h"
#include "match.h"

#define MAX_POLICED 2048 /* buckets: two policies' classes fit in, and those that were before */

struct policed {
	struct pace guarantee;
	struct pace ceiling;
	__u64 spare; /* of the interface's bucket, what this priority may use */
	__u64 minor;
};

struct policing {
	struct pace whole;
	struct policed class[MAX_ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct policing);
} policings SEC(".maps");

struct class_buckets {
	__u64 guarantee;
	__u64 ceiling;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} whole_bucket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_POLICED);
	__type(key, __u32);
	__type(value, struct class_buckets);
} class_buckets SEC(".maps");

/* What became of a class's packets; the stack may have joined several of a flow on arrival, and each is counted. */
struct policed_count {
	__u64 packets;
	__u64 bytes;
	__u64 dropped_packets;
	__u64 dropped_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_POLICED);
	__type(key, __u32);
	__type(value, struct policed_count);
} policed_counts SEC(".maps");

/* A bucket that cannot be had limits nobody. */
static __always_inline bool may_pass(const struct policing *policing, const struct policed *class, __u64 bytes)
{
	__u32 zero = 0, minor = class->minor;
	struct class_buckets *own = bpf_map_lookup_elem(&class_buckets, &minor);
	__u64 *whole = bpf_map_lookup_elem(&whole_bucket, &zero);

	if (!own || !whole)
		return true;
	if (!has_room(&class->guarantee, &own->guarantee, class->guarantee.burst)) {
		if (!has_room(&class->ceiling, &own->ceiling, class->ceiling.burst) ||
		    !has_room(&policing->whole, whole, class->spare))
			return false;
	} else {
		charge(&class->guarantee, &own->guarantee, bytes);
	}
	charge(&class->ceiling, &own->ceiling, bytes);
	charge(&policing->whole, whole, bytes);
	return true;
}

static __always_inline void count_policed(const struct policed *class, bool passes, __u64 packets, __u64 bytes)
{
	__u32 minor = class->minor;
	struct policed_count *count = bpf_map_lookup_elem(&policed_counts, &minor);

	if (!count)
		return;
	if (passes) {
		count->packets += packets;
		count->bytes += bytes;
	} else {
		count->dropped_packets += packets;
		count->dropped_bytes += bytes;
	}
}

/* Whether a packet of the class at `place` may pass; it is counted. A global function: the verifier walks it once. */
__noinline int police(const struct policing *policing, __u32 place, __u64 packets, __u64 bytes)
{
	const struct policed *class;
	bool passes;

	if (!policing)
		return true;
	class = &policing->class[place & (MAX_ENTRIES - 1)];
	passes = may_pass(policing, class, bytes);
	count_policed(class, passes, packets, bytes);
	return passes;
}
