// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)
/*
 * The packet filter in front of a host.
 *
 *     frame ─ parse ─ match ─ in order: count, mark, limit ─┬─ past a limit ──────────► drop
 *                                  │                        │
 *                                  └─ the first that decides ─┬─ none, or allow ──────► pass
 *                                                             └─ drop ────────────────► drop
 *
 *     before every drop: management or neighbor discovery? ──────────────────────────► pass
 *
 * Entries that only count, mark or limit let the packet go on to the next one; allow and drop decide. Nothing is walked
 * where a policy has only the latter.
 *
 * The management allow-list stands outside the slots: no policy can contain, lose or override it. It is asked only about
 * packets that are about to be dropped, so packets that pass do not pay for it.
 *
 * `preflight` is the same filter without that list and without limits, on a slot that is not in force: before a policy is
 * put in force it must pass management traffic by itself. It counts nothing.
 */
#include "balance.h"
#include "limit.h"

#define COUNTERS RULES
#define NAME_LENGTH 64
#define MANAGEMENT_PEERS 16384

/* What a rule does: its action's value. Bits 0 to 7 are the verdict of an entry that decides, the DSCP of one that marks. */
enum rule_kind {
	DECIDES = 0,
	COUNTS = 1 << 8,
	MARKS = 1 << 9,
	LIMITS = 1 << 10,
};

#define ARGUMENT 0xff

struct tally {
	__u64 packets;
	__u64 bytes;
};

/* What a rule matched, and of that what was past its limit. */
struct rule_tally {
	struct tally matched;
	struct tally over;
};

/* One counter a rule. A rule keeps its index as long as a slot names it, so counters survive flips and restarts. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, struct rule_tally);
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

static __always_inline void count_rule(__u32 counter, __u64 bytes, bool over)
{
	struct rule_tally *tally = bpf_map_lookup_elem(&counters, &counter);

	if (!tally)
		return;
	tally->matched.packets++;
	tally->matched.bytes += bytes;
	if (over) {
		tally->over.packets++;
		tally->over.bytes += bytes;
	}
}

/* What walking the entries before the one that decides came to. */
#define NO_MARK 64
#define MARK_SHIFT 8
#define OVER_LIMIT (1 << 8)

/* One entry that does not decide: its part of `walk`'s answer. A global function: the verifier walks it once. */
__noinline __u32 visit(const struct slot *slot, __u32 index, __u32 entry, const struct packet *packet, __u32 bytes)
{
	bool over = false;
	__u32 value, counter;

	if (!slot || !packet)
		return NO_MARK;
	value = slot->action[entry & (MAX_ENTRIES - 1)].value;
	counter = slot->action[entry & (MAX_ENTRIES - 1)].counter;
	if (value & LIMITS)
		over = !within_limit(index, entry, counter, packet, bytes);
	count_rule(counter, bytes, over);
	if (value & MARKS)
		return value & 63;
	return over && !(value & COUNTS) ? OVER_LIMIT | NO_MARK : NO_MARK;
}

/* The last mark wins. Past a limit the walk ends: what is dropped is neither counted nor charged by later rules. */
__noinline __u32 walk(const struct slot *slot, __u32 index, __u64 word, const struct packet *packet, __u32 bytes)
{
	__u32 mark = NO_MARK;

	if (!slot || !packet)
		return NO_MARK;
#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_ENTRIES && word; i++) {
		__u32 answer = visit(slot, index, first_entry(word), packet, bytes);

		if (answer & OVER_LIMIT)
			return answer;
		if (answer < NO_MARK)
			mark = answer;
		word &= word - 1;
	}
	return mark;
}

/* Write a DSCP where the packet was found to begin; the checksum of IPv4 follows (RFC 1624, equation 3). */
__noinline int remark(struct xdp_md *ctx, const struct packet *packet, __u32 dscp)
{
	void *header = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 offset;

	if (!packet || packet->offset > MAX_HEADER_OFFSET)
		return 0;
	offset = packet->offset;
	header += offset;
	if (packet->family == 4) {
		struct iphdr *ip = header;
		__u32 sum, before;

		if ((void *)(ip + 1) > end)
			return 0;
		before = ip->tos;
		ip->tos = dscp << 2 | (before & 3);
		sum = (__u16)~bpf_ntohs(ip->check) + (__u16)~before + ip->tos;
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip->check = bpf_htons((__u16)~sum);
	} else {
		struct ipv6hdr *ip = header;

		if ((void *)(ip + 1) > end)
			return 0;
		ip->priority = dscp >> 2;
		ip->flow_lbl[0] = dscp << 6 | (ip->flow_lbl[0] & 0x3f);
	}
	return 0;
}

/* A drop, unless it would hit management; `counter` is charged with it, if a rule said so. */
static __always_inline __u32 drop_unless_exempt(const struct packet *packet, __u64 bytes, const struct action *rule)
{
	if (is_exempt(packet)) {
		count(&totals, TOTAL_EXEMPTED, bytes);
		return XDP_PASS | NO_MARK << MARK_SHIFT;
	}
	if (rule)
		count_rule(rule->counter, bytes, false);
	return XDP_DROP;
}

/* What the policy says about a packet: the verdict, and above MARK_SHIFT the DSCP to write or NO_MARK. */
static __always_inline __u32 judge(const struct slot *slot, __u32 index, const struct packet *packet, __u32 ifindex, __u32 bytes)
{
	__u64 word, deciding, others;
	const struct action *first;
	__u32 mark = NO_MARK;

	word = match(slot, index, packet, ifindex);
	deciding = word & slot->deciding;
	others = word & ~slot->deciding;
	if (deciding)
		others &= (deciding & -deciding) - 1;
	if (others) {
		__u32 answer = walk(slot, index, others, packet, bytes);

		if (answer & OVER_LIMIT)
			return drop_unless_exempt(packet, bytes, 0);
		mark = answer;
	}
	if (deciding) {
		first = &slot->action[first_entry(deciding)];
		if ((first->value & ARGUMENT) == XDP_DROP)
			return drop_unless_exempt(packet, bytes, first);
		count_rule(first->counter, bytes, false);
	} else if (packet->hidden && slot->refuses_hidden) {
		/* The policy drops by what this packet hides: to pass it would make hiding worthwhile. */
		count(&totals, TOTAL_HIDDEN, bytes);
		return XDP_DROP;
	}
	return XDP_PASS | mark << MARK_SHIFT;
}

SEC("xdp.frags")
int tidegate_filter(struct xdp_md *ctx)
{
	__u32 index = slot_in_force(), answer, action;
	const struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct packet packet = {};
	__u32 bytes;

	if (!slot || (!slot->entries && !balances(index)))
		return XDP_PASS;
	if (!slot->entries)
		return to_balancing(ctx, index);
	if (!parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &packet))
		return XDP_PASS;

	bytes = bpf_xdp_get_buff_len(ctx);
	answer = judge(slot, index, &packet, ctx->ingress_ifindex, bytes);
	action = answer & ((1 << MARK_SHIFT) - 1);
	count(&totals, action == XDP_DROP ? TOTAL_DROPPED : TOTAL_PASSED, bytes);
	if (action != XDP_PASS)
		return action;
	if (answer >> MARK_SHIFT < NO_MARK)
		remark(ctx, &packet, answer >> MARK_SHIFT);
	return to_balancing(ctx, index);
}

/* A global function: the verifier walks it once, and not all that follows for each way through it. */
__noinline int parse_frame(struct xdp_md *ctx, struct packet *packet)
{
	return packet && parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, packet);
}

/* Apart from the filter: its own stack, and nothing that a host without balancing ever runs. */
SEC("xdp.frags")
int balance_packet(struct xdp_md *ctx)
{
	struct packet packet = {};
	__u32 zero = 0, *slot = bpf_map_lookup_elem(&judged_by, &zero);

	if (!slot || *slot >= SLOTS || !parse_frame(ctx, &packet))
		return XDP_PASS;
	return balance(ctx, *slot, &packet);
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
	if (!parse_frame(ctx, &packet))
		return XDP_PASS;
	word = match(slot, index, &packet, trial->ifindex) & slot->deciding;
	return word ? slot->action[first_entry(word)].value & ARGUMENT : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
