// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)
/*
 * The packet filter in front of a host.
 *
 *     frame ─ parse ─ match ─┬─ no entry, or the first says allow ──────────────► pass
 *                            └─ the first says drop ─┬─ management or ND ───────► pass
 *                                                    └──────────────────────────► drop
 *
 * The management allow-list stands outside the slots: no policy can contain, lose or override it. It is asked only about
 * packets that are about to be dropped, so packets that pass do not pay for it.
 *
 * `preflight` is the same filter without that list, on a slot that is not in force: before a policy is put in force it must
 * pass management traffic by itself. It counts nothing.
 */
#include "match.h"

#define COUNTERS 256
#define NAME_LENGTH 64
#define MANAGEMENT_PEERS 16384

struct tally {
	__u64 packets;
	__u64 bytes;
};

/* One counter a rule. A rule keeps its index as long as a slot names it, so counters survive flips and restarts. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, struct tally);
} counters SEC(".maps");

/* Whose counter it is: written and read by userspace only, here so that the kernel holds the whole truth. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, char[NAME_LENGTH]);
} counter_names SEC(".maps");

/* What became of packets while there was a policy. */
enum total {
	TOTAL_PASSED,
	TOTAL_DROPPED,
	TOTAL_HIDDEN,   /* of the dropped: not by a rule, but because the transport header could not be found */
	TOTAL_EXEMPTED, /* of the passed: a rule said drop, management or ND was spared */
	TOTALS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TOTALS);
	__type(key, __u32);
	__type(value, struct tally);
} totals SEC(".maps");

enum side {
	SIDE_REMOTE, /* the port is the peer's: a service we use there */
	SIDE_LOCAL,  /* the port is ours: a service the peer uses here */
};

struct peer {
	__u32 address[4]; /* IPv4 as ::ffff:a.b.c.d */
	__u16 port;       /* host order */
	__u8 protocol;
	__u8 side;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MANAGEMENT_PEERS);
	__type(key, struct peer);
	__type(value, __u8);
} management SEC(".maps");

/* One bit for each port some entry of `management` names: a flood to other ports never costs a hash look-up. */
struct port_set {
	__u64 bits[PORTS / 64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct port_set);
} management_ports SEC(".maps");

/* What `preflight` judges by. */
struct trial {
	__u32 slot;
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trial);
} trials SEC(".maps");

static __always_inline void count(void *table, __u32 index, __u64 bytes)
{
	struct tally *tally = bpf_map_lookup_elem(table, &index);

	if (!tally)
		return;
	tally->packets++;
	tally->bytes += bytes;
}

static __always_inline bool is_peer(const struct packet *packet, __u16 port, __u8 side)
{
	struct peer key = { .port = port, .protocol = packet->protocol, .side = side };
	__u32 zero = 0, word = port / 64;
	struct port_set *ports = bpf_map_lookup_elem(&management_ports, &zero);

	if (!ports || !(ports->bits[word] >> (port % 64) & 1))
		return false;
	if (packet->family == 4) {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = packet->source.word[0];
	} else {
		__builtin_memcpy(key.address, packet->source.word, sizeof(key.address));
	}
	return bpf_map_lookup_elem(&management, &key);
}

static __always_inline bool is_exempt(const struct packet *packet)
{
	if (packet->has_ports)
		return is_peer(packet, packet->destination_port, SIDE_LOCAL) ||
		       is_peer(packet, packet->source_port, SIDE_REMOTE);
	return is_neighbor_discovery(packet);
}

SEC("xdp.frags")
int tidegate_filter(struct xdp_md *ctx)
{
	__u32 index = slot_in_force(), action;
	const struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct packet packet = {};
	__u64 bytes, word;

	if (!slot || !slot->entries)
		return XDP_PASS;
	if (!parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &packet))
		return XDP_PASS;

	word = match(slot, index, &packet, ctx->ingress_ifindex);
	bytes = bpf_xdp_get_buff_len(ctx);
	if (word) {
		const struct action *first = &slot->action[first_entry(word)];

		action = first->value;
		if (action == XDP_DROP && is_exempt(&packet)) {
			count(&totals, TOTAL_EXEMPTED, bytes);
			action = XDP_PASS;
		} else {
			count(&counters, first->counter, bytes);
		}
	} else if (packet.hidden && slot->uses & USES_TRANSPORT) {
		/* The policy filters by what this packet hides: to pass it would make hiding worthwhile. */
		count(&totals, TOTAL_HIDDEN, bytes);
		action = XDP_DROP;
	} else {
		action = XDP_PASS;
	}
	count(&totals, action == XDP_DROP ? TOTAL_DROPPED : TOTAL_PASSED, bytes);
	return action;
}

SEC("xdp.frags")
int preflight(struct xdp_md *ctx)
{
	__u32 zero = 0, index;
	struct trial *trial = bpf_map_lookup_elem(&trials, &zero);
	struct packet packet = {};
	const struct slot *slot;
	__u64 word;

	if (!trial)
		return XDP_ABORTED;
	index = trial->slot;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return XDP_ABORTED;
	if (!parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &packet))
		return XDP_PASS;
	word = match(slot, index, &packet, trial->ifindex);
	return word ? slot->action[first_entry(word)].value : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
