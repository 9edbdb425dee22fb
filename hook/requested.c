/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * UPDREQ and UPDREQALL of the partner's (draft 5.16, 7.3, 7.4): what is to be sent before UPDDONE.
 *
 * UPDREQ asks for what it has not acknowledged, and is answered at once. UPDREQALL is for all that was ever
 * associated with a client: a walk over all records, of which a step of the service does a part. Where the
 * partner has lost its store, what it promised is forgotten, and every binding is held accordingly before
 * (doubts.c). While that is under way nothing is sent to the partner, neither BNDUPD nor UPDDONE (the
 * endpoint's `marking`).
 *
 * A connection that is lost does not stop the walk, nor does a reload: what it has not come to yet belongs to
 * the relationship or does not when it does, and what another relationship brings is told anyway (shares.c).
 * A crash stops it: `update_all_owed` is stored when all is done, so the partner's next UPDREQALL begins it
 * anew.
 */
#include "hook/service_internal.h"

/* ------------------------------------------------------------------ all bindings */

/* The BACKUP addresses of the past are to be told, and one of each page is stored: so all are. */
static void mark_past(struct fo_service *service, struct fo_pool *past)
{
    fo_bitmap_or(&past->unacked, &past->backup);
    uint32_t bit = fo_bitmap_next(&past->backup, 0);
    while (bit != FO_BITMAP_NONE) {
        const uint32_t address = past->range.first + bit;
        fo_mark_dirty(service, past, address);
        bit = fo_bitmap_next(&past->backup, bit + FO_PAGE_ADDRESSES - address % FO_PAGE_ADDRESSES);
    }
}

/* 5.16: all that was ever associated with a client, and what is the secondary's. What is in no pool of
   a relationship now cannot be told before it comes back, and nobody will ask for it again then: that
   is stored. */
static void mark_one(struct fo_relationship *relationship, struct fo_binding *binding)
{
    struct fo_service *service = relationship->service;
    struct fo_pool *pool = fo_table_kept(&service->table, binding->address);
    if (pool == NULL || (pool->relationship >= 0 && pool->relationship != relationship->index))
        return;
    if (FO_FAULTY(ALL_UNACKED))
        return;
    fo_bitmap_set(&pool->unacked, bit_in(pool, binding->address));
    if (pool->relationship < 0)
        fo_mark_dirty(service, pool, binding->address);
}

/* What a query is about to change in this moment, maybe an address of the partner's: the partner gets
   its UPDDONE after that, too. */
static void mark_claimed(struct fo_relationship *relationship)
{
    struct fo_table *table = &relationship->service->table;
    for (uint32_t i = 0; i < table->hold_capacity; i++) {
        const struct fo_hold *hold = &table->holds[i];
        struct fo_pool *pool =
            hold->address != 0 && hold->serial != 0 ? fo_table_pool(table, hold->address) : NULL;
        if (pool != NULL && pool->relationship == relationship->index)
            fo_bitmap_set(&pool->unacked, bit_in(pool, hold->address));
    }
}

/* ------------------------------------------------------------------ the request */

/* Whole bitmaps: some microseconds for a million addresses. */
static uint32_t mark_requested(struct fo_relationship *relationship, bool all)
{
    struct fo_service *service = relationship->service;
    struct fo_table *table = &service->table;
    fo_retry_rejected(relationship);
    for (size_t i = 0; all && i < table->past_count; i++)
        mark_past(service, &table->past[i]);
    relationship->requested = 0;
    if (relationship->endpoint.record.state == FO_STATE_PARTNER_DOWN)
        mark_claimed(relationship);
    for (size_t i = 0; i < table->pool_count; i++) {
        struct fo_pool *pool = &table->pools[i];
        if (pool->relationship != relationship->index)
            continue;
        if (all)
            fo_bitmap_or(&pool->unacked, &pool->backup);
        fo_bitmap_copy(&pool->requested, &pool->unacked);
        relationship->requested += pool->requested.count;
    }
    return (uint32_t)relationship->requested;
}

void fo_requested_lost(struct fo_relationship *relationship)
{
    struct fo_table *table = &relationship->service->table;
    for (size_t i = 0; i < table->pool_count; i++)
        if (table->pools[i].relationship == relationship->index)
            fo_bitmap_clear_all(&table->pools[i].requested);
    relationship->requested = 0;
}

void fo_partner_forgot(void *context)
{
    struct fo_relationship *relationship = context;
    relationship->walk = (struct fo_walk){
        .on = true, .all = true, .doubts = true, .to = relationship->service->table.record_count};
    fo_doubts_begin(relationship);
}

uint32_t fo_updates_requested(void *context, bool all)
{
    struct fo_relationship *relationship = context;
    if (!relationship->walk.on && !all && !relationship->forgetting.on)
        return mark_requested(relationship, false);
    if (!relationship->walk.on || (all && !relationship->walk.all))
        relationship->walk = (struct fo_walk){
            .on = true, .all = all, .to = all ? relationship->service->table.record_count : 0};
    return FO_MARKED_LATER;
}

bool fo_requested_step(struct fo_relationship *relationship, const struct fo_now *now)
{
    struct fo_table *table = &relationship->service->table;
    struct fo_walk *walk = &relationship->walk;
    if (!walk->on)
        return false;
    if (walk->doubts && relationship->service->doubts.on)
        return true;
    if (relationship->forgetting.on) /* what is forgotten is not told */
        return false;
    for (int n = 0; n < FO_STEP_MAX && walk->from < walk->to; n++)
        mark_one(relationship, fo_table_record(table, walk->from++));
    if (walk->from < walk->to)
        return true;
    walk->on = false;
    const uint32_t count = mark_requested(relationship, walk->all && !FO_FAULTY(ALL_UNACKED));
    if (!relationship->endpoint.partner_request)
        fo_requested_lost(relationship); /* with its connection; it asks again */
    fo_endpoint_marked(&relationship->endpoint, count, now);
    return false;
}

/* In PARTNER-DOWN it gave the partner's addresses, and a power cut may have made it forget to whom. It
   cannot tell that; so the partner hears of the end when such leases are over (rule of safety 7). */
static bool may_have_given_partners(const struct fo_relationship *relationship)
{
    const struct fo_table *table = &relationship->service->table;
    if (relationship->service->quarantine_until == 0 ||
        relationship->endpoint.record.state != FO_STATE_PARTNER_DOWN)
        return false;
    for (size_t i = 0; i < table->pool_count; i++) {
        const struct fo_pool *pool = &table->pools[i];
        if (pool->relationship != relationship->index)
            continue;
        uint32_t bit = fo_bitmap_next(&pool->quarantined, 0);
        while (bit != FO_BITMAP_NONE && fo_bitmap_test(&pool->backup, bit) != pool->primary)
            bit = fo_bitmap_next(&pool->quarantined, bit + 1);
        if (bit != FO_BITMAP_NONE)
            return true;
    }
    return false;
}

void fo_note_updates_wait(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    char until[32];
    if (may_have_given_partners(relationship))
        fo_say(service, FAILOVER_UPDATES_WAIT, relationship->config.name,
               relationship->config.partner.name,
               fo_time_text(fo_to_wall(service, service->quarantine_until), until), NULL);
}

bool fo_requested_left(void *context)
{
    const struct fo_relationship *relationship = context;
    return (relationship->requested > 0 && !FO_FAULTY(DONE_EARLY)) ||
           may_have_given_partners(relationship);
}
