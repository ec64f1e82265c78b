/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * From a VIP to a server that answers for it, and out of the wrapping there.
 *
 *     to a VIP ─ frontend ─ hash of the flow ─ bucket ─┬─ first hop ─ encapsulate, second hop in the header ─ send
 *                                                      └─ none is well ─ drop
 *     encapsulated, to us ─ is it for a VIP we serve? ─┬─ new, ours, or no second hop ─ unwrap ─ stack
 *                                                      └─ a connection we do not know ─ on to the second hop
 *
 * No balancer remembers a connection. A server that is draining, or that took connections while another was ill, still
 * gets their packets: the first hop asks its own kernel whether it knows the connection (bpf_skc_lookup_tcp), and hands
 * on what it does not. tidegate/balancing/hops.py says which two servers a bucket has.
 *
 * An ICMP error about a packet from a VIP goes where the packets of that flow go: the flow is read from its payload.
 *
 * Tables are in two slots, and the slot is the one that the filter has read for this packet: a packet never meets one
 * policy's rules and another one's VIPs. Userspace (tidegate/balancing/) writes all of this; health changes single buckets
 * of the slot in force, one store each.
 */
#pragma once

#include <linux/tcp.h>
#include <linux/udp.h>

#include "match.h"

/* linux/icmp.h drags in the C library. */
#define ICMP_DEST_UNREACH 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_FRAG_NEEDED 4

struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 unused;
	__be16 mtu; /* of "fragmentation needed" (RFC 1191) */
};

#define AF_INET 2
#define AF_INET6 10
#define FRONTENDS 4096
#define BACKENDS 2048
#define BUCKETS 65537
#define BALANCED 4096
#define BALANCED_NAME 112
#define NO_BACKEND 0xffff
#define CURRENT_NETNS (-1L)

#define GUE_PORT 6080
#define GUE_CONTROL 0x20
#define OUTER_TTL 64
#define ICMP_QUOTE4 28 /* an IP header without options, and 8 bytes (RFC 792) */
#define ICMP_QUOTE6 64

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

struct gue {
	__u8 head; /* version 0, control bit, length of what follows the first four bytes in words */
	__u8 protocol;
	__be16 flags;
};

/* Private data of ours behind the GUE header: one more server to try. */
#define HOP_MAGIC 0x5467
struct hop {
	__be16 magic;
	__u8 left; /* 1: the address behind is still to be tried; 0: this was the last one */
	__u8 reserved;
};

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

/* The IP packet that begins `offset` bytes into the frame. 0: it is none, or there is not enough of it. */
__noinline int parse_at(struct xdp_md *ctx, __u32 offset, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *first;

	if (!packet || offset > 256)
		return 0;
	first = data + offset;
	if ((void *)(first + 1) > end)
		return 0;
	if (*first >> 4 == 4)
		return parse_ipv4(first, end, packet);
	return parse_ipv6(first, end, packet);
}

/* Where the transport header begins; 0 if extension headers are before it. */
static __always_inline __u32 transport_at(struct xdp_md *ctx, __u32 offset, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (offset > 256)
		return 0;
	if (family == 4) {
		ip = data + offset;
		return (void *)(ip + 1) > end ? 0 : offset + ip->ihl * 4;
	}
	ip6 = data + offset;
	if ((void *)(ip6 + 1) > end)
		return 0;
	switch (ip6->nexthdr) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMPV6:
		return offset + sizeof(*ip6);
	}
	return 0;
}

static __always_inline struct target *target_of(__u32 slot, const struct packet *packet)
{
	struct frontend key = {
		.port = packet->has_ports ? packet->destination_port : 0,
		.protocol = packet->protocol,
		.slot = slot,
	};

	if (packet->family == 4) {
		key.address[2] = bpf_htonl(0xffff);
		key.address[3] = packet->destination.word[0];
	} else {
		__builtin_memcpy(key.address, packet->destination.word, sizeof(key.address));
	}
	return bpf_map_lookup_elem(&frontends, &key);
}

/* RFC 792 and RFC 4443: errors quote the packet they are about. */
static __always_inline bool is_error(__u8 family, __u8 type)
{
	if (family == 4)
		return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
	return type >= 1 && type <= 4;
}

/*
 * What an ICMP error is about, turned round: the flow as it comes to the VIP. The error must be addressed to whom it says
 * has sent the packet; anything else would let a stranger choose the flow. 0: not such an error.
 */
__noinline int follow_error(struct xdp_md *ctx, __u32 offset, struct packet *packet)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct packet quoted = {};
	struct icmphdr *icmp;
	struct address source;
	__u16 port;
	__u32 at;

	if (!packet)
		return 0;
	at = transport_at(ctx, offset, packet->family);
	if (!at || at > 256)
		return 0;
	icmp = data + at;
	if ((void *)(icmp + 1) > end || !is_error(packet->family, icmp->type))
		return 0;
	if (!parse_at(ctx, at + sizeof(*icmp), &quoted) || quoted.family != packet->family || !quoted.has_ports)
		return 0;
	for (int i = 0; i < 4; i++)
		if (quoted.source.word[i] != packet->destination.word[i])
			return 0;
	source = quoted.source;
	port = quoted.source_port;
	quoted.source = quoted.destination;
	quoted.destination = source;
	quoted.source_port = quoted.destination_port;
	quoted.destination_port = port;
	*packet = quoted;
	return 1;
}

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

/* One number for all packets of a flow; the same on every balancer. */
static __always_inline __u64 hash_of(const struct packet *packet, __u8 affinity)
{
	const __u32 *source = packet->source.word, *destination = packet->destination.word;
	__u64 hash = mix(packet->family, source[0]);

	if (packet->family == 6) {
		hash = mix(hash, (__u64)source[1] << 32 | source[2]);
		hash = mix(hash, source[3]);
	}
	if (affinity == AFFINITY_FLOW) {
		hash = mix(hash, (__u64)packet->source_port << 32 | packet->destination_port << 8 | packet->protocol);
		hash = mix(hash, destination[0]);
		if (packet->family == 6) {
			hash = mix(hash, (__u64)destination[1] << 32 | destination[2]);
			hash = mix(hash, destination[3]);
		}
	}
	return mix(hash, hash >> 29);
}

/* Whether our kernel has that connection, or is about to have it. */
__noinline int knows(struct xdp_md *ctx, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int known;

	if (!packet)
		return 0;
	if (packet->family == 4) {
		tuple.ipv4.saddr = packet->source.word[0];
		tuple.ipv4.daddr = packet->destination.word[0];
		tuple.ipv4.sport = bpf_htons(packet->source_port);
		tuple.ipv4.dport = bpf_htons(packet->destination_port);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->source.word, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, packet->destination.word, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(packet->source_port);
		tuple.ipv6.dport = bpf_htons(packet->destination_port);
		socket = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	known = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return known;
}

static __always_inline bool opens(struct xdp_md *ctx, __u32 offset, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = transport_at(ctx, offset, family);
	struct tcphdr *tcp;

	if (!at || at > 256)
		return false;
	tcp = data + at;
	return (void *)(tcp + 1) <= end && tcp->syn && !tcp->ack;
}

/*
 * Whether a packet is for this server, or for the second hop: only TCP has connections that can be looked up, and
 * whoever opens one comes to the first hop.
 */
static __always_inline bool is_ours(struct xdp_md *ctx, __u32 offset, const struct packet *flow, bool error)
{
	if (flow->protocol != IPPROTO_TCP || !flow->has_ports)
		return true;
	if (!error && opens(ctx, offset, flow->family))
		return true;
	return knows(ctx, flow);
}

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void seal(struct iphdr *ip)
{
	__u16 *half = (void *)ip;
	__u64 sum = 0;

	ip->check = 0;
	for (int i = 0; i < (int)(sizeof(*ip) / 2); i++)
		sum += half[i];
	ip->check = folded(sum);
}

/* The way to an address: MAC addresses and interface in `fib`, `BPF_FIB_LKUP_RET_*` returned. */
static __always_inline long route(struct xdp_md *ctx, struct bpf_fib_lookup *fib, const __u32 *source,
				  const __u32 *address, __u8 family, __u32 length)
{
	fib->ifindex = ctx->ingress_ifindex;
	fib->tot_len = length;
	if (family == 4) {
		fib->family = AF_INET;
		fib->ipv4_src = source[0];
		fib->ipv4_dst = address[0];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, source, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, address, sizeof(fib->ipv6_dst));
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

static __always_inline int send(struct xdp_md *ctx, const struct bpf_fib_lookup *fib)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;

	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(ethernet->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, fib->smac, ETH_ALEN);
	return fib->ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(fib->ifindex, 0);
}

struct wrapping {
	__u32 source[4];
	__u32 length; /* of the inner packet */
	__u16 entropy;
	__u8 inner;   /* its family */
	__u8 dscp;
	__u8 encapsulation;
	bool has_hop;
};

static __always_inline __u32 wrapped(const struct wrapping *wrapping, const struct backend *to)
{
	__u32 size = to->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		size += sizeof(struct udphdr) + sizeof(struct gue);
		if (wrapping->has_hop)
			size += sizeof(struct hop) + (to->family == 4 ? 4 : 16);
	}
	return size;
}

static __always_inline void wrap_gue(void *header, const struct wrapping *wrapping, const struct backend *hop,
				     __u32 length, __u8 family)
{
	struct udphdr *udp = header;
	struct gue *gue = (void *)(udp + 1);
	struct hop *head = (void *)(gue + 1);

	udp->source = bpf_htons(0x8000 | wrapping->entropy);
	udp->dest = bpf_htons(GUE_PORT);
	udp->len = bpf_htons(length);
	udp->check = 0; /* RFC 6935: the inner packet has its own */
	gue->head = wrapping->has_hop ? (family == 4 ? 2 : 5) : 0;
	gue->protocol = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	gue->flags = 0;
	if (wrapping->has_hop) {
		head->magic = bpf_htons(HOP_MAGIC);
		head->left = 1;
		head->reserved = 0;
		__builtin_memcpy(head + 1, hop->address, family == 4 ? 4 : 16);
	}
}

/* The outer header, and behind it GUE if asked for; the frame has room for them already. */
static __always_inline int wrap4(struct xdp_md *ctx, const struct wrapping *wrapping, const struct backend *to,
				 const struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 size = wrapped(wrapping, to);

	if ((void *)(ip + 1) + sizeof(struct udphdr) + sizeof(struct gue) + sizeof(struct hop) + 4 > end)
		return 0;
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = wrapping->dscp << 2; /* RFC 6040, compatibility mode: no ECN outside */
	ip->tot_len = bpf_htons(size + wrapping->length);
	ip->id = 0;
	ip->frag_off = bpf_htons(0x4000); /* do not fragment: RFC 6864 needs no id then */
	ip->ttl = OUTER_TTL;
	ip->saddr = wrapping->source[0];
	ip->daddr = to->address[0];
	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		ip->protocol = IPPROTO_UDP;
		wrap_gue(ip + 1, wrapping, hop, size - sizeof(*ip) + wrapping->length, 4);
	} else {
		ip->protocol = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	seal(ip);
	return 1;
}

static __always_inline int wrap6(struct xdp_md *ctx, const struct wrapping *wrapping, const struct backend *to,
				 const struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ip = (void *)(ethernet + 1);
	__u32 behind = wrapped(wrapping, to) - sizeof(*ip) + wrapping->length;

	if ((void *)(ip + 1) + sizeof(struct udphdr) + sizeof(struct gue) + sizeof(struct hop) + 16 > end)
		return 0;
	ethernet->h_proto = bpf_htons(ETH_P_IPV6);
	/* The flow label spreads flows over paths and queues (RFC 6438). */
	*(__be32 *)ip = bpf_htonl(6 << 28 | (__u32)wrapping->dscp << 22 | wrapping->entropy);
	ip->payload_len = bpf_htons(behind);
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, wrapping->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, to->address, sizeof(ip->daddr));
	if (wrapping->encapsulation == ENCAPSULATION_GUE) {
		ip->nexthdr = IPPROTO_UDP;
		wrap_gue(ip + 1, wrapping, hop, behind, 6);
	} else {
		ip->nexthdr = wrapping->inner == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	return 1;
}

/* The length that the IP header at the frame's start states: frames may be padded. 0: it is not all there. */
static __always_inline __u32 stated_length(struct xdp_md *ctx, __u8 family)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 length;

	if (family == 4)
		length = (void *)(ip + 1) > end ? 0 : bpf_ntohs(ip->tot_len);
	else
		length = (void *)(ip6 + 1) > end ? 0 : bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
	return length + sizeof(struct ethhdr) > bpf_xdp_get_buff_len(ctx) ? 0 : length;
}

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

static __always_inline void outer_source(__u32 *source, const struct outer *outer, __u8 family, __u32 hash)
{
	__builtin_memcpy(source, outer->address, sizeof(outer->address));
	if (family == 4)
		source[0] |= hash & outer->spread;
	else
		source[3] |= hash & outer->spread;
}

static __always_inline int to_backend(struct xdp_md *ctx, const struct balancing *own, const struct target *target,
				      __u8 family, __u8 dscp, const struct backend *to, const struct backend *hop,
				      __u64 hash)
{
	struct wrapping wrapping = {
		.entropy = (hash >> 13) & 0x7fff,
		.inner = family,
		.dscp = dscp,
		.encapsulation = target->encapsulation,
		.has_hop = hop && target->encapsulation == ENCAPSULATION_GUE,
		.length = stated_length(ctx, family),
	};
	struct bpf_fib_lookup fib = {};
	__u32 size = wrapped(&wrapping, to), whole = size + wrapping.length;
	long way;

	if (!wrapping.length)
		return XDP_DROP;
	if (target->mtu && whole > target->mtu)
		return too_big(ctx, family, target->mtu - size);
	outer_source(wrapping.source, to->family == 4 ? &own->outer4 : &own->outer6, to->family, hash);
	way = route(ctx, &fib, wrapping.source, to->address, to->family, whole);
	if (way == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return too_big(ctx, family, fib.mtu_result - size);
	if (way == BPF_FIB_LKUP_RET_NO_NEIGH) {
		/* The stack forwards it, and learns the neighbor by that. It must be for us: the MAC address stays. */
		struct ethhdr *ethernet = (void *)(long)ctx->data;

		if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
			return XDP_DROP;
		__builtin_memcpy(fib.dmac, ethernet->h_dest, ETH_ALEN);
		__builtin_memcpy(fib.smac, ethernet->h_source, ETH_ALEN);
	} else if (way != BPF_FIB_LKUP_RET_SUCCESS) {
		return fate(ctx, FATE_NO_ROUTE, XDP_DROP);
	}
	tally(&balanced, target->counter, wrapping.length);
	tally(&balanced, to->counter, wrapping.length);
	if (bpf_xdp_adjust_head(ctx, -(int)size))
		return XDP_DROP;
	if (to->family == 4 ? !wrap4(ctx, &wrapping, to, hop) : !wrap6(ctx, &wrapping, to, hop))
		return XDP_DROP;
	if (way == BPF_FIB_LKUP_RET_NO_NEIGH) {
		fib.ifindex = 0;
		send(ctx, &fib);
		return fate(ctx, FATE_UNRESOLVED, XDP_PASS);
	}
	return fate(ctx, FATE_SENT, send(ctx, &fib));
}

static __always_inline struct backend *backend(__u32 slot, const struct target *target, __u32 number)
{
	__u32 key = slot * BACKENDS + target->base + number;

	if (number == NO_BACKEND)
		return NULL;
	return bpf_map_lookup_elem(&backends, &key);
}

static __always_inline int to_server(struct xdp_md *ctx, __u32 slot, const struct balancing *own,
				     const struct target *target, const struct packet *flow, __u8 dscp, bool error)
{
	__u64 hash = hash_of(flow, target->affinity);
	__u32 key = target->service * BUCKETS + ((hash >> 32) * BUCKETS >> 32);
	void *table = bpf_map_lookup_elem(&buckets, &slot);
	struct backend *first, *second;
	__u64 *word;

	if (!table)
		return XDP_DROP;
	word = bpf_map_lookup_elem(table, &key);
	if (!word)
		return XDP_DROP;
	key = *(volatile __u64 *)word;
	first = backend(slot, target, key & 0xffff);
	if (!first)
		return fate(ctx, FATE_NO_BACKEND, XDP_DROP);
	second = backend(slot, target, key >> 16);
	if (first->is_self) {
		if (!second || is_ours(ctx, sizeof(struct ethhdr), flow, error)) {
			tally(&balanced, target->counter, bpf_xdp_get_buff_len(ctx));
			tally(&balanced, first->counter, bpf_xdp_get_buff_len(ctx));
			return fate(ctx, FATE_KEPT, XDP_PASS);
		}
		first = second;
		second = NULL;
	}
	return to_backend(ctx, own, target, flow->family, dscp, first, second, hash);
}

/* Whom the wrapping names as second hop; where the inner packet begins. 0: not a wrapping of ours. */
static __always_inline __u32 unwrap(struct xdp_md *ctx, const struct packet *outer, struct backend *hop)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = sizeof(struct ethhdr) + (outer->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct udphdr *udp = data + at;
	struct gue *gue = (void *)(udp + 1);
	struct hop *head = (void *)(gue + 1);
	__u32 words;

	if (data + sizeof(struct ethhdr) + 1 > end)
		return 0;
	if (outer->family == 4 && *(__u8 *)(data + sizeof(struct ethhdr)) != 0x45)
		return 0;
	if (outer->protocol != IPPROTO_UDP)
		return at;
	if (!outer->has_ports || (void *)(gue + 1) > end || gue->head & ~0x1f || gue->flags)
		return 0;
	if (gue->protocol != IPPROTO_IPIP && gue->protocol != IPPROTO_IPV6)
		return 0;
	words = gue->head & 0x1f;
	at += sizeof(*udp) + sizeof(*gue) + words * 4;
	hop->family = outer->family;
	if (words == 2 && outer->family == 4 && (void *)(head + 1) + 4 <= end) {
		if (head->magic == bpf_htons(HOP_MAGIC) && head->left)
			__builtin_memcpy(hop->address, head + 1, 4);
	} else if (words == 5 && outer->family == 6 && (void *)(head + 1) + 16 <= end) {
		if (head->magic == bpf_htons(HOP_MAGIC) && head->left)
			__builtin_memcpy(hop->address, head + 1, 16);
	}
	return at;
}

/* On to the second hop, as the last one: its wrapping says so. */
static __always_inline int hand_on(struct xdp_md *ctx, const struct packet *outer, const struct backend *to)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip6 = data + sizeof(struct ethhdr);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct bpf_fib_lookup fib = {};
	__u32 behind = sizeof(struct udphdr) + sizeof(struct gue);
	struct hop *head;

	if (route(ctx, &fib, outer->source.word, to->address, to->family, 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return fate(ctx, FATE_NO_ROUTE, XDP_DROP);
	if (outer->family == 4) {
		head = (void *)(ip + 1) + behind;
		if ((void *)(head + 1) > end)
			return XDP_DROP;
		head->left = 0;
		ip->daddr = to->address[0];
		ip->ttl = OUTER_TTL;
		seal(ip);
	} else {
		head = (void *)(ip6 + 1) + behind;
		if ((void *)(head + 1) > end)
			return XDP_DROP;
		head->left = 0;
		__builtin_memcpy(&ip6->daddr, to->address, sizeof(ip6->daddr));
	}
	return fate(ctx, FATE_HANDED_ON, send(ctx, &fib));
}

/* An encapsulated packet has come to an address of ours. What is not for a VIP that we serve is left to the stack. */
static __always_inline int arrive(struct xdp_md *ctx, __u32 slot, const struct packet *outer)
{
	struct packet flow = {};
	struct backend hop = {};
	__u32 at = unwrap(ctx, outer, &hop);
	struct ethhdr saved, *ethernet;
	struct target *target;
	bool error = false;

	if (!at || !parse_at(ctx, at, &flow))
		return XDP_PASS;
	saved.h_proto = bpf_htons(flow.family == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (flow.protocol == IPPROTO_ICMP || flow.protocol == IPPROTO_ICMPV6)
		error = follow_error(ctx, at, &flow);
	target = target_of(slot, &flow);
	if (!target || !(target->kind & KIND_SERVED))
		return XDP_PASS;
	if ((hop.address[0] || hop.address[3]) && !is_ours(ctx, at, &flow, error))
		return hand_on(ctx, outer, &hop);
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end || at > 256)
		return XDP_DROP;
	__builtin_memcpy(&saved, ethernet, 2 * ETH_ALEN);
	tally(&balanced, target->counter, bpf_xdp_get_buff_len(ctx) - at);
	if (bpf_xdp_adjust_head(ctx, (int)(at - sizeof(saved))))
		return XDP_DROP;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*ethernet = saved;
	return fate(ctx, FATE_ARRIVED, XDP_PASS);
}

/* Whether a slot has anything to balance or to unwrap: what most hosts pay for balancing. */
static __always_inline bool balances(__u32 slot)
{
	const struct balancing *own = bpf_map_lookup_elem(&balancing, &slot);

	return own && own->active;
}

/* The program behind the filter, and the slot that the filter has judged by: the other half must be of the same policy. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} stages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} judged_by SEC(".maps");

static __always_inline int to_balancing(struct xdp_md *ctx, __u32 slot)
{
	__u32 zero = 0, *judged;

	if (!balances(slot))
		return XDP_PASS;
	judged = bpf_map_lookup_elem(&judged_by, &zero);
	if (!judged)
		return XDP_PASS;
	*judged = slot;
	bpf_tail_call(ctx, &stages, 0);
	return XDP_PASS;
}

/*
 * What the filter lets pass, on its way to a server or out of its wrapping. Frames with VLAN tags go to the stack.
 * `packet` is the filter's no more: an ICMP error's becomes the flow that it is about.
 */
static __always_inline int balance(struct xdp_md *ctx, __u32 slot, struct packet *packet)
{
	const struct balancing *own = bpf_map_lookup_elem(&balancing, &slot);
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	__u8 dscp = packet->dscp;
	struct target *target;
	bool error = false;

	if (!own || !own->active || !packet->family)
		return XDP_PASS;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(packet->family == 4 ? ETH_P_IP : ETH_P_IPV6))
		return XDP_PASS;
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		error = follow_error(ctx, sizeof(*ethernet), packet);
		if (!error)
			return XDP_PASS;
	}
	target = target_of(slot, packet);
	if (!target)
		return XDP_PASS;
	if (target->kind & KIND_BALANCED)
		return to_server(ctx, slot, own, target, packet, dscp, error);
	if (target->kind & KIND_ARRIVES && !error)
		return arrive(ctx, slot, packet);
	return XDP_PASS;
}
