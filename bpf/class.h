/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * What the tc classifier knows beyond match.h: customers, VLAN, firewall mark and cgroup, and the DSCP a class leaves with.
 *
 * A customer is a part of the tree chosen by address. Its prefixes lead to a group; a group has its own choice among the
 * 64 entries, and for each of these a class. So ten thousand customers that all tell voice from bulk need two entries,
 * and a packet costs the same for ten customers as for ten thousand: one look-up by address.
 * Addresses in full length stand in a hash table and are found first; other prefixes stand in tries.
 *
 * Userspace (tidegate/tc/tables.py) mirrors the structures. `struct choice` is in two slots, as everything else.
 */
#pragma once

#include "match.h"

#define MAX_KEYS 4096
#define GROUP_CLASSES 8 /* a power of two */

enum key_kind {
	KEY_VLAN,
	KEY_MARK,
	KEY_CGROUP,
	KEY_KINDS,
};

enum choice_uses {
	CHOOSES_VLAN = 1 << KEY_VLAN,
	CHOOSES_MARK = 1 << KEY_MARK,
	CHOOSES_CGROUP = 1 << KEY_CGROUP,
	CHOOSES_HOST_TO = 1 << 8, /* by the side they look at, the next bit is the other */
	CHOOSES_HOST_SOURCE = 1 << 9,
	CHOOSES_PREFIX_TO = 1 << 10,
	CHOOSES_PREFIX_SOURCE = 1 << 11,
	CHOOSES_DSCP = 1 << 12,
	CHOOSES_QUEUES = 1 << 13,
};

#define CHOOSES_KEYS (CHOOSES_VLAN | CHOOSES_MARK | CHOOSES_CGROUP)
#define CHOOSES_CUSTOMERS (CHOOSES_HOST_TO | CHOOSES_HOST_SOURCE | CHOOSES_PREFIX_TO | CHOOSES_PREFIX_SOURCE)

struct choice {
	__u64 apart;          /* entries that are customers' alone */
	__u64 any[KEY_KINDS]; /* entries that do not look at the key */
	__u32 uses;
	__u32 fallback_dscp;       /* as in dscp[] */
	__u8 dscp[MAX_ENTRIES];    /* what packets of no customer leave with, plus one; 0 leaves them alone */
};

struct key {
	__u32 slot;
	__u32 kind;
	__u64 value;
};

/* A class: its id's lower half, above it the DSCP plus one, and above that the number of its queue, from 0. */
#define CLASS_MINOR(class) ((class) & 0xffff)
#define CLASS_DSCP(class) ((class) >> 16 & 0xff)
#define CLASS_QUEUE(class) ((class) >> 24)

/* A customer, as each of its prefixes has it; one look-up more is needed only for more classes than are in here. */
struct group {
	__u64 entries;
	__u32 fallback; /* a class */
	__u32 first;    /* where its classes begin in `group_class`, one for each of its entries */
	__u32 class[GROUP_CLASSES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct choice);
} choices SEC(".maps");

/* Not 0: every packet passes unshaped, while a tree is made anew. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bypass SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_KEYS);
	__type(key, struct key);
	__type(value, __u64);
} keys SEC(".maps");

ADDRESS_TABLES(customer_source4, 4, sizeof(struct group));
ADDRESS_TABLES(customer_source6, 16, sizeof(struct group));
ADDRESS_TABLES(customer_to4, 4, sizeof(struct group));
ADDRESS_TABLES(customer_to6, 16, sizeof(struct group));
INNER_TABLE(group_class, BPF_MAP_TYPE_ARRAY, BPF_F_INNER_MAP, sizeof(__u32), sizeof(__u32));

static __always_inline __u64 match_key(const struct choice *choice, __u32 index, __u32 kind, __u64 value)
{
	struct key key = {.slot = index, .kind = kind, .value = value};
	__u64 *word = bpf_map_lookup_elem(&keys, &key);

	return word ? *word : choice->any[kind];
}

/* The customer of an address, if it has one; the side is 0 for the destination, 1 for the source. */
#define GROUP_BY(table, choice, index, side, address)                                          \
	look_up_address(&table##_host, &table, index, address, (choice)->uses & (CHOOSES_HOST_TO << (side)), \
			(choice)->uses & (CHOOSES_PREFIX_TO << (side)))

/* To whom a packet goes is asked before from whom it comes. */
static __always_inline const struct group *group_of(const struct choice *choice, __u32 index, const struct packet *packet)
{
	const struct group *found;

	if (packet->family == 4)
		found = GROUP_BY(customer_to4, choice, index, 0, &packet->destination);
	else
		found = GROUP_BY(customer_to6, choice, index, 0, &packet->destination);
	if (found || !(choice->uses & (CHOOSES_HOST_SOURCE | CHOOSES_PREFIX_SOURCE)))
		return found;
	if (packet->family == 4)
		return GROUP_BY(customer_source4, choice, index, 1, &packet->source);
	return GROUP_BY(customer_source6, choice, index, 1, &packet->source);
}

/* How many bits are set (Warren, Hacker's Delight, 5-1): BPF has no such instruction. */
static __always_inline __u32 bits_set(__u64 word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56;
}

/* The class that a group has for the first of the entries that match, or the one it has for the rest. */
static __always_inline __u32 class_in(const struct group *group, __u32 index, __u64 word)
{
	__u32 place, *class;
	void *table;

	word &= group->entries;
	if (!word)
		return group->fallback;
	place = bits_set(group->entries & ((word & -word) - 1));
	if (place < GROUP_CLASSES) {
		asm volatile("" : "+r"(place)); /* the verifier forgets the range that the compiler relies on */
		return group->class[place & (GROUP_CLASSES - 1)];
	}
	table = bpf_map_lookup_elem(&group_class, &index);
	place += group->first;
	class = table ? bpf_map_lookup_elem(table, &place) : 0;
	return class ? *class : group->fallback;
}
