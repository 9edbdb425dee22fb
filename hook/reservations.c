/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Reserved addresses (draft 5.13, rule of safety 16). They are in neither server's share of the free
 * ones, and are given to the owner of the reservation alone.
 *
 *   the primary's    FREE, or BACKUP that it has said with the R flag
 *   the secondary's  BACKUP, once it has accepted it, and holds the reservation itself
 *
 * So a reservation is FREE at the primary first (taken back where it was the secondary's share), then
 * BACKUP with R, and both may give it. When it goes, the address is nobody's until the secondary has
 * acknowledged FREE without R: the one that still knows the reservation may have leased it.
 */
#include "hook/service_internal.h"

bool fo_reserved_is_ours(const struct fo_pool *pool, uint32_t address,
                         const struct fo_binding *binding)
{
    const uint32_t bit = bit_in(pool, address);
    const bool backup = fo_bitmap_test(&pool->backup, bit);
    const bool shared = binding != NULL && (binding->flags & FO_FLAG_RESERVED);
    return pool->all_ours || FO_FAULTY(RESERVED_BOTH) ||
           (!fo_bitmap_test(&pool->returning, bit) && (pool->primary ? !backup || shared : backup));
}

/* The primary asks for it, or the secondary leaves it alone, until the other agrees. */
static void take_out(struct fo_service *service, struct fo_pool *pool, uint32_t bit)
{
    const uint32_t address = pool->range.first + bit;
    if (pool->primary)
        fo_table_set_owner(&service->table, pool, address, false);
    fo_bitmap_set(&pool->returning, bit);
    if (pool->primary)
        fo_touch(service, pool, address);
    else
        fo_mark_dirty(service, pool, address);
    fo_table_refresh(&service->table, pool, address);
}

void fo_note_shared(struct fo_service *service, uint32_t address)
{
    struct fo_binding *binding = fo_table_make(&service->table, address);
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    if (binding == NULL)
        return; /* without memory it is only served by the primary */
    binding->flags |= FO_FLAG_RESERVED;
    if (pool != NULL && !fo_bitmap_test(&pool->reserved, bit_in(pool, address)))
        take_out(service, pool, bit_in(pool, address)); /* the reservation went while this waited */
}

/* Bits of this configuration; an address of the secondary's share is to come back first. */
static void begin_reservation(struct fo_service *service, uint32_t address)
{
    struct fo_pool *pool = fo_table_served(&service->table, address);
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    if (pool == NULL)
        return;
    const uint32_t bit = bit_in(pool, address);
    const bool shared = binding != NULL && (binding->flags & FO_FLAG_RESERVED);
    fo_bitmap_set(&pool->reserved, bit);
    pool->reserved_moved = true;
    if (fo_bitmap_test(&pool->used, bit) || !fo_bitmap_test(&pool->backup, bit))
        return;
    if (pool->primary && !shared)
        take_out(service, pool, bit);
    else if (!pool->primary && shared)
        fo_bitmap_clear(&pool->returning, bit); /* it was away for a moment */
}

/* Of the last configuration, or of the time before a restart. */
static void end_reservations(struct fo_service *service)
{
    struct fo_binding *binding;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        const uint32_t bit = pool ? bit_in(pool, binding->address) : 0;
        if ((binding->flags & FO_FLAG_RESERVED) && pool != NULL &&
            !fo_bitmap_test(&pool->reserved, bit) && !fo_bitmap_test(&pool->used, bit))
            take_out(service, pool, bit);
    }
}

void fo_set_reservations(struct fo_service *service, const struct fo_topology *topology)
{
    service->reservations = topology->reserved_count > 0;
    for (size_t i = 0; i < service->table.pool_count; i++)
        fo_bitmap_clear_all(&service->table.pools[i].reserved);
    for (size_t i = 0; i < topology->reserved_count; i++)
        begin_reservation(service, topology->reserved[i]);
    end_reservations(service);
}

/* One reserved address, at the primary. */
static void share(struct fo_service *service, struct fo_pool *pool, uint32_t bit)
{
    const uint32_t address = pool->range.first + bit;
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    /* What the secondary has rejected (it lacks the reservation, or may have leased the address in a
       past that it forgot) is tried again with the rest. */
    if (fo_bitmap_test(&pool->rejected, bit))
        return;
    if (!fo_bitmap_test(&pool->used, bit) && !fo_reserved_is_ours(pool, address, binding) &&
        !fo_bitmap_test(&pool->returning, bit))
        take_out(service, pool, bit); /* the secondary's share, or without the R flag */
    if (fo_bitmap_test(&pool->used, bit) || fo_bitmap_test(&pool->backup, bit) ||
        fo_bitmap_test(&pool->returning, bit) || fo_table_claimed(&service->table, address) ||
        fo_table_make(&service->table, address) == NULL)
        return;
    fo_table_set_owner(&service->table, pool, address, true);
    fo_note_shared(service, address);
    fo_touch(service, pool, address);
}

bool fo_share_reserved(struct fo_service *service, struct fo_pool *pool)
{
    uint32_t bit = pool->reserved_at;
    /* From the first on: what moves from now on is looked at by another walk ... */
    bool moved = bit != 0 && pool->reserved_moved;
    for (int n = 0; n < FO_STEP_MAX; n++) {
        bit = fo_bitmap_next(&pool->reserved, bit);
        if (bit == FO_BITMAP_NONE)
            break;
        share(service, pool, bit++);
    }
    pool->reserved_moved = moved; /* ... but not for what was done here */
    pool->reserved_at = bit == FO_BITMAP_NONE || bit == pool->size ? 0 : bit;
    return pool->reserved_at != 0 || pool->reserved_moved;
}
