// SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only)
/*
 * The classifier on clsact egress: it writes the HTB class of each packet into skb->priority, which HTB honours first.
 * A packet that no entry matches gets the fallback class. An interface has its own maps: one pinned directory each.
 *
 * What keeps the link alive is left alone, and HTB lets it pass beside the tree: frames that are not IP (ARP, LLDP) and,
 * unless an entry matches it, neighbor discovery. In a full default class they would be lost, and the neighbors with
 * them.
 */
#include <linux/pkt_cls.h>

#include "match.h"

/* Ethernet, two tags, IPv4 with all options, ports: more than this in one piece is never needed for IPv4. */
#define HEADERS 128

SEC("tc")
int tidegate_tc(struct __sk_buff *skb)
{
	__u32 index = slot_in_force();
	const struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct packet packet = {};
	__u64 word;

	if (!slot || !slot->marker)
		return TC_ACT_UNSPEC;

	/* What the stack sent is linear that far already; a forwarded packet may not be. */
	if (skb->data_end - skb->data < HEADERS && skb->data_end - skb->data < skb->len)
		bpf_skb_pull_data(skb, skb->len < HEADERS ? skb->len : HEADERS);

	if (!parse((void *)(long)skb->data, (void *)(long)skb->data_end, &packet))
		return TC_ACT_UNSPEC;
	word = match(slot, index, &packet, skb->ifindex);

	if (word)
		skb->priority = slot->action[first_entry(word)].value;
	else if (slot->fallback && !is_neighbor_discovery(&packet))
		skb->priority = slot->fallback;

	/* Unspecified, not OK: filters that others put behind ours still run. */
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
