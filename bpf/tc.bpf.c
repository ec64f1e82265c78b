// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)
/*
 * Two programs on clsact. An interface has maps of its own for each: one pinned directory each.
 *
 * On egress the classifier, tidegate_tc: it writes the HTB class of each packet into skb->priority, which HTB honours first.
 * A packet that no entry matches gets the fallback class. On ingress the policer, tidegate_police: it lets a class's packets in
 * at their rate and drops the rest (police.h), where what comes in is not shaped on an ifb.
 *
 * What keeps the link alive is left alone, and HTB lets it pass beside the tree, the policer at any rate: frames that are not
 * IP (ARP, LLDP) and, unless an entry matches it, neighbor discovery. In a full default class they would be lost, and the
 * neighbors with them.
 */
#include <linux/pkt_cls.h>

#include "class.h"
#include "police.h"

/* Ethernet, two tags, IPv4 with all options, ports: more than this in one piece is never needed for IPv4. */
#define HEADERS 128
#define MAJOR 0x1de
#define MAX_QUEUES 64
#define VLAN_ID 0x0fff

/* The outermost tag is beside the packet if a device below will write it, and in the packet if it was written already. */
static __always_inline __u32 vlan_of(struct __sk_buff *skb)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct vlan *vlan = (void *)(ethernet + 1);

	if (skb->vlan_present)
		return skb->vlan_tci & VLAN_ID;
	if ((void *)(vlan + 1) > end)
		return 0;
	if (ethernet->h_proto != bpf_htons(ETH_P_8021Q) && ethernet->h_proto != bpf_htons(ETH_P_8021AD))
		return 0;
	return bpf_ntohs(vlan->tci) & VLAN_ID;
}

/* Entries left once the packet's VLAN, mark and cgroup have been asked for. */
static __always_inline __u64 match_keys(struct __sk_buff *skb, const struct choice *choice, __u32 index, __u32 vlan)
{
	__u64 word = ~0ULL;

	if (choice->uses & CHOOSES_VLAN)
		word &= match_key(choice, index, KEY_VLAN, vlan);
	if (choice->uses & CHOOSES_MARK)
		word &= match_key(choice, index, KEY_MARK, skb->mark);
	if (choice->uses & CHOOSES_CGROUP)
		word &= match_key(choice, index, KEY_CGROUP, bpf_skb_cgroup_id(skb));
	return word;
}

/* Where the IP header begins: behind as many tags as parse() passes over. */
static __always_inline __u32 ip_offset(struct __sk_buff *skb)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *ethernet = start;
	void *header = ethernet + 1;
	__be16 protocol;

	if (header > end)
		return 0;
	protocol = ethernet->h_proto;
	for (int i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan *vlan = header;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(vlan + 1) > end)
			return 0;
		protocol = vlan->protocol;
		header = vlan + 1;
	}
	return header - start;
}

/* RFC 2474: the upper six bits of the byte; ECN's two below stay. IPv6 has them across its first two bytes. */
static __always_inline void set_dscp(struct __sk_buff *skb, const struct packet *packet, __u8 dscp)
{
	__u32 offset = ip_offset(skb);
	__be16 before, after;

	if (!offset || packet->dscp == dscp || bpf_skb_load_bytes(skb, offset, &before, sizeof(before)))
		return;
	if (packet->family == 4)
		after = bpf_htons((bpf_ntohs(before) & 0xff03) | dscp << 2);
	else
		after = bpf_htons((bpf_ntohs(before) & 0xf03f) | dscp << 6);
	if (packet->family == 4)
		bpf_l3_csum_replace(skb, offset + __builtin_offsetof(struct iphdr, check), before, after, sizeof(after));
	bpf_skb_store_bytes(skb, offset, &after, sizeof(after), 0);
}

/*
 * A class's tree hangs below one queue, the major of its id says which. As if the packet had come in by the queue of that number:
 * what picks a queue for it (skb_tx_hash()) then takes the same, unless XPS or its socket knows one.
 */
static __always_inline void set_queue(struct __sk_buff *skb)
{
	__u32 queue = (skb->priority >> 16) - MAJOR;

	if (queue < MAX_QUEUES)
		skb->queue_mapping = queue + 1;
}

/* False for what is not IP. What the stack sent is linear far enough already; what came over a wire may not be. */
static __always_inline bool parsed(struct __sk_buff *skb, struct packet *packet)
{
	if (skb->data_end - skb->data < HEADERS && skb->data_end - skb->data < skb->len)
		bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);
	return parse((void *)(long)skb->data, (void *)(long)skb->data_end, packet);
}

SEC("tc")
int tidegate_tc(struct __sk_buff *skb)
{
	__u32 zero = 0, index = slot_in_force();
	const struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	const struct choice *choice = bpf_map_lookup_elem(&choices, &index);
	const __u32 *aside = bpf_map_lookup_elem(&bypass, &zero);
	struct packet packet = {};
	__u32 class = 0;
	const struct group *group = 0;
	__u64 word;

	if (!slot || !slot->marker || !choice || (aside && *aside))
		return TC_ACT_UNSPEC;

	if (!parsed(skb, &packet))
		return TC_ACT_UNSPEC;
	/* By which interface a forwarded packet came in; 0 for what the host itself sends. */
	word = match(slot, index, &packet, skb->ingress_ifindex);
	if (word && choice->uses & CHOOSES_KEYS)
		word &= match_keys(skb, choice, index, vlan_of(skb));

	if (choice->uses & CHOOSES_CUSTOMERS)
		group = group_of(choice, index, &packet);
	if (group) {
		if (word & group->entries || !is_neighbor_discovery(&packet))
			class = class_in(group, index, word);
		if (class)
			skb->priority = (MAJOR + CLASS_QUEUE(class)) << 16 | CLASS_MINOR(class);
		class = CLASS_DSCP(class);
	} else if (word & ~choice->apart) {
		__u32 entry = first_entry(word & ~choice->apart);

		skb->priority = slot->action[entry].value;
		asm volatile("" : "+r"(entry)); /* the verifier forgets the range that the compiler relies on */
		class = choice->dscp[entry & (MAX_ENTRIES - 1)];
	} else if (slot->fallback && !is_neighbor_discovery(&packet)) {
		skb->priority = slot->fallback;
		class = choice->fallback_dscp;
	}

	if (choice->uses & CHOOSES_DSCP && class)
		set_dscp(skb, &packet, class - 1);
	if (choice->uses & CHOOSES_QUEUES)
		set_queue(skb);

	/* Unspecified, not OK: filters that others put behind ours still run. */
	return TC_ACT_UNSPEC;
}

/*
 * Headers are on the wire once for each packet that was joined, in here once for all. How long TCP's is says only its header;
 * almost all carry a timestamp (RFC 7323), and without one this is 12 of 1514 bytes too much. Tags are left out.
 */
static __always_inline __u64 wire_bytes(const struct __sk_buff *skb, const struct packet *packet, __u32 packets)
{
	__u64 headers = sizeof(struct ethhdr) + (packet->family == 4 ? 20 : 40) + (packet->protocol == IPPROTO_TCP ? 32 : 8);

	return skb->len + (packets - 1) * headers;
}

/* Global functions: the verifier walks each once, which for the two of them inline takes it half of a million steps. */
__noinline int parse_arrived(struct __sk_buff *skb, struct packet *packet)
{
	return packet && parsed(skb, packet);
}

__noinline __u64 match_arrived(const struct slot *slot, __u32 index, const struct packet *packet)
{
	return slot && packet ? match(slot, index, packet, 0) : 0;
}

SEC("tc")
int tidegate_police(struct __sk_buff *skb)
{
	__u32 zero = 0, index = slot_in_force();
	const struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	const struct choice *choice = bpf_map_lookup_elem(&choices, &index);
	const struct policing *policing = bpf_map_lookup_elem(&policings, &index);
	const __u32 *aside = bpf_map_lookup_elem(&bypass, &zero);
	__u32 place, dscp, packets;
	struct packet packet = {};
	__u64 word;

	if (!slot || !slot->marker || !choice || !policing || (aside && *aside))
		return TC_ACT_UNSPEC;
	if (!parse_arrived(skb, &packet))
		return TC_ACT_UNSPEC;

	word = match_arrived(slot, index, &packet);
	if (word && choice->uses & CHOOSES_KEYS)
		word &= match_keys(skb, choice, index, vlan_of(skb));
	if (word) {
		__u32 entry = first_entry(word);

		place = slot->action[entry].value;
		asm volatile("" : "+r"(entry)); /* the verifier forgets the range that the compiler relies on */
		dscp = choice->dscp[entry & (MAX_ENTRIES - 1)];
	} else if (is_neighbor_discovery(&packet)) {
		return TC_ACT_UNSPEC;
	} else {
		place = slot->fallback;
		dscp = choice->fallback_dscp;
	}

	if (!place) /* userspace counts places from 1 */
		return TC_ACT_UNSPEC;
	packets = skb->gso_segs ? skb->gso_segs : 1;
	if (!police(policing, place - 1, packets, wire_bytes(skb, &packet, packets)))
		return TC_ACT_SHOT;
	if (dscp)
		set_dscp(skb, &packet, dscp - 1);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
