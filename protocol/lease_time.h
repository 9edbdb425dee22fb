/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * MCLT arithmetic (draft 5.2.1, 7.1.5, 9.4.2): what to tell the client, what to tell the partner,
 * when an address is free of its past. Times are absolute seconds since 1970, lengths seconds;
 * UINT32_MAX means infinite and is reached by nothing here (sums saturate one below it). A lease that ends
 * at FO_TIME_LAST has no end: the draft has no other word for it, and it is the same by any clock.
 */
#ifndef FO_PROTOCOL_LEASE_TIME_H
#define FO_PROTOCOL_LEASE_TIME_H

#include <stdint.h>

#define FO_TIME_LAST (UINT32_MAX - 1)

/* The four times of 7.1.5, of one client's stay (rule of safety 6); 0: none. */
struct fo_times {
    uint32_t lease_expiration;   /* the latest end ever acknowledged to the client */
    uint32_t sent_potential;     /* the latest told to the partner, or by it: it forbids only */
    uint32_t acked_potential;    /* the latest that the partner acknowledged */
    uint32_t received_potential; /* the latest of the partner's that we acknowledged */
};

/* The latest end that may be promised in any bounded state (rule of safety 4): the later of
   acknowledged and received potential expiration and now, plus MCLT. 9.9.2 also allows the lease's
   own end; used, that grows past what the partner waits for. */
uint32_t fo_lease_bound(const struct fo_times *times, uint32_t now, uint32_t mclt);

/* What to tell the client: the desired length, or what is left until the bound; at least 1. A lease
   without end (UINT32_MAX) is granted where the bound has none: the partner has acknowledged that. */
uint32_t fo_lease_length(uint32_t desired, uint32_t bound, uint32_t now);

/* What to tell the partner (figure 5.2.1-1): now + half of what was granted + desired; never before
   the end of what was granted. */
uint32_t fo_potential_expiration(uint32_t now, uint32_t granted, uint32_t desired);

/* When a dead partner's lease may go to another client (9.4.2): MCLT after the latest of the four
   times, and not before MCLT after the partner went down. */
uint32_t fo_reallocation_time(const struct fo_times *times, uint32_t partner_down_since,
                              uint32_t mclt);

/* T1 and T2 that fit a (shortened) lease: T1 < T2 < lease, from the configured ones where they
   fit, else a half and seven eighths (RFC 2131 4.4.5). 0 in: not configured. */
void fo_renewal_times(uint32_t lease, uint32_t *t1, uint32_t *t2);

#endif
