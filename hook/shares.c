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
 * A relationship is known by its name, as everywhere.
 *
 * A pool that is in no configuration any more is retired: nobody is given an address of it here, but the
 * partner, which may have it still, goes on with what was agreed. So its leases are told and heard of, they
 * end, its free addresses change hands, and should it come back, it is as it would be. A server that has
 * given its partner's addresses in PARTNER-DOWN could not tell that otherwise, nor hear of it.
 */
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"

enum { FO_PARTY_NONE = 0 }; /* what a partner has, and we have not (foreign.c) */

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

/* The next part of a share, from address `at` on, that none of the pools has, in their order; of those that
   are governed, or of all. False: there is none. */
static bool next_rest(const struct fo_share *share, const struct fo_pool *pools, size_t count,
                      bool governed, uint64_t *at, struct fo_share *rest)
{
    for (size_t i = 0; i < count && *at <= share->last; i++) {
        const struct fo_pool_range *range = &pools[i].range;
        const uint64_t from = *at;
        if ((governed && pools[i].relationship < 0) || range->last < from || range->first > share->last)
            continue;
        *at = (uint64_t)range->last + 1;
        if (range->first > from) {
            *rest = (struct fo_share){(uint32_t)from, range->first - 1, share->party};
            return true;
        }
    }
    if (*at > share->last)
        return false;
    *rest = (struct fo_share){(uint32_t)*at, share->last, share->party};
    *at = (uint64_t)share->last + 1;
    return true;
}

/* ------------------------------------------------------------------ pools that are taken away */

static int relationship_of_party(const struct fo_config *config, uint64_t party)
{
    for (size_t i = 0; i < config->count; i++)
        if (party_of(&config->relationships[i]) == party)
            return (int)i;
    return -1;
}

size_t fo_shares_retire(struct fo_service *service, const struct fo_config *config,
                        struct fo_pool *pools, size_t count)
{
    size_t total = count;
    struct fo_share rest;
    fo_pools_sort(pools, count);
    for (size_t i = 0; i < service->shares.count; i++) {
        const struct fo_share *share = &service->shares.shares[i];
        const int relationship = relationship_of_party(config, share->party);
        uint64_t at = share->first;
        while (relationship >= 0 && !FO_FAULTY(POOLS_LEFT) && next_rest(share, pools, count, false, &at, &rest)) {
            const struct fo_pool *before = fo_table_pool(&service->table, rest.first);
            struct fo_pool *pool = &pools[total++];
            memset(pool, 0, sizeof *pool);
            if (before != NULL)
                pool->range = before->range; /* its subnet, and network */
            pool->range.first = rest.first;
            pool->range.last = rest.last;
            pool->relationship = relationship;
            pool->primary = config->relationships[relationship].primary;
            pool->retired = true;
        }
    }
    return total;
}

/* ------------------------------------------------------------------ a plan */

bool fo_shares_plan(struct fo_service *service, const struct fo_config *config,
                    const struct fo_table_pools *pools, struct fo_shares *plan)
{
    const struct fo_shares *old = &service->shares;
    const size_t most = old->count + 2 * pools->pool_count + 1;
    *plan = (struct fo_shares){
        service->env->allocate(service->env->context, most * sizeof *plan->shares), 0};
    if (plan->shares == NULL)
        return false;
    for (size_t i = 0; i < old->count; i++) {
        uint64_t at = old->shares[i].first;
        while (next_rest(&old->shares[i], pools->pools, pools->pool_count, true, &at,
                         &plan->shares[plan->count]))
            plan->count++;
    }
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

/* 64 addresses from bit `at` on, of which those in `mask` are shared anew; their records aside. What a
   secondary gives up, now or before, the primary may still count as its, and is told; the primary tells all. */
static void join_word(struct fo_pool *pool, uint32_t at, uint64_t mask)
{
    const uint64_t free = mask & ~fo_bitmap_word(&pool->used, at);
    const uint64_t given = fo_bitmap_word(&pool->backup, at) | fo_bitmap_word(&pool->unacked, at);
    const uint64_t tell = pool->primary ? UINT64_MAX : given | ~free;
    fo_bitmap_put_word(&pool->backup, at, free, 0);
    fo_bitmap_put_word(&pool->returning, at, free, pool->primary ? free : 0);
    fo_bitmap_put_word(&pool->doubted, at, free, 0);
    fo_bitmap_put_word(&pool->requested, at, mask, 0);
    fo_bitmap_put_word(&pool->rejected, at, mask, 0);
    fo_bitmap_put_word(&pool->unacked, at, mask, tell);
    fo_bitmap_put_word(&pool->dirty, at, mask, mask);
}

/* Those of a pool's addresses that were another party's: whole words, for they may be many millions.
   What follows from the bits, fo_table_recount finds. `foreign`: how many of them were nobody's here. */
static uint32_t join_pool(struct fo_service *service, struct fo_pool *pool, uint64_t party,
                          uint32_t *foreign)
{
    uint32_t joined = 0;
    for (size_t i = 0; i < service->shares.count; i++) {
        const struct fo_share *share = &service->shares.shares[i];
        const uint32_t first = share->first > pool->range.first ? share->first : pool->range.first;
        const uint32_t last = share->last < pool->range.last ? share->last : pool->range.last;
        if (share->party == party || first > last)
            continue;
        const uint32_t from = bit_in(pool, first), to = bit_in(pool, last);
        for (uint64_t at = from / 64 * 64; at <= to; at += 64)
            join_word(pool, (uint32_t)at, fo_bitmap_within(at, from, to));
        fo_mark_dirty(service, pool, first); /* and so that it is written */
        if (share->party == FO_PARTY_NONE)
            *foreign += to - from + 1;
        joined += to - from + 1;
    }
    return joined;
}

static const struct fo_share *share_of(const struct fo_shares *shares, uint32_t address)
{
    size_t low = 0, high = shares->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (shares->shares[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < shares->count && shares->shares[low].first <= address ? &shares->shares[low] : NULL;
}

/* The records of what was another party's. */
static void join_records(struct fo_service *service)
{
    struct fo_binding *binding;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        const struct fo_share *share = share_of(&service->shares, binding->address);
        if (relationship == NULL || share == NULL || share->party == party_of(&relationship->config))
            continue;
        forget_agreement(binding);
        binding->generation++;
        binding->flags &= (uint8_t)~FO_FLAG_SENT;
    }
}

bool fo_shares_foreign(const struct fo_service *service, uint32_t address)
{
    const struct fo_share *share = share_of(&service->shares, address);
    return share != NULL && share->party == FO_PARTY_NONE;
}

uint64_t fo_shares_foreign_count(const struct fo_service *service)
{
    uint64_t count = 0;
    for (size_t i = 0; i < service->shares.count; i++) {
        const struct fo_share *share = &service->shares.shares[i];
        if (share->party == FO_PARTY_NONE)
            count += (uint64_t)share->last - share->first + 1;
    }
    return count;
}

bool fo_shares_add_foreign(struct fo_service *service, uint32_t address,
                           const struct fo_pool_range *within)
{
    struct fo_shares *shares = &service->shares;
    struct fo_share fresh = {within->first, within->last, FO_PARTY_NONE};
    size_t place = 0;
    if (share_of(shares, address) != NULL)
        return true;
    for (; place < shares->count && shares->shares[place].last < address; place++)
        if (shares->shares[place].last >= fresh.first)
            fresh.first = shares->shares[place].last + 1;
    if (place < shares->count && shares->shares[place].first <= fresh.last)
        fresh.last = shares->shares[place].first - 1;
    service->shares_dirty = service->meta_dirty = true;
    struct fo_share *before = place > 0 ? &shares->shares[place - 1] : NULL;
    if (before != NULL && before->party == FO_PARTY_NONE && before->last + 1 == fresh.first) {
        before->last = fresh.last; /* the next page of the same pool */
        return true;
    }
    struct fo_share *grown = service->env->reallocate(service->env->context, shares->shares,
                                                      (shares->count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    memmove(&grown[place + 1], &grown[place], (shares->count - place) * sizeof *grown);
    grown[place] = fresh;
    shares->shares = grown;
    shares->count++;
    return true;
}

bool fo_shares_same(const struct fo_service *service, const struct fo_shares *plan)
{
    return plan->count == service->shares.count &&
           (plan->count == 0 ||
            memcmp(plan->shares, service->shares.shares, plan->count * sizeof *plan->shares) == 0);
}

bool fo_shares_moved(const struct fo_relationship *relationship, const struct fo_config *config,
                     const struct fo_table_pools *pools)
{
    const struct fo_shares *shares = &relationship->service->shares;
    const uint64_t party = party_of(&relationship->config);
    if (relationship_of_party(config, party) < 0)
        return true;
    for (size_t i = 0; i < pools->pool_count; i++) {
        const struct fo_pool *pool = &pools->pools[i];
        const uint64_t now =
            pool->relationship < 0 ? FO_PARTY_NONE : party_of(&config->relationships[pool->relationship]);
        for (size_t k = 0; k < shares->count; k++) {
            const struct fo_share *share = &shares->shares[k];
            if (share->last >= pool->range.first && share->first <= pool->range.last &&
                share->party != now && (share->party == party || now == party))
                return true;
        }
    }
    return false;
}

void fo_shares_take(struct fo_service *service, struct fo_shares *plan)
{
    char text[64], foreign_text[FO_NAME_MAX + 100];
    bool any = false;
    for (size_t k = 0; k < service->relationship_count; k++) {
        const struct fo_config_relationship *config = &service->relationships[k]->config;
        uint32_t joined = 0, foreign = 0;
        for (size_t i = 0; i < service->table.pool_count; i++)
            if (service->table.pools[i].relationship == service->relationships[k]->index)
                joined += join_pool(service, &service->table.pools[i], party_of(config), &foreign);
        any = any || joined > 0;
        if (foreign > 0)
            fo_say(service, FAILOVER_CONFIG_CHANGED, config->name,
                   fo_print(foreign_text, sizeof foreign_text,
                            "%u addresses were in a pool of %s alone before; whose the free ones are, the "
                            "two agree first", foreign, config->partner.name), NULL);
        if (joined > foreign)
            fo_say(service, FAILOVER_SHARED_ANEW, config->name,
                   fo_print(text, sizeof text, "%u", joined - foreign), config->partner.name, NULL);
    }
    if (any)
        join_records(service);
    const bool same = fo_shares_same(service, plan);
    service->env->release(service->env->context, service->shares.shares);
    service->shares = *plan;
    *plan = (struct fo_shares){NULL, 0};
    if (!same)
        service->shares_dirty = service->meta_dirty = true;
}
