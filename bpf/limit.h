/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Rate limits of filter rules: a bucket (bucket.h) for a rule, or for each address that it meets.
 *
 * A bucket belongs to a rule's counter, not to a slot: a flip changes the limit for the next packet and fills no bucket.
 */
#pragma once

#include "bucket.h"
#include "match.h"

#define RULES 256 /* counters: see xdp.bpf.c */

enum per {
	PER_RULE,
	PER_SOURCE,
	PER_DESTINATION,
};

struct limit {
	struct pace pace;
	__u32 mask4; /* which bits of an address tell buckets apart, network order */
	__u32 mask6[4];
	__u8 per;
	__u8 counts_bytes;
	__u8 reserved[2];
};

struct limits {
	struct limit limit[MAX_ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct limits);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES);
	__type(key, __u32);
	__type(value, __u64);
} rule_buckets SEC(".maps");

struct bucket_key {
	__u32 counter;
	__u32 address[4]; /* IPv4 as ::ffff:a.b.c.d */
};

/* The buckets of addresses: one table, made by userspace once some rule needs it; the longest unused make room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_LRU_HASH);
		__uint(max_entries, 1);
		__uint(key_size, sizeof(struct bucket_key));
		__uint(value_size, sizeof(__u64));
	});
} address_buckets SEC(".maps");

static __always_inline __u64 *address_bucket(const struct limit *limit, __u32 counter, const struct packet *packet)
{
	const struct address *address = limit->per == PER_SOURCE ? &packet->source : &packet->destination;
	struct bucket_key key = { .counter = counter };
	__u64 *bucket, empty = 0;
	__u32 zero = 0;
	void *table = bpf_map_lookup_elem(&address_buckets, &zero);

	if (!table)
		return 0;
	if (packet->family == 4) {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = address->word[0] & limit->mask4;
	} else {
#pragma clang loop unroll(full)
		for (int i = 0; i < 4; i++)
			key.address[i] = address->word[i] & limit->mask6[i];
	}
	bucket = bpf_map_lookup_elem(table, &key);
	if (bucket)
		return bucket;
	bpf_map_update_elem(table, &key, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(table, &key);
}

/* Whether a packet is within the limit of entry `entry`. A bucket that cannot be had limits nobody. */
static __always_inline bool within_limit(__u32 slot, __u32 entry, __u32 counter, const struct packet *packet, __u32 bytes)
{
	struct limits *all = bpf_map_lookup_elem(&limits, &slot);
	const struct limit *limit;
	__u64 *bucket;

	if (!all)
		return true;
	limit = &all->limit[entry & (MAX_ENTRIES - 1)];
	if (limit->per == PER_RULE)
		bucket = bpf_map_lookup_elem(&rule_buckets, &counter);
	else
		bucket = address_bucket(limit, counter, packet);
	return !bucket || spend(&limit->pace, bucket, limit->counts_bytes ? bytes & MAX_FRAME : 1);
}
