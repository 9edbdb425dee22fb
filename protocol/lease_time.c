/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* The sums of lease_time.h; all of them saturate. */
#include "protocol/lease_time.h"

static uint32_t add(uint32_t a, uint32_t b)
{
    return a > FO_TIME_LAST - (b > FO_TIME_LAST ? FO_TIME_LAST : b) ? FO_TIME_LAST : a + b;
}

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t fo_lease_bound(const struct fo_times *times, uint32_t now, uint32_t mclt)
{
    return add(later(later(times->acked_potential, times->received_potential), now), mclt);
}

uint32_t fo_lease_length(uint32_t desired, uint32_t bound, uint32_t now)
{
    if (desired == UINT32_MAX && bound >= FO_TIME_LAST)
        return desired;
    uint32_t most = bound > now ? bound - now : 1;
    uint32_t length = desired < most ? desired : most;
    return length > 0 ? length : 1;
}

uint32_t fo_potential_expiration(uint32_t now, uint32_t granted, uint32_t desired)
{
    return later(add(add(now, granted / 2), desired), add(now, granted));
}

uint32_t fo_reallocation_time(const struct fo_times *times, uint32_t partner_down_since,
                              uint32_t mclt)
{
    uint32_t latest = later(later(times->lease_expiration, times->sent_potential),
                            later(times->acked_potential, times->received_potential));
    return add(later(latest, partner_down_since), mclt);
}

void fo_renewal_times(uint32_t lease, uint32_t *t1, uint32_t *t2)
{
    if (*t2 == 0 || *t2 >= lease)
        *t2 = (uint32_t)((uint64_t)lease * 7 / 8);
    if (*t1 == 0 || *t1 >= *t2) /* a T2 before the half keeps the proportion of the two */
        *t1 = lease / 2 < *t2 ? lease / 2 : (uint32_t)((uint64_t)*t2 * 4 / 7);
}
