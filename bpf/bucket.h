/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) */
/*
 * Token buckets, each one 64-bit word: the time at which it will be full again ("theoretical arrival time", ITU-T I.371,
 * annex A). A packet moves it on by what the packet costs; how far it is ahead of now says how much of the burst is used.
 * So nothing refills buckets, a bucket nobody uses costs nothing, and an update is one atomic instruction.
 *
 * Time is the kernel's ticks (1 to 10 ms each; userspace knows how long one is), which cost next to nothing to read: what a
 * tick is worth comes at once. Userspace gives no burst below that.
 *
 * Two kinds of limit use them. Strict (`spend`): a packet that would take the bucket past its burst is refused. On credit
 * (`has_room`, `charge`): a packet passes while there is any room, and may take the bucket past its burst; what follows
 * waits for it. The latter lets packets pass that are larger than the burst, as the stack joins them on arrival.
 */
#pragma once

#include "parse.h"

/* Bucket time counts sixteenths of a nanosecond: 36 years in 64 bits. */
#define COST_SHIFT 20 /* a pace's cost has so many binary digits behind the point */
#define MAX_FRAME 65535
#define MAX_JOINED (1 << 19) /* bytes: no packet that the stack joined is longer (GSO_MAX_SIZE) */

struct pace {
	__u64 cost;  /* of one packet, or of one byte */
	__u64 burst; /* bucket time */
	__u64 tick;  /* bucket time */
};

static __always_inline __u64 bucket_time(const struct pace *pace)
{
	return bpf_jiffies64() * pace->tick;
}

/* Whether so many packets or bytes are within a limit; if so, they are charged. CPUs that race may let through one packet
 * each too many. */
static __always_inline bool spend(const struct pace *pace, __u64 *bucket, __u64 units)
{
	__u64 now = bucket_time(pace), full = *(volatile __u64 *)bucket;
	__u64 cost = units * pace->cost >> COST_SHIFT;

	if (full < now) {
		if (cost > pace->burst)
			return false;
		if (__sync_val_compare_and_swap(bucket, full, now + cost) == full)
			return true;
		full = now; /* another CPU has just charged it for itself */
	} else if (full - now > pace->burst) {
		/* The limit was another when this was charged: it owes one burst of the new one, not more. */
		__sync_val_compare_and_swap(bucket, full, now + pace->burst);
		return false;
	}
	if (full - now + cost > pace->burst)
		return false;
	__sync_fetch_and_add(bucket, cost);
	return true;
}

/* Whether a bucket is used to less than `burst`. One that is past any packet was charged under another limit: it owes one
 * burst of this one. */
static __always_inline bool has_room(const struct pace *pace, __u64 *bucket, __u64 burst)
{
	__u64 now = bucket_time(pace), full = *(volatile __u64 *)bucket;

	if (full < now || full - now < burst)
		return true;
	if (full - now > pace->burst + (MAX_JOINED * pace->cost >> COST_SHIFT))
		__sync_val_compare_and_swap(bucket, full, now + pace->burst);
	return false;
}

static __always_inline void charge(const struct pace *pace, __u64 *bucket, __u64 units)
{
	__u64 now = bucket_time(pace), full = *(volatile __u64 *)bucket;
	__u64 cost = units * pace->cost >> COST_SHIFT;

	if (full < now && __sync_val_compare_and_swap(bucket, full, now + cost) == full)
		return;
	__sync_fetch_and_add(bucket, cost); /* another CPU has just brought it up to now */
}
