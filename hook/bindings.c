/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What happens to one binding, whoever causes it: marks for store, partner and Kea's row, and the
 * ways out of a lease (draft 5.11). A binding that leaves ACTIVE loses its row first; only then is
 * it sent, and only the partner's acknowledgement makes it FREE (rules of safety 2 and 5).
 */
#include "hook/service_internal.h"
#include "protocol/binding.h"

void fo_mark_dirty(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    fo_bitmap_set(&pool->dirty, bit_in(pool, address));
    if (fo_bitmap_test(&pool->available, bit_in(pool, address)))
        fo_table_refresh(&service->table, pool, address); /* not before it is stored */
    bool many = pool->dirty.count >= FO_COMMIT_MANY && service->commit_at != 0;
    if (service->dirty && !many)
        return;
    /* The first change of a batch: the loop is woken once, and commits what has come together. Once
       more where that has become many before its time (commit_at 0: at once). */
    service->commit_at =
        many ? 0 : service->env->boot_time(service->env->context) + FO_COMMIT_DELAY_MS;
    service->dirty = true;
    service->env->wake(service->env->context);
}

static void want_rows(struct fo_service *service)
{
    if (service->rows_wanted)
        return;
    service->rows_wanted = true;
    service->env->wake_rows(service->env->context);
}

void fo_mark_row(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    fo_bitmap_set(&pool->rows, bit_in(pool, address));
    fo_bitmap_clear(&pool->rows_later, bit_in(pool, address));
    want_rows(service);
}

void fo_mark_row_later(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    if (fo_bitmap_test(&pool->rows, bit_in(pool, address)) || pool->retired)
        return;
    fo_bitmap_set(&pool->rows_later, bit_in(pool, address));
    want_rows(service);
}

bool fo_row_follows(const struct fo_pool *pool, uint32_t bit)
{
    return !fo_bitmap_test(&pool->rows, bit) && !fo_bitmap_test(&pool->rows_later, bit);
}

void fo_row_written(struct fo_pool *pool, uint32_t bit)
{
    fo_bitmap_clear(&pool->rows, bit);
    fo_bitmap_clear(&pool->rows_later, bit);
}

static void answer_requested(struct fo_service *service, struct fo_pool *pool, uint32_t bit)
{
    struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (fo_bitmap_test(&pool->requested, bit)) {
        fo_bitmap_clear(&pool->requested, bit);
        if (relationship != NULL && relationship->requested > 0)
            relationship->requested--;
    }
}

void fo_touch(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    struct fo_binding *binding = fo_table_find(&service->table, address);
    if (binding != NULL) {
        binding->generation++;
        binding->flags &= (uint8_t)~FO_FLAG_SENT;
    }
    fo_bitmap_set(&pool->unacked, bit_in(pool, address));
    fo_bitmap_clear(&pool->rejected, bit_in(pool, address));
    fo_mark_dirty(service, pool, address);
}

void fo_settle(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    uint32_t bit = bit_in(pool, address);
    fo_bitmap_clear(&pool->unacked, bit);
    fo_bitmap_clear(&pool->rejected, bit);
    answer_requested(service, pool, bit);
    fo_mark_dirty(service, pool, address);
}

void fo_end_lease(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                  enum fo_binding_status status, uint32_t now)
{
    binding->start_of_state = now;
    binding->flags &= (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP);
    fo_table_set_status(&service->table, binding, status);
    fo_mark_row(service, pool, binding->address);
    fo_touch(service, pool, binding->address);
    fo_watch_lapse(service, pool, binding);
}

void fo_free_lease(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding)
{
    if (!fo_table_has_names(binding)) {
        fo_table_set_status(&service->table, binding, FO_FREE);
        return;
    }
    binding->flags |= FO_FLAG_FREEING;
    binding->flags &= (uint8_t)~FO_FLAG_TO_BACKUP;
    fo_mark_row(service, pool, binding->address);
    fo_mark_dirty(service, pool, binding->address);
}

void fo_abandon(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                uint32_t since, uint32_t until)
{
    fo_table_set_client(&service->table, binding, NULL); /* "MUST NOT appear" (5.11) */
    binding->start_of_state = since;
    binding->flags &= (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP | FO_FLAG_DOUBTFUL);
    binding->times.lease_expiration = until;
    fo_table_set_status(&service->table, binding, FO_ABANDONED);
    fo_table_watch_end(&service->table, binding);
    fo_mark_dirty(service, pool, binding->address);
}

static bool ends_wait(struct fo_service *service, const struct fo_pool *pool)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    return relationship != NULL && fo_ends_wait(relationship);
}

/* One binding whose turn in the heap has come. */
static void expire_one(struct fo_service *service, struct fo_binding *binding, uint32_t when,
                       const struct fo_now *now)
{
    struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
    if (!(binding->flags & FO_FLAG_IN_HEAP) || binding->watched != when)
        return; /* an earlier end was put in since */
    binding->flags &= (uint8_t)~FO_FLAG_IN_HEAP;
    if (pool == NULL || pool->relationship < 0) /* Kea's alone now: follow_records, should it return */
        return;
    if (fo_status_becomes_free((enum fo_binding_status)binding->status))
        fo_lapse(service, pool, binding, now);
    if (binding->status != FO_ACTIVE && binding->status != FO_ABANDONED)
        return;
    if (!fo_is_over(binding->times.lease_expiration, now->seconds) && !FO_FAULTY(RENEWED_ENDS)) {
        fo_table_watch_end(&service->table, binding); /* it was renewed meanwhile */
        return;
    }
    if (fo_table_claimed(&service->table, binding->address) || ends_wait(service, pool)) {
        /* A query or a row job has it in its hands, or its end is about to be a later one: looked at
           again in a second. (There is room in the heap, where it was until now.) */
        if (fo_heap_push(&service->table.ends, now->seconds + 1, binding->address)) {
            binding->watched = now->seconds + 1;
            binding->flags |= FO_FLAG_IN_HEAP;
        }
        return;
    }
    fo_end_lease(service, pool, binding,
                 binding->status == FO_ACTIVE ? FO_EXPIRED : FO_RESET, now->seconds);
    if (FO_FAULTY(EXPIRED_FREE))
        fo_table_set_status(&service->table, binding, FO_FREE);
}

/* Ends that found no place in the heap: looked for among all records, until there is memory. */
static bool watch_again(struct fo_service *service, const struct fo_now *now)
{
    if (service->table.unwatched_from == FO_INDEX_NONE || now->ms < service->watch_again_at)
        return false;
    if (!fo_table_watch_again(&service->table, FO_STEP_MAX)) {
        service->watch_again_at = now->ms + FO_WATCH_RETRY_MS;
        fo_say(service, FAILOVER_OUT_OF_MEMORY, "the end of a lease", NULL);
        return false;
    }
    return service->table.unwatched_from != FO_INDEX_NONE;
}

bool fo_expire(struct fo_service *service, const struct fo_now *now)
{
    const struct fo_heap_entry *top;
    bool more = watch_again(service, now);
    for (int i = 0; i < FO_EXPIRE_MAX; i++) {
        top = fo_heap_top(&service->table.ends);
        if (top == NULL || top->when > now->seconds - FO_EXPIRY_GUARD)
            return more;
        uint32_t address = top->value, when = top->when;
        fo_heap_pop(&service->table.ends);
        struct fo_binding *binding = fo_table_find(&service->table, address);
        if (binding != NULL)
            expire_one(service, binding, when, now);
    }
    return true;
}
