/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Free addresses and their owners (draft 5.4, 7.6): the primary looks at a pool whenever its counts
 * change and hands addresses over (BACKUP) or asks for them back (FREE, `returning` until the
 * secondary agrees). And the groups of addresses that are marked in stable storage before their
 * first use, so that after a power cut all others can be given at once (rule of safety 7).
 */
#include "hook/service_internal.h"
#include "protocol/balance.h"

/* 5.4: the most recent client of a free address is one that the secondary (or the primary) serves. Such an
   address goes there first, as far as one step looks; where that is nobody, any other goes. */
static bool last_served_by(struct fo_relationship *relationship, uint32_t address, bool secondary)
{
    const struct fo_binding *binding = fo_table_find(&relationship->service->table, address);
    if (binding == NULL || !fo_table_has_client(binding))
        return false;
    const struct fo_client client = fo_table_client(binding);
    return fo_client_is_secondarys(relationship, &client) == secondary;
}

/* Hands over up to `count` addresses of ours; those that cannot be given yet first. */
static uint32_t hand_over(struct fo_relationship *relationship, struct fo_pool *pool, uint32_t count,
                          bool its_clients)
{
    struct fo_service *service = relationship->service;
    uint32_t moved = 0;
    const struct fo_bitmap *from[] = {&pool->closed, &pool->available};
    for (size_t k = 0; k < 2; k++) {
        int passed = 0;
        for (uint32_t bit = fo_bitmap_next(from[k], 0);
             bit != FO_BITMAP_NONE && moved < count && passed < FO_STEP_MAX;
             bit = fo_bitmap_next(from[k], bit + 1)) {
            uint32_t address = pool->range.first + bit;
            if (its_clients && !last_served_by(relationship, address, true)) {
                passed++;
                continue;
            }
            fo_table_set_owner(&service->table, pool, address, true);
            fo_touch(service, pool, address);
            moved++;
        }
    }
    return moved;
}

/* Asks for up to `count` of the secondary's addresses. */
static uint32_t ask_back(struct fo_relationship *relationship, struct fo_pool *pool, uint32_t count,
                         bool our_clients)
{
    struct fo_service *service = relationship->service;
    uint32_t moved = 0;
    int passed = 0;
    const int most = our_clients ? FO_STEP_MAX : FO_SCAN_MAX;
    for (uint32_t bit = fo_bitmap_next(&pool->backup, 0);
         bit != FO_BITMAP_NONE && moved < count && passed < most;
         bit = fo_bitmap_next(&pool->backup, bit + 1)) {
        uint32_t address = pool->range.first + bit;
        /* What the secondary has not agreed to have is left to settle first. */
        if (fo_bitmap_test(&pool->used, bit) || fo_bitmap_test(&pool->reserved, bit) ||
            fo_bitmap_test(&pool->unacked, bit) || fo_bitmap_test(&pool->rejected, bit) ||
            (our_clients && !last_served_by(relationship, address, false))) {
            passed++;
            continue;
        }
        fo_table_set_owner(&service->table, pool, address, false);
        if (!FO_FAULTY(RETURNING_OURS))
            fo_bitmap_set(&pool->returning, bit);
        fo_table_refresh(&service->table, pool, address);
        fo_touch(service, pool, address);
        moved++;
    }
    return moved;
}

/* Returns how many addresses moved to the secondary (negative: back). */
static int64_t balance_pool(struct fo_relationship *relationship, struct fo_pool *pool,
                            const struct fo_now *now, bool *more)
{
    struct fo_balance_input input = {
        .free = pool->free_count,
        .backup = pool->backup_count,
        .primary_percent = relationship->config.primary_percent,
        .reserve_percent = relationship->config.reserve_percent,
        .primary_refused = pool->refused_at != 0 && now->ms - pool->refused_at < FO_REFUSED_MS,
        .secondary_refused =
            pool->partner_refused_at != 0 && now->ms - pool->partner_refused_at < FO_REFUSED_MS,
    };
    char subnet[16], count[16];
    int64_t move = fo_balance(&input);
    int64_t moved = 0;
    uint32_t want = (uint32_t)(move < 0 ? -move : move);
    uint32_t step = want < FO_STEP_MAX ? want : FO_STEP_MAX;
    if (move > 0) {
        moved = hand_over(relationship, pool, step, true);
        moved += hand_over(relationship, pool, step - (uint32_t)moved, false);
    } else if (move < 0) {
        moved = ask_back(relationship, pool, step, true);
        moved = -(moved + ask_back(relationship, pool, step - (uint32_t)moved, false));
    }
    if (moved != 0)
        fo_say(relationship->service, FAILOVER_BALANCED, relationship->config.name,
               fo_print(subnet, sizeof subnet, "%u", pool->range.subnet_id),
               fo_print(count, sizeof count, "%lld", (long long)(moved < 0 ? -moved : moved)),
               moved > 0 ? "secondary" : "primary", NULL);
    *more = moved != 0 && step < want;
    return moved;
}

static bool may_balance(const struct fo_relationship *relationship)
{
    return relationship != NULL && relationship->config.primary &&
           relationship->endpoint.communicating && !fo_ends_wait(relationship) &&
           relationship->endpoint.record.state == FO_STATE_NORMAL;
}

bool fo_balance_pools(struct fo_service *service, const struct fo_now *now)
{
    bool more_to_do = false;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        if (may_balance(relationship) && (pool->reserved_moved || pool->reserved_at != 0))
            more_to_do = fo_share_reserved(service, pool) || more_to_do;
        if (pool->free_count == pool->balanced_free && pool->backup_count == pool->balanced_backup)
            continue;
        if (!may_balance(relationship))
            continue;
        bool more = false;
        balance_pool(relationship, pool, now, &more);
        if (more) {
            more_to_do = true;
            continue;
        }
        pool->balanced_free = pool->free_count;
        pool->balanced_backup = pool->backup_count;
    }
    return more_to_do;
}

uint32_t fo_pool_requested(void *context)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    struct fo_now now = fo_service_now(service);
    int64_t total = 0;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        bool more = false;
        if (pool->relationship != relationship->index || !may_balance(relationship))
            continue;
        if (pool->backup_count == 0)
            pool->partner_refused_at = now.ms;
        int64_t moved = balance_pool(relationship, pool, &now, &more);
        total += moved > 0 ? moved : 0;
        pool->balanced_free = pool->balanced_backup = UINT32_MAX; /* looked at again */
    }
    return (uint32_t)total;
}

void fo_open_groups(struct fo_service *service)
{
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        uint32_t ready = pool->available.count;
        bool low = ready < FO_OPEN_AHEAD / 2; /* clients may come faster than commits */
        uint32_t want = FO_OPEN_AHEAD + (pool->opening.count << FO_GROUP_BITS);
        uint32_t bit = fo_bitmap_next_cyclic(&pool->closed, pool->cursor);
        for (int n = 0; bit != FO_BITMAP_NONE && ready < want && n < FO_OPEN_AHEAD; n++) {
            uint32_t group = fo_pool_group(pool, bit);
            if (!fo_bitmap_test(&pool->opening, group) && !fo_bitmap_test(&pool->open, group)) {
                fo_bitmap_set(&pool->opening, group);
                fo_mark_dirty(service, pool, pool->range.first + bit);
                service->urgent |= low;
                ready += 1U << FO_GROUP_BITS;
            }
            /* The first address of the next group. */
            uint64_t next = ((uint64_t)(pool->range.first + bit) | ((1U << FO_GROUP_BITS) - 1)) + 1;
            if (next > pool->range.last)
                break;
            bit = fo_bitmap_next(&pool->closed, (uint32_t)(next - pool->range.first));
        }
    }
}
