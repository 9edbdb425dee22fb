/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A state file that somebody has restored from a copy (draft 5.16, rule of safety 10). The partner shows
 * it: it remembers a later count of connections than the copy has (protocol/endpoint.c).
 *
 * What the copy says was true once. Since then leases have ended and others were given, and free
 * addresses have changed hands, all acknowledged to a partner that goes by it. So nothing of it is kept:
 * this server knows as little as one that has lost its store, and learns all from its partner
 * (UPDREQALL). What only it knew of, no lease longer than the MCLT, is over when RECOVER-WAIT is.
 *
 * Kea's rows stay until the partner has told all: most leases of the copy still run, and keep theirs.
 *
 * All of that is done in steps, so that clients of other relationships never wait for a million bindings. In
 * this one nobody is served meanwhile, nothing ends, and the partner is asked, and heard, only when all is
 * forgotten. First it is stored that it is to be (`forgetting`): a restart goes on with it, where a store that
 * is half forgotten would give addresses of leases that it knew. Nor does it begin before queries that are
 * under way have ended, which may yet give a lease.
 */
#include "hook/service_internal.h"

static bool is_of(const struct fo_relationship *relationship, const struct fo_pool *part)
{
    return part != NULL && (part->relationship < 0 || part->relationship == relationship->index);
}

static void forget_binding(struct fo_service *service, struct fo_pool *part,
                           struct fo_binding *binding)
{
    const uint32_t bit = bit_in(part, binding->address);
    binding->flags &= (uint8_t)~FO_FLAG_RESERVED;
    fo_bitmap_clear(&part->unacked, bit);
    fo_bitmap_clear(&part->rejected, bit);
    if (binding->status == FO_FREE)
        return;
    fo_table_set_client(&service->table, binding, NULL);
    fo_table_set_status(&service->table, binding, FO_FREE);
    fo_bitmap_clear(&part->used, bit); /* also of one in no pool now */
    binding->flags &= (uint8_t)~FO_FLAG_READ_ROW;
    binding->start_of_state = 0;
    binding->generation++;
    fo_mark_dirty(service, part, binding->address);
}

/* Whose the free addresses are, and what the partner is to be told. */
static void forget_bits(struct fo_service *service, struct fo_pool *part)
{
    struct fo_bitmap *said[] = {&part->backup, &part->returning, &part->unacked, &part->rejected};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        if (said[i]->count == 0)
            continue;
        fo_bitmap_or(&part->dirty, said[i]);
        fo_mark_dirty(service, part, part->range.first + fo_bitmap_next(said[i], 0)); /* wakes for all */
        fo_bitmap_clear_all(said[i]);
    }
    if (part->relationship >= 0)
        fo_table_recount_owners(&service->table, part);
}

void fo_forget_bindings(void *context)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    fo_relationship_store(relationship);
    service->compared.at = service->compared_before.at = FO_COMPARED_NOTHING;
    relationship->forgotten = true;
    relationship->forgetting =
        (struct fo_forgetting){.on = true, .epoch = fo_epoch_of_changes(service)};
}

static void begin(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    struct fo_pool *part;
    for (size_t i = 0; (part = fo_table_part(&service->table, i)) != NULL; i++)
        if (is_of(relationship, part))
            forget_bits(service, part);
    fo_requested_lost(relationship); /* nothing is to be told any more */
    relationship->forgetting.begun = true;
    relationship->forgetting.from = 0;
    relationship->forgetting.to = service->table.record_count;
}

/* Some more records, half of a usual step, for they leave an index; true where there are more. */
static bool forget_some(struct fo_relationship *relationship)
{
    struct fo_table *table = &relationship->service->table;
    struct fo_forgetting *forgetting = &relationship->forgetting;
    for (int n = 0; n < FO_STEP_MAX / 2 && forgetting->from < forgetting->to; n++) {
        struct fo_binding *binding = fo_table_record(table, forgetting->from++);
        struct fo_pool *part = fo_table_kept(table, binding->address);
        if (is_of(relationship, part))
            forget_binding(relationship->service, part, binding);
    }
    return forgetting->from < forgetting->to;
}

static bool forget_more(struct fo_relationship *relationship, const struct fo_now *now)
{
    struct fo_forgetting *forgetting = &relationship->forgetting;
    if (!forgetting->begun && relationship->service->epoch_durable < forgetting->epoch)
        return false; /* the end of a commit wakes the loop */
    if (!forgetting->begun && fo_is_at_work(relationship))
        return false; /* fo_forgetting_deadline */
    if (!forgetting->begun)
        begin(relationship);
    if (forget_some(relationship))
        return true;
    forgetting->on = forgetting->begun = false;
    fo_endpoint_forgot(&relationship->endpoint, now);
    return false;
}

void fo_forgotten_rows_go(struct fo_relationship *relationship)
{
    if (!relationship->forgotten)
        return;
    relationship->forgotten = false;
    relationship->forgetting.rows = true;
    relationship->forgetting.from = 0;
    relationship->forgetting.to = relationship->service->table.record_count;
}

static bool mark_rows(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    struct fo_forgetting *forgetting = &relationship->forgetting;
    for (int n = 0; n < FO_STEP_MAX && forgetting->from < forgetting->to; n++) {
        const struct fo_binding *binding = fo_table_record(&service->table, forgetting->from++);
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        if (pool != NULL && pool->relationship == relationship->index &&
            binding->status != FO_ACTIVE && binding->status != FO_ABANDONED)
            fo_mark_row(service, pool, binding->address);
    }
    forgetting->rows = forgetting->from < forgetting->to;
    return forgetting->rows;
}

bool fo_is_forgetting(const struct fo_relationship *relationship)
{
    return relationship->forgetting.on || relationship->forgetting.rows;
}

bool fo_forgetting_step(struct fo_relationship *relationship, const struct fo_now *now)
{
    return relationship->forgetting.on     ? forget_more(relationship, now)
           : relationship->forgetting.rows ? mark_rows(relationship)
                                           : false;
}

int64_t fo_forgetting_deadline(const struct fo_relationship *relationship, const struct fo_now *now)
{
    return relationship->forgetting.on ? now->ms + FO_LOOK_MS : INT64_MAX;
}

void fo_forgetting_finish(struct fo_relationship *relationship, const struct fo_now *now)
{
    if (relationship->forgetting.on && !relationship->forgetting.begun)
        begin(relationship);
    while (fo_forgetting_step(relationship, now))
        continue;
}
