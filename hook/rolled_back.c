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
 */
#include "hook/service_internal.h"

static bool is_of(const struct fo_relationship *relationship, const struct fo_pool *part)
{
    return part != NULL && (part->relationship < 0 || part->relationship == relationship->index);
}

static void forget_binding(struct fo_service *service, struct fo_pool *part,
                           struct fo_binding *binding)
{
    binding->flags &= (uint8_t)~FO_FLAG_RESERVED;
    if (binding->status == FO_FREE)
        return;
    fo_table_set_client(&service->table, binding, NULL);
    fo_table_set_status(&service->table, binding, FO_FREE);
    fo_bitmap_clear(&part->used, bit_in(part, binding->address)); /* also of one in no pool now */
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
}

void fo_forget_bindings(void *context)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    struct fo_binding *binding;
    struct fo_pool *part;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        part = fo_table_kept(&service->table, binding->address);
        if (is_of(relationship, part))
            forget_binding(service, part, binding);
    }
    for (size_t i = 0; (part = fo_table_part(&service->table, i)) != NULL; i++)
        if (is_of(relationship, part))
            forget_bits(service, part);
    fo_requested_lost(relationship); /* nothing is to be told any more */
    fo_table_recount(&service->table);
    relationship->forgotten = true;
}

void fo_forgotten_rows_go(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    struct fo_binding *binding;
    if (!relationship->forgotten)
        return;
    relationship->forgotten = false;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        if (pool != NULL && pool->relationship == relationship->index &&
            binding->status != FO_ACTIVE && binding->status != FO_ABANDONED)
            fo_mark_row(service, pool, binding->address);
    }
}
