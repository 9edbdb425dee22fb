/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What may have been promised and forgotten: by us in a power cut, by a partner that has lost its store
 * (rule of safety 7). How long such promises run, only the bound of rule of safety 4 says: bindings are
 * held until then, and free addresses that may have been given are quarantined.
 *
 * For our own past all is done at once, before clients are served; for a partner's, one binding at a time
 * (requested.c).
 */
#include "hook/service_internal.h"

/* Whatever a lease may have become in the moments that were lost, on one server or the other, it is
   over at this time: the bound of rule of safety 4 as it was at the last of these moments. */
static uint32_t doubtful_end(const struct fo_binding *binding, uint32_t last_moment, uint32_t mclt)
{
    const uint32_t times[] = {binding->times.lease_expiration, binding->times.sent_potential,
                              binding->times.acked_potential, binding->times.received_potential};
    uint32_t latest = last_moment;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] > latest)
            latest = times[i];
    return latest > UINT32_MAX - 1 - mclt ? UINT32_MAX - 1 : latest + mclt;
}

/* Ended leases that the partner had not acknowledged are held like the known ones: their client may
   have come back in the moments that were lost, or the address be another's by now. */
static void doubt_lease(struct fo_service *service, struct fo_pool *pool,
                        struct fo_binding *binding, uint32_t last_moment, uint32_t mclt)
{
    const uint32_t now = fo_service_now(service).seconds;
    const bool runs = binding->status == FO_ACTIVE && !(binding->flags & FO_FLAG_DOUBTFUL);
    binding->times.lease_expiration = doubtful_end(binding, last_moment, mclt);
    /* There may have been a transaction (7.1.3's time(1)), at any time: with a disk that had stalled
       since the last stamp, ends were bounded by that, but clients with leases were served. */
    if (binding->cltt < now)
        binding->cltt = now;
    if (binding->status != FO_ACTIVE)
        binding->flags |= FO_FLAG_DOUBTFUL;
    fo_table_set_status(&service->table, binding, FO_ACTIVE);
    fo_table_watch_end(&service->table, binding);
    if (pool->relationship >= 0 && runs && pool->reconciled)
        fo_mark_row_later(service, pool, binding->address);
    else if (pool->relationship >= 0)
        fo_mark_row(service, pool, binding->address);
    fo_touch(service, pool, binding->address);
}

static bool is_lease(const struct fo_binding *binding)
{
    return !(binding->flags & FO_FLAG_FREEING) &&
           (binding->status == FO_ACTIVE || binding->status == FO_EXPIRED ||
            binding->status == FO_RELEASED);
}

/* Of an address that a client of ours declined, the partner may have known nothing: what it gave
   instead runs on. */
static void doubt_decline(struct fo_service *service, struct fo_pool *pool,
                          struct fo_binding *binding, uint32_t last_moment, uint32_t mclt)
{
    if (!fo_partner_unaware(pool, bit_in(pool, binding->address)))
        return;
    fo_abandon(service, pool, binding, binding->start_of_state,
               doubtful_end(binding, last_moment, mclt));
    if (pool->relationship >= 0)
        fo_mark_row(service, pool, binding->address);
    fo_touch(service, pool, binding->address);
}

void fo_doubt_partners_promise(struct fo_relationship *relationship, struct fo_pool *pool,
                               struct fo_binding *binding)
{
    struct fo_service *service = relationship->service;
    const uint32_t now = fo_service_now(service).seconds;
    const uint32_t mclt = fo_endpoint_lead_time(&relationship->endpoint);
    if (FO_FAULTY(PARTNER_UNDOUBTED))
        return;
    if (is_lease(binding))
        doubt_lease(service, pool, binding, now, mclt);
    else if (binding->status == FO_ABANDONED || binding->status == FO_RESET)
        doubt_decline(service, pool, binding, now, mclt);
}

/* The largest of all relationships. */
static uint32_t longest_lead_time(const struct fo_service *service)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < service->relationship_count; i++)
        if (fo_endpoint_lead_time(&service->relationships[i]->endpoint) > longest)
            longest = fo_endpoint_lead_time(&service->relationships[i]->endpoint);
    return longest;
}

void fo_quarantine_open(struct fo_service *service)
{
    struct fo_pool *pool;
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL && !FO_FAULTY(FREE_UNDOUBTED); i++)
        for (uint32_t bit = 0; pool->open.count > 0 && bit < pool->size; bit++)
            if (fo_bitmap_test(&pool->open, fo_pool_group(pool, bit)) &&
                !fo_bitmap_test(&pool->used, bit))
                fo_bitmap_set(&pool->quarantined, bit);
}

void fo_doubt_own_past(struct fo_service *service, const struct fo_now *now)
{
    uint32_t last_moment = fo_last_moment(service);
    const uint32_t longest = longest_lead_time(service);
    uint64_t quarantined = 0;
    struct fo_binding *binding;
    struct fo_pool *pool;
    char count[24], until[32];
    if (last_moment > now->seconds)
        last_moment = now->seconds;
    for (uint32_t i = 0; (binding = fo_table_record(&service->table, i)) != NULL; i++) {
        pool = fo_table_kept(&service->table, binding->address);
        const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        if (pool == NULL)
            continue;
        if (is_lease(binding) && !FO_FAULTY(LEASES_UNDOUBTED))
            doubt_lease(service, pool, binding, last_moment,
                        relationship ? fo_endpoint_lead_time(&relationship->endpoint) : longest);
        else if (binding->status != FO_FREE && binding->status != FO_ABANDONED)
            /* On its way to be free: it may have been, and have been given, in the lost moments. */
            fo_bitmap_set(&pool->quarantined, bit_in(pool, binding->address));
    }
    for (size_t i = 0; (pool = fo_table_part(&service->table, i)) != NULL; i++)
        quarantined += pool->quarantined.count;
    /* Ends are whole seconds, and may be one past their bound. */
    if (service->quarantine_until < last_moment + longest + FO_EXPIRY_GUARD)
        service->quarantine_until = last_moment + longest + FO_EXPIRY_GUARD;
    fo_say(service, FAILOVER_POWER_CUT,
           fo_print(count, sizeof count, "%llu", (unsigned long long)quarantined),
           fo_time_text(fo_to_wall(service, service->quarantine_until), until), NULL);
}
