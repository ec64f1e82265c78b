/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/* Telling the sender of a packet that does not fit when it is wrapped. */
#pragma once

#include "flow.h"
#include "wrap.h"

#define ICMP_QUOTE4 28 /* an IP header without options, and 8 bytes (RFC 792) */
#define ICMP_QUOTE6 64

static __always_inline void turn_round(struct ethhdr *ethernet)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
}

/* Make room before the IP header for `size` bytes, keep the Ethernet header, cut what is behind `quote` bytes. */
static __always_inline int quote_only(struct xdp_md *ctx, int size, int quote)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data, saved;
	int surplus = bpf_xdp_get_buff_len(ctx) - sizeof(saved) - quote;

	if ((void *)(ethernet + 1) > end || surplus < 0)
		return 0;
	saved = *ethernet;
	if (bpf_xdp_adjust_tail(ctx, -surplus) || bpf_xdp_adjust_head(ctx, -size))
		return 0;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return 0;
	*ethernet = saved;
	turn_round(ethernet);
	return 1;
}

/* RFC 1191: the packet must not be fragmented, so its sender has to make it smaller. */
__noinline int too_big4(struct xdp_md *ctx, __u32 mtu)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr), *original;
	struct icmphdr *icmp;
	__u32 sum = 0;
	__u16 *half;

	if ((void *)(ip + 1) > end || !(ip->frag_off & bpf_htons(0x4000)) || ip->ihl != 5)
		return XDP_DROP;
	if (!quote_only(ctx, sizeof(*ip) + sizeof(*icmp), ICMP_QUOTE4))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + sizeof(struct ethhdr);
	icmp = (void *)(ip + 1);
	original = (void *)(icmp + 1);
	if ((void *)original + ICMP_QUOTE4 > end)
		return XDP_DROP;
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*icmp) + ICMP_QUOTE4);
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = OUTER_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->saddr = original->daddr;
	ip->daddr = original->saddr;
	seal(ip);
	icmp->type = ICMP_DEST_UNREACH;
	icmp->code = ICMP_FRAG_NEEDED;
	icmp->checksum = 0;
	icmp->unused = 0;
	icmp->mtu = bpf_htons(mtu);
	half = (void *)icmp;
	for (int i = 0; i < (int)(sizeof(*icmp) + ICMP_QUOTE4) / 2; i++)
		sum += half[i];
	icmp->checksum = folded(sum);
	return XDP_TX;
}

/* RFC 4443, section 3.2. */
__noinline int too_big6(struct xdp_md *ctx, __u32 mtu)
{
	void *data, *end;
	struct ipv6hdr *ip, *original;
	struct icmp6hdr *icmp;
	__u32 sum = 0;
	__u16 *half;

	if (!quote_only(ctx, sizeof(*ip) + sizeof(*icmp), ICMP_QUOTE6))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + sizeof(struct ethhdr);
	icmp = (void *)(ip + 1);
	original = (void *)(icmp + 1);
	if ((void *)original + ICMP_QUOTE6 > end)
		return XDP_DROP;
	*(__be32 *)ip = bpf_htonl(6 << 28);
	ip->payload_len = bpf_htons(sizeof(*icmp) + ICMP_QUOTE6);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = OUTER_TTL;
	ip->saddr = original->daddr;
	ip->daddr = original->saddr;
	icmp->icmp6_type = ICMPV6_PKT_TOOBIG;
	icmp->icmp6_code = 0;
	icmp->icmp6_cksum = 0;
	icmp->icmp6_mtu = bpf_htonl(mtu);
	half = (void *)&ip->saddr; /* addresses, then ICMP and what it quotes, in one run */
	for (int i = 0; i < (int)(32 + sizeof(*icmp) + ICMP_QUOTE6) / 2; i++)
		sum += half[i];
	sum += bpf_htons(sizeof(*icmp) + ICMP_QUOTE6) + bpf_htons(IPPROTO_ICMPV6);
	icmp->icmp6_cksum = folded(sum);
	return XDP_TX;
}

static __always_inline int too_big(struct xdp_md *ctx, __u8 family, __u32 mtu)
{
	return fate(ctx, FATE_TOO_BIG, family == 4 ? too_big4(ctx, mtu) : too_big6(ctx, mtu));
}
