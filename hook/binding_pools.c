/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Pools and their bits: which addresses there are, whose the free ones are, and which can be given
 * at this moment (draft 5.4; rules of safety 7 and 16).
 */
#include <stdlib.h>
#include <string.h>

#include "hook/binding_table_internal.h"
#include "protocol/faults.h"

/* All bitmaps of a pool, so that making, freeing and keeping them are loops. */
static const size_t address_bits[] = {
    offsetof(struct fo_pool, available), offsetof(struct fo_pool, unacked),
    offsetof(struct fo_pool, rejected),  offsetof(struct fo_pool, requested),
    offsetof(struct fo_pool, dirty),     offsetof(struct fo_pool, saving),
    offsetof(struct fo_pool, rows),      offsetof(struct fo_pool, used),
    offsetof(struct fo_pool, backup),    offsetof(struct fo_pool, returning),
    offsetof(struct fo_pool, reserved),  offsetof(struct fo_pool, quarantined),
    offsetof(struct fo_pool, closed),    offsetof(struct fo_pool, rows_later),
    offsetof(struct fo_pool, doubted),   offsetof(struct fo_pool, learned),
    offsetof(struct fo_pool, told),
};
/* Of a connection rather than of an address: fo_updates_carry_on derives them anew. */
static const size_t connection_bits[] = {
    offsetof(struct fo_pool, in_flight),
    offsetof(struct fo_pool, answering),
};
static const size_t group_bits[] = {
    offsetof(struct fo_pool, open),
    offsetof(struct fo_pool, opening),
    offsetof(struct fo_pool, marking),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct fo_bitmap *bits_at(const struct fo_pool *pool, size_t offset)
{
    return (struct fo_bitmap *)(uintptr_t)((const char *)pool + offset);
}

uint32_t fo_pool_group(const struct fo_pool *pool, uint32_t bit)
{
    return ((pool->range.first + bit) >> FO_GROUP_BITS) - (pool->range.first >> FO_GROUP_BITS);
}

void fo_pool_free(struct fo_table *table, struct fo_pool *pool)
{
    for (size_t i = 0; i < COUNT(address_bits); i++)
        fo_bitmap_free(bits_at(pool, address_bits[i]), table->env);
    for (size_t i = 0; i < COUNT(connection_bits); i++)
        fo_bitmap_free(bits_at(pool, connection_bits[i]), table->env);
    for (size_t i = 0; i < COUNT(group_bits); i++)
        fo_bitmap_free(bits_at(pool, group_bits[i]), table->env);
}

static bool make_bits(struct fo_table *table, struct fo_pool *pool)
{
    bool ok = true;
    for (size_t i = 0; i < COUNT(address_bits); i++)
        ok = fo_bitmap_init(bits_at(pool, address_bits[i]), table->env, pool->size) && ok;
    for (size_t i = 0; i < COUNT(connection_bits); i++)
        ok = fo_bitmap_init(bits_at(pool, connection_bits[i]), table->env, pool->size) && ok;
    for (size_t i = 0; i < COUNT(group_bits); i++)
        ok = fo_bitmap_init(bits_at(pool, group_bits[i]), table->env,
                            fo_pool_group(pool, pool->size - 1) + 1) && ok;
    return ok;
}

static struct fo_pool *search(struct fo_pool *pools, size_t count, uint32_t address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct fo_pool *pool = &pools[middle];
        if (address < pool->range.first)
            high = middle;
        else if (address > pool->range.last)
            low = middle + 1;
        else
            return pool;
    }
    return NULL;
}

struct fo_pool *fo_table_pool(struct fo_table *table, uint32_t address)
{
    return search(table->pools, table->pool_count, address);
}

struct fo_pool *fo_table_served(struct fo_table *table, uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(table, address);
    return pool != NULL && !pool->retired ? pool : NULL;
}

struct fo_pool *fo_table_past(struct fo_table *table, uint32_t address)
{
    return search(table->past, table->past_count, address);
}

struct fo_pool *fo_table_kept(struct fo_table *table, uint32_t address)
{
    struct fo_pool *pool = fo_table_pool(table, address);
    return pool != NULL ? pool : fo_table_past(table, address);
}

struct fo_pool *fo_table_part(const struct fo_table *table, size_t index)
{
    if (index < table->pool_count)
        return &table->pools[index];
    index -= table->pool_count;
    return index < table->past_count ? &table->past[index] : NULL;
}

void fo_pool_count(struct fo_pool *pool, uint32_t bit, int sign)
{
    if (fo_bitmap_test(&pool->used, bit) || fo_bitmap_test(&pool->reserved, bit))
        return;
    uint32_t *count =
        fo_bitmap_test(&pool->backup, bit) ? &pool->backup_count : &pool->free_count;
    *count += (uint32_t)sign;
}

bool fo_table_ours(struct fo_table *table, struct fo_pool *pool, uint32_t address)
{
    uint32_t bit = address - pool->range.first;
    (void)table;
    return pool->relationship >= 0 && !pool->retired && !fo_bitmap_test(&pool->used, bit) &&
           (pool->all_ours || (fo_bitmap_test(&pool->backup, bit) == !pool->primary &&
                               !fo_bitmap_test(&pool->returning, bit))) &&
           !fo_bitmap_test(&pool->reserved, bit) && !fo_bitmap_test(&pool->quarantined, bit);
}

bool fo_table_stored(const struct fo_pool *pool, uint32_t address)
{
    uint32_t bit = address - pool->range.first;
    return !fo_bitmap_test(&pool->dirty, bit) && !fo_bitmap_test(&pool->saving, bit);
}

void fo_table_refresh(struct fo_table *table, struct fo_pool *pool, uint32_t address)
{
    uint32_t bit = address - pool->range.first;
    bool can = fo_table_ours(table, pool, address) &&
               (fo_table_hold(table, address) == NULL || FO_FAULTY(HELD_MOVED));
    bool ready = can && fo_bitmap_test(&pool->open, fo_pool_group(pool, bit)) &&
                 (fo_table_stored(pool, address) || FO_FAULTY(FREE_UNSTORED));
    fo_bitmap_put(&pool->available, bit, ready);
    fo_bitmap_put(&pool->closed, bit, can && !ready);
    pool->reserved_moved = pool->reserved_moved || fo_bitmap_test(&pool->reserved, bit);
}

/* The 64 addresses from `bit` on that fo_table_ours would name. */
static uint64_t ours_of_word(const struct fo_pool *pool, uint32_t bit)
{
    uint64_t ours = ~(fo_bitmap_word(&pool->used, bit) | fo_bitmap_word(&pool->reserved, bit) |
                      fo_bitmap_word(&pool->quarantined, bit));
    uint64_t backup = fo_bitmap_word(&pool->backup, bit);
    if (!pool->all_ours)
        ours &= (pool->primary ? ~backup : backup) & ~fo_bitmap_word(&pool->returning, bit);
    if (pool->size - bit < 64)
        ours &= ~(UINT64_MAX << (pool->size - bit));
    return pool->relationship >= 0 && !pool->retired ? ours : 0;
}

/* Of the same 64, those that are stored, in groups that are open: two groups where the pool begins
   within one. */
static uint64_t ready_of_word(const struct fo_pool *pool, uint32_t bit)
{
    uint32_t group = fo_pool_group(pool, bit), second = (pool->range.first + bit) % 64;
    uint64_t in_next = second ? UINT64_MAX << (64 - second) : 0;
    uint64_t open = fo_bitmap_test(&pool->open, group) ? ~in_next : 0;
    if (in_next && group + 1 < pool->open.bits && fo_bitmap_test(&pool->open, group + 1))
        open |= in_next;
    return open & ~(fo_bitmap_word(&pool->dirty, bit) | fo_bitmap_word(&pool->saving, bit));
}

/* fo_table_refresh for all addresses. */
void fo_table_refresh_pool(struct fo_table *table, struct fo_pool *pool)
{
    fo_bitmap_clear_all(&pool->available);
    fo_bitmap_clear_all(&pool->closed);
    for (uint32_t bit = 0; bit < pool->size; bit += 64) {
        uint64_t ours = ours_of_word(pool, bit), ready = ready_of_word(pool, bit);
        fo_bitmap_add_word(&pool->available, bit, ours & ready);
        fo_bitmap_add_word(&pool->closed, bit, ours & ~ready);
        if (pool->size - bit <= 64)
            break;
    }
    pool->reserved_moved = pool->reserved_moved || pool->reserved.count > 0;
    for (uint32_t i = 0; i < table->hold_capacity; i++)
        if (table->holds[i].address >= pool->range.first &&
            table->holds[i].address <= pool->range.last)
            fo_table_refresh(table, pool, table->holds[i].address);
}

void fo_table_set_all_ours(struct fo_table *table, struct fo_pool *pool, bool all_ours)
{
    pool->all_ours = all_ours;
    fo_table_refresh_pool(table, pool);
}

/* How many addresses are FREE and BACKUP, reserved ones aside. */
static void count_owners(struct fo_pool *pool)
{
    pool->free_count = pool->backup_count = 0;
    for (uint64_t bit = 0; bit < pool->size; bit += 64) {
        const uint64_t here = fo_bitmap_within(bit, 0, pool->size - 1);
        const uint64_t free = here & ~(fo_bitmap_word(&pool->used, (uint32_t)bit) |
                                       fo_bitmap_word(&pool->reserved, (uint32_t)bit));
        const uint64_t backup = free & fo_bitmap_word(&pool->backup, (uint32_t)bit);
        pool->backup_count += (uint32_t)__builtin_popcountll(backup);
        pool->free_count += (uint32_t)__builtin_popcountll(free ^ backup);
    }
}

void fo_table_recount_owners(struct fo_table *table, struct fo_pool *pool)
{
    count_owners(pool);
    fo_table_refresh_pool(table, pool);
}

void fo_table_set_owner(struct fo_table *table, struct fo_pool *pool, uint32_t address, bool backup)
{
    uint32_t bit = address - pool->range.first;
    fo_pool_count(pool, bit, -1);
    struct fo_binding *binding = fo_table_find(table, address);
    if (binding != NULL)
        binding->flags &= (uint8_t)~FO_FLAG_RESERVED;
    fo_bitmap_put(&pool->backup, bit, backup);
    fo_bitmap_clear(&pool->returning, bit);
    fo_pool_count(pool, bit, +1);
    fo_table_refresh(table, pool, address);
}

void fo_table_open_group(struct fo_table *table, struct fo_pool *pool, uint32_t group)
{
    uint64_t first = ((uint64_t)(pool->range.first >> FO_GROUP_BITS) + group) << FO_GROUP_BITS;
    uint64_t last = first + (1U << FO_GROUP_BITS) - 1;
    fo_bitmap_clear(&pool->opening, group);
    fo_bitmap_set(&pool->open, group);
    if (first < pool->range.first)
        first = pool->range.first;
    for (; first <= last && first <= pool->range.last; first++)
        fo_table_refresh(table, pool, (uint32_t)first);
}

/* ------------------------------------------------------------------ another configuration */

static int by_first(const void *a, const void *b)
{
    uint32_t x = ((const struct fo_pool *)a)->range.first;
    uint32_t y = ((const struct fo_pool *)b)->range.first;
    return x < y ? -1 : x > y;
}

void fo_pools_sort(struct fo_pool *pools, size_t count)
{
    qsort(pools, count, sizeof *pools, by_first);
}

/* Carries the bits of addresses that both pools have, those of a connection aside: what is acknowledged
   while a pool is away would leave them set for ever. */
static void keep_bits(struct fo_pool *to, const struct fo_pool *from)
{
    uint32_t first = to->range.first > from->range.first ? to->range.first : from->range.first;
    uint32_t last = to->range.last < from->range.last ? to->range.last : from->range.last;
    if (first > last)
        return;
    for (size_t i = 0; i < COUNT(address_bits); i++)
        fo_bitmap_add(bits_at(to, address_bits[i]), first - to->range.first,
                      bits_at(from, address_bits[i]), first - from->range.first, last - first + 1);
}

static void keep_groups(struct fo_pool *to, const struct fo_pool *from)
{
    uint32_t base = to->range.first >> FO_GROUP_BITS;
    for (uint32_t group = fo_bitmap_next(&from->open, 0); group != FO_BITMAP_NONE;
         group = fo_bitmap_next(&from->open, group + 1)) {
        uint32_t absolute = (from->range.first >> FO_GROUP_BITS) + group;
        if (absolute >= base && absolute - base < to->open.bits)
            fo_bitmap_set(&to->open, absolute - base);
    }
}

/* A record says what its address is; its lease may have ended while the address was in no pool. */
static void follow_records(struct fo_table *table)
{
    struct fo_binding *binding;
    for (uint32_t i = 0; (binding = fo_table_record(table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(table, binding->address);
        if (pool == NULL)
            continue;
        fo_bitmap_put(&pool->used, binding->address - pool->range.first,
                      binding->status != FO_FREE);
        if (binding->status == FO_ACTIVE || binding->status == FO_ABANDONED)
            fo_table_watch_end(table, binding);
    }
}

void fo_table_recount(struct fo_table *table)
{
    struct fo_binding *binding;
    follow_records(table);
    for (size_t i = 0; i < table->pool_count; i++) {
        struct fo_pool *pool = &table->pools[i];
        memset(pool->status_count, 0, sizeof pool->status_count);
        fo_table_recount_owners(table, pool);
    }
    for (uint32_t i = 0; (binding = fo_table_record(table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(table, binding->address);
        if (pool != NULL && binding->status != FO_FREE)
            pool->status_count[binding->status]++;
    }
}

static void free_pools(struct fo_table *table, struct fo_pool *pools, size_t count)
{
    for (size_t i = 0; pools != NULL && i < count; i++)
        fo_pool_free(table, &pools[i]);
    table->env->release(table->env->context, pools);
}

/* Whether it would matter that the bits of these addresses were forgotten. */
static bool matters(const struct fo_pool *pool)
{
    return pool->backup.count + pool->unacked.count + pool->rejected.count + pool->returning.count +
               pool->quarantined.count + pool->open.count + pool->used.count + pool->dirty.count +
               pool->saving.count > 0;
}

/* Adds the part first..last of `source` to `past`. */
static bool keep_part(struct fo_table *table, struct fo_pool *past, size_t *count,
                      const struct fo_pool *source, uint64_t first, uint64_t last)
{
    struct fo_pool *part = &past[*count];
    memset(part, 0, sizeof *part);
    part->range = source->range;
    part->range.first = (uint32_t)first;
    part->range.last = (uint32_t)last;
    part->relationship = -1;
    part->size = (uint32_t)(last - first + 1);
    bool ok = make_bits(table, part);
    if (ok) {
        keep_bits(part, source);
        keep_groups(part, source);
    }
    if (ok && matters(part))
        (*count)++;
    else
        fo_pool_free(table, part);
    return ok;
}

/* The parts of `source` that none of the new pools (sorted) covers. */
static bool keep_uncovered(struct fo_table *table, struct fo_pool *past, size_t *past_count,
                           const struct fo_pool *source, const struct fo_pool *fresh, size_t count)
{
    uint64_t at = source->range.first, last = source->range.last;
    bool ok = true;
    for (size_t i = 0; ok && i < count && at <= last; i++) {
        if (fresh[i].range.last < at || fresh[i].range.first > last)
            continue;
        if (fresh[i].range.first > at)
            ok = keep_part(table, past, past_count, source, at, fresh[i].range.first - 1);
        at = (uint64_t)fresh[i].range.last + 1;
    }
    return ok && (at > last || keep_part(table, past, past_count, source, at, last));
}

/* Fills new pools, and what is to be kept of old ones, from pools and past. */
static bool carry_over(struct fo_table *table, struct fo_pool *fresh, size_t count,
                       struct fo_pool *past, size_t *past_count)
{
    const struct fo_pool *source;
    bool ok = true;
    for (size_t k = 0; ok && (source = fo_table_part(table, k)) != NULL; k++) {
        for (size_t i = 0; i < count; i++) {
            keep_bits(&fresh[i], source);
            keep_groups(&fresh[i], source);
            if (k < table->pool_count && source->range.first <= fresh[i].range.first &&
                source->range.last >= fresh[i].range.last)
                fresh[i].reconciled = source->reconciled;
        }
        ok = keep_uncovered(table, past, past_count, source, fresh, count);
    }
    for (size_t i = 0; ok && i < count; i++)
        if (fresh[i].retired)
            fo_bitmap_clear_all(&fresh[i].rows_later); /* of leases that go on: rows.c */
    return ok;
}

bool fo_table_prepare(struct fo_table *table, const struct fo_pool *pools, size_t count,
                      struct fo_table_pools *prepared)
{
    const struct fo_env *env = table->env;
    size_t most = table->pool_count + table->past_count + count;
    struct fo_pool *fresh = env->allocate(env->context, (count ? count : 1) * sizeof *fresh);
    struct fo_pool *past = env->allocate(env->context, (most + 1) * sizeof *past);
    *prepared = (struct fo_table_pools){fresh, count, past, 0};
    bool ok = fresh != NULL && past != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        fresh[i].range = pools[i].range;
        fresh[i].relationship = pools[i].relationship;
        fresh[i].primary = pools[i].primary;
        fresh[i].retired = pools[i].retired;
        fresh[i].size = pools[i].range.last - pools[i].range.first + 1;
        ok = make_bits(table, &fresh[i]);
    }
    if (ok) {
        fo_pools_sort(fresh, count);
        ok = carry_over(table, fresh, count, past, &prepared->past_count);
    }
    if (!ok)
        fo_table_discard(table, prepared);
    return ok;
}

void fo_table_discard(struct fo_table *table, struct fo_table_pools *prepared)
{
    free_pools(table, prepared->pools, prepared->pool_count);
    free_pools(table, prepared->past, prepared->past_count);
    *prepared = (struct fo_table_pools){0};
}

void fo_table_take(struct fo_table *table, struct fo_table_pools *prepared)
{
    struct fo_table_pools old = {table->pools, table->pool_count, table->past, table->past_count};
    table->pools = prepared->pools;
    table->pool_count = prepared->pool_count;
    table->past = prepared->past;
    table->past_count = prepared->past_count;
    fo_pools_sort(table->past, table->past_count);
    *prepared = (struct fo_table_pools){0};
    fo_table_discard(table, &old);
    fo_table_recount(table);
}

bool fo_table_set_pools(struct fo_table *table, const struct fo_pool *pools, size_t count)
{
    struct fo_table_pools prepared;
    if (!fo_table_prepare(table, pools, count, &prepared))
        return false;
    fo_table_take(table, &prepared);
    return true;
}

struct fo_pool *fo_table_add_past(struct fo_table *table, uint32_t first, uint32_t last)
{
    const struct fo_env *env = table->env;
    struct fo_pool part = {.range = {first, last, 0, 0}, .relationship = -1,
                           .size = last - first + 1};
    struct fo_pool *grown =
        env->reallocate(env->context, table->past, (table->past_count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    table->past = grown;
    if (!make_bits(table, &part)) {
        fo_pool_free(table, &part);
        return NULL;
    }
    size_t at = table->past_count++;
    for (; at > 0 && grown[at - 1].range.first > first; at--)
        grown[at] = grown[at - 1];
    grown[at] = part;
    return &grown[at];
}
