/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * With whom addresses are shared, and in which role. What the bits of an address say is agreed with one
 * partner: whose it is while it is free, what the other knows of its lease. A configuration may bring
 * the address into another relationship, or the relationship into another role. Then nothing of that
 * counts: the secondary owns none of the free addresses, and the primary has each only when its partner
 * has agreed (`returning`), for both may have taken it for theirs; leases are told anew, and their
 * bound begins with what the new partner acknowledges. When which address can be another client's is
 * still decided by all that was ever promised.
 *
 * A relationship is known by its name, as everywhere. An address that comes back to where it was, is
 * as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"

/* The relationship and our role in it: a hash (FNV-1a), for that is stored for every pool. */
static uint64_t party_of(const struct fo_config_relationship *relationship)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (relationship->primary ? 1 : 2);
    for (const char *at = relationship->name; *at != '\0'; at++)
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
    return hash;
}

static int by_first(const void *a, const void *b)
{
    const uint32_t x = ((const struct fo_share *)a)->first, y = ((const struct fo_share *)b)->first;
    return x < y ? -1 : x > y;
}

/* Adds what no governed pool has of an old share. */
static void keep_rest(const struct fo_share *share, const struct fo_table_pools *pools,
                      struct fo_share *fresh, size_t *count)
{
    uint64_t at = share->first;
    for (size_t i = 0; i < pools->pool_count && at <= share->last; i++) {
        const struct fo_pool_range *range = &pools->pools[i].range;
        if (pools->pools[i].relationship < 0 || range->last < at || range->first > share->last)
            continue;
        if (range->first > at)
            fresh[(*count)++] = (struct fo_share){(uint32_t)at, range->first - 1, share->party};
        at = (uint64_t)range->last + 1;
    }
    if (at <= share->last)
        fresh[(*count)++] = (struct fo_share){(uint32_t)at, share->last, share->party};
}

bool fo_shares_plan(struct fo_service *service, const struct fo_config *config,
                    const struct fo_table_pools *pools, struct fo_shares *plan)
{
    const struct fo_shares *old = &service->shares;
    const size_t most = old->count + 2 * pools->pool_count + 1;
    *plan = (struct fo_shares){
        service->env->allocate(service->env->context, most * sizeof *plan->shares), 0};
    if (plan->shares == NULL)
        return false;
    for (size_t i = 0; i < old->count; i++)
        keep_rest(&old->shares[i], pools, plan->shares, &plan->count);
    for (size_t i = 0; i < pools->pool_count; i++) {
        const struct fo_pool *pool = &pools->pools[i];
        if (pool->relationship >= 0)
            plan->shares[plan->count++] =
                (struct fo_share){pool->range.first, pool->range.last,
                                  party_of(&config->relationships[pool->relationship])};
    }
    qsort(plan->shares, plan->count, sizeof *plan->shares, by_first);
    return true;
}

/* What was promised with another partner forbids, and permits nothing. */
static void forget_agreement(struct fo_binding *binding)
{
    struct fo_times *times = &binding->times;
    const uint32_t said[] = {times->lease_expiration, times->acked_potential,
                             times->received_potential, binding->potential};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (said[i] > times->sent_potential)
            times->sent_potential = said[i];
    times->acked_potential = times->received_potential = 0;
    binding->flags &= (uint8_t)~FO_FLAG_RESERVED;
}

static void join(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    const uint32_t bit = bit_in(pool, address);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    const bool free = !fo_bitmap_test(&pool->used, bit);
    /* What a secondary gives up, now or before, the primary may still count as its. */
    const bool tell = pool->primary || fo_bitmap_test(&pool->backup, bit) ||
                      fo_bitmap_test(&pool->unacked, bit);
    if (binding != NULL)
        forget_agreement(binding);
    if (free) {
        fo_table_set_owner(&service->table, pool, address, false);
        if (pool->primary)
            fo_bitmap_set(&pool->returning, bit);
    }
    fo_bitmap_clear(&pool->requested, bit);
    fo_touch(service, pool, address);
    if (free && !tell)
        fo_bitmap_clear(&pool->unacked, bit);
    fo_table_refresh(&service->table, pool, address);
}

/* Those of a pool's addresses that were another party's. */
static uint32_t join_pool(struct fo_service *service, struct fo_pool *pool, uint64_t party)
{
    uint32_t joined = 0;
    for (size_t i = 0; i < service->shares.count; i++) {
        const struct fo_share *share = &service->shares.shares[i];
        uint64_t at = share->first > pool->range.first ? share->first : pool->range.first;
        const uint32_t last = share->last < pool->range.last ? share->last : pool->range.last;
        for (; share->party != party && at <= last; at++, joined++)
            join(service, pool, (uint32_t)at);
    }
    return joined;
}

void fo_shares_take(struct fo_service *service, struct fo_shares *plan)
{
    char text[64];
    for (size_t k = 0; k < service->relationship_count; k++) {
        const struct fo_config_relationship *config = &service->relationships[k]->config;
        uint32_t joined = 0;
        for (size_t i = 0; i < service->table.pool_count; i++)
            if (service->table.pools[i].relationship == service->relationships[k]->index)
                joined += join_pool(service, &service->table.pools[i], party_of(config));
        if (joined > 0)
            fo_say(service, FAILOVER_SHARED_ANEW, config->name,
                   fo_print(text, sizeof text, "%u", joined), config->partner.name, NULL);
    }
    const bool same = plan->count == service->shares.count &&
                      (plan->count == 0 || memcmp(plan->shares, service->shares.shares,
                                                  plan->count * sizeof *plan->shares) == 0);
    service->env->release(service->env->context, service->shares.shares);
    service->shares = *plan;
    *plan = (struct fo_shares){NULL, 0};
    if (!same)
        service->shares_dirty = service->meta_dirty = true;
}
