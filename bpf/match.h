/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Which entry of a policy a packet matches: the part that the XDP filter and the tc classifier share.
 *
 * A policy is up to 64 entries in order. Each dimension (source address, protocol, port …) has a table that answers with
 * a 64-bit word: bit n is set if entry n's condition on that dimension holds. The AND of the words is every entry that
 * matches, its lowest set bit the first of them. The cost does not depend on the number of entries, and a dimension
 * that no entry looks at is never looked up.
 *
 * Everything exists twice, in two slots. `config` says which slot is in force; it is one 64-bit word, written by one
 * store and read once per packet, so a packet is judged by one policy or the other, never by a mix:
 *
 *     config = deadline << 1 | slot        deadline: CLOCK_MONOTONIC nanoseconds, 0 for none
 *
 * Past its deadline a slot is ignored and the other one is in force: an unconfirmed policy ends here, in the data path,
 * even if every agent that could take it back is dead. A slot that was never filled holds no entries and matches nothing.
 *
 * Userspace (tidegate/bpf/) mirrors `struct slot` and checks its size against the map before writing. Whoever changes a
 * layout here changes MAPS_VERSION there, which is part of the pin path.
 */
#pragma once

#include "parse.h"

#define SLOTS 2
#define MAX_ENTRIES 64
#define MAX_DEVICES 64
#define PORTS 65536
#define LENGTH_STEPS 128 /* a power of two: every range of lengths has two ends */

/* Dimensions in `slot.uses`: set if some entry looks at it, so that the table must be consulted. */
enum uses {
	USES_SOURCE4 = 1 << 0,
	USES_SOURCE6 = 1 << 1,
	USES_DESTINATION4 = 1 << 2,
	USES_DESTINATION6 = 1 << 3,
	USES_PROTOCOL = 1 << 4,
	USES_SOURCE_PORT = 1 << 5,
	USES_DESTINATION_PORT = 1 << 6,
	USES_DSCP = 1 << 7,
	USES_DEVICE = 1 << 8,
	USES_TCP_FLAGS = 1 << 9,
	USES_ICMP_TYPE = 1 << 10,
	USES_FRAGMENT = 1 << 11,
	USES_LENGTH = 1 << 12,
	USES_SOURCE4_HOST = 1 << 13,
	USES_SOURCE6_HOST = 1 << 14,
	USES_DESTINATION4_HOST = 1 << 15,
	USES_DESTINATION6_HOST = 1 << 16,
};

struct action {
	__u32 value;   /* xdp: what the rule does, see xdp.bpf.c; tc: the class id */
	__u32 counter; /* xdp: index into `counters` */
};

struct device {
	__u32 ifindex;
	__u32 reserved;
	__u64 word;
};

/* All of a policy that has a fixed size. Words named any_* are the entries that do not look at the dimension. */
struct slot {
	__u64 marker; /* userspace's name for what the slot holds; 0 while it is being filled */
	__u64 entries;
	__u64 any_device;
	__u64 any_source;
	__u64 any_destination;
	__u64 any_protocol;
	__u64 any_source_port;
	__u64 any_destination_port;
	__u64 any_tcp_flags;
	__u64 any_icmp_type;
	__u64 deciding; /* xdp: entries after which no other is asked */
	__u32 uses;
	__u32 fallback; /* the action's value if no entry matches */
	__u32 devices;
	__u32 refuses_hidden; /* xdp: drop what hides its transport header, because some entry drops by it */
	struct device device[MAX_DEVICES];
	struct action action[MAX_ENTRIES];
	__u64 dscp[64];
	__u64 protocol[256];
	__u64 tcp_flags[256];
	__u64 icmp_type[256];
	__u64 part[PARTS];
	__u32 length_from[LENGTH_STEPS]; /* ascending; length_word[i] holds from here to the next one */
	__u64 length_word[LENGTH_STEPS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* Both slots in one array, the second behind the first: a look-up the verifier inlines, a table userspace maps. */
#define PORT_TABLE(name)                                  \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY);         \
		__uint(map_flags, BPF_F_MMAPABLE);        \
		__uint(max_entries, SLOTS * PORTS);       \
		__type(key, __u32);                       \
		__type(value, __u64);                     \
	} name SEC(".maps")

PORT_TABLE(source_port);
PORT_TABLE(destination_port);

/* A table per slot, made by userspace as large as it needs; none at all if it needs none. */
#define INNER_TABLE(name, kind, flags, key_bytes, value_bytes) \
	struct {                                               \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);      \
		__uint(max_entries, SLOTS);                    \
		__uint(key_size, sizeof(__u32));               \
		__array(values, struct {                       \
			__uint(type, kind);                    \
			__uint(map_flags, flags);              \
			__uint(max_entries, 1);                \
			__uint(key_size, key_bytes);           \
			__uint(value_size, value_bytes);       \
		});                                            \
	} name SEC(".maps")

/*
 * Addresses in full length stand in a hash table and are found first, other prefixes in a trie. Both have the same keys, a
 * prefix's length and its address, as parse() leaves them: none is made for a look-up.
 */
#define ADDRESS_TABLES(name, address_bytes, value_bytes)                                                         \
	INNER_TABLE(name##_host, BPF_MAP_TYPE_HASH, 0, sizeof(__u32) + (address_bytes), value_bytes);            \
	INNER_TABLE(name, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, sizeof(__u32) + (address_bytes), value_bytes)

ADDRESS_TABLES(source4, 4, sizeof(__u64));
ADDRESS_TABLES(source6, 16, sizeof(__u64));
ADDRESS_TABLES(destination4, 4, sizeof(__u64));
ADDRESS_TABLES(destination6, 16, sizeof(__u64));

/* Which slot is in force now. The clock is read only while a deadline is pending. */
static __always_inline __u32 slot_in_force(void)
{
	__u32 zero = 0;
	__u64 *word = bpf_map_lookup_elem(&config, &zero);
	__u64 deadline, value;
	__u32 index;

	if (!word)
		return 0;
	value = *(volatile __u64 *)word;
	index = value & 1;
	deadline = value >> 1;
	if (deadline && bpf_ktime_get_ns() >= deadline)
		index ^= 1;
	return index;
}

/* A global function: the verifier walks its loop once, not once for each way to reach it. */
__noinline __u64 match_device(const struct slot *slot, __u32 ifindex)
{
	if (!slot)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_DEVICES && i < slot->devices; i++)
		if (slot->device[i].ifindex == ifindex)
			return slot->device[i].word;
	return slot->any_device;
}

static __always_inline __u64 match_port(void *table, __u32 index, __u16 port)
{
	__u32 key = index * PORTS + port;
	__u64 *word = bpf_map_lookup_elem(table, &key);

	return word ? *word : 0;
}

/* A global function: a search of seven steps, which the verifier walks once. */
__noinline __u64 match_length(const struct slot *slot, __u32 length)
{
	__u32 at = 0;

	if (!slot)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 step = LENGTH_STEPS / 2; step; step /= 2)
		if (slot->length_from[(at + step) & (LENGTH_STEPS - 1)] <= length)
			at += step;
	return slot->length_word[at & (LENGTH_STEPS - 1)];
}

/* What a table pair knows of an address; only what some entry asks is looked up. */
static __always_inline void *look_up_address(void *hosts, void *tries, __u32 index, const struct address *address,
					     bool in_hosts, bool in_tries)
{
	void *found = 0, *table;

	if (in_hosts) {
		table = bpf_map_lookup_elem(hosts, &index);
		found = table ? bpf_map_lookup_elem(table, address) : 0;
	}
	if (!found && in_tries) {
		table = bpf_map_lookup_elem(tries, &index);
		found = table ? bpf_map_lookup_elem(table, address) : 0;
	}
	return found;
}

/* `any`: the word of the entries that take any address; every word in the tables includes it. */
#define MATCH_ADDRESS(table, index, address, uses, host_bit, trie_bit, any)                                     \
	({                                                                                                      \
		__u64 *word = look_up_address(&table##_host, &table, index, address, (uses) & (host_bit),       \
					      (uses) & (trie_bit));                                             \
		word ? *word : (any);                                                                           \
	})

static __always_inline __u64 match_source(const struct slot *slot, __u32 index, const struct packet *packet)
{
	if (packet->family == 4)
		return MATCH_ADDRESS(source4, index, &packet->source, slot->uses, USES_SOURCE4_HOST, USES_SOURCE4,
				     slot->any_source);
	return MATCH_ADDRESS(source6, index, &packet->source, slot->uses, USES_SOURCE6_HOST, USES_SOURCE6,
			     slot->any_source);
}

static __always_inline __u64 match_destination(const struct slot *slot, __u32 index, const struct packet *packet)
{
	if (packet->family == 4)
		return MATCH_ADDRESS(destination4, index, &packet->destination, slot->uses, USES_DESTINATION4_HOST,
				     USES_DESTINATION4, slot->any_destination);
	return MATCH_ADDRESS(destination6, index, &packet->destination, slot->uses, USES_DESTINATION6_HOST,
			     USES_DESTINATION6, slot->any_destination);
}

static __always_inline __u64 match_ports(const struct slot *slot, __u32 index, const struct packet *packet)
{
	__u64 word = ~0ULL;

	if (!packet->has_ports)
		return slot->any_source_port & slot->any_destination_port;
	if (slot->uses & USES_SOURCE_PORT)
		word &= match_port(&source_port, index, packet->source_port);
	if (slot->uses & USES_DESTINATION_PORT)
		word &= match_port(&destination_port, index, packet->destination_port);
	return word;
}

/* Every entry that the packet matches. The tries come last: they cost most, and often nothing is left to ask. */
static __always_inline __u64 match(const struct slot *slot, __u32 index, const struct packet *packet, __u32 ifindex)
{
	__u64 word = slot->entries;

	if (slot->uses & USES_DEVICE)
		word &= match_device(slot, ifindex);
	if (slot->uses & USES_DSCP)
		word &= slot->dscp[packet->dscp & 63];
	if (slot->uses & USES_PROTOCOL)
		word &= packet->hidden ? slot->any_protocol : slot->protocol[packet->protocol];
	if (slot->uses & USES_TCP_FLAGS)
		word &= packet->has_tcp_flags ? slot->tcp_flags[packet->tcp_flags] : slot->any_tcp_flags;
	if (slot->uses & USES_ICMP_TYPE)
		word &= packet->has_icmp_type ? slot->icmp_type[packet->icmp_type] : slot->any_icmp_type;
	if (slot->uses & USES_FRAGMENT)
		word &= slot->part[packet->part & (PARTS - 1)];
	if (slot->uses & USES_LENGTH)
		word &= match_length(slot, packet->length);
	if (word)
		word &= match_ports(slot, index, packet);
	if (word)
		word &= match_source(slot, index, packet);
	if (word)
		word &= match_destination(slot, index, packet);
	return word;
}

/*
 * The lowest set bit's number: BPF has no such instruction, so count the ones below it, without a branch (Warren,
 * Hacker's Delight, 5-1). `word` must not be zero.
 */
static __always_inline __u32 first_entry(__u64 word)
{
	word = (word & -word) - 1;
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return word * 0x0101010101010101 >> 56 & (MAX_ENTRIES - 1);
}
