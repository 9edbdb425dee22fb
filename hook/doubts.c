/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What may have been promised and forgotten: by us in a power cut, by a partner that has lost its store
 * (rule of safety 7). How long such promises run, only the bound of rule of safety 4 says: bindings are
 * held until then, and free addresses that may have been given are quarantined.
 *
 * For our own past all is done at once, before clients are served. For a partner's a step of the service does
 * a part, so that callouts never wait for a million bindings: what was in use when the partner was found to
 * have forgotten is `doubted` then, until its turn comes. Meanwhile nothing ends: an acknowledgement does not
 * count, no lease expires or lapses, what the partner says is not judged yet, and no free address changes
 * hands. So nothing `doubted` can become free, and nobody gets an address that the partner may have promised.
 *
 * That goes for the relationship; and for all of them, none of which tells its partner anything, from the
 * moment on at which a configuration changes the pools, and may bring such an address into another one. Then
 * it is stored, too.
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
    /* It began before it ended, which may have been noted later, after a stop: what the partner gave since is the
       later one (judgement.c). */
    if (binding->status != FO_ACTIVE && binding->times.lease_expiration < binding->start_of_state)
        binding->start_of_state = binding->times.lease_expiration;
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
   instead runs on: nobody has it, and nobody is sent away from it. */
static void doubt_decline(struct fo_service *service, struct fo_pool *pool,
                          struct fo_binding *binding, uint32_t last_moment, uint32_t mclt)
{
    if (!fo_partner_unaware(pool, bit_in(pool, binding->address)))
        return;
    fo_abandon(service, pool, binding, binding->start_of_state,
               doubtful_end(binding, last_moment, mclt));
    binding->flags |= FO_FLAG_DOUBTFUL;
    if (pool->relationship >= 0)
        fo_mark_row(service, pool, binding->address);
    fo_touch(service, pool, binding->address);
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

uint32_t fo_quarantine_ends(const struct fo_service *service)
{
    return service->quarantine_until > service->forgotten_until ? service->quarantine_until
                                                                : service->forgotten_until;
}

void fo_quarantine_forgotten(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    const struct fo_now now = fo_service_now(service);
    const uint32_t until = relationship->endpoint.record.forgot_until + FO_EXPIRY_GUARD;
    char count[24], when[32];
    uint64_t quarantined = 0;
    if (now.seconds >= until)
        return;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        if (pool->relationship != relationship->index)
            continue;
        for (uint64_t bit = 0; bit < pool->size; bit += 64) {
            const uint64_t backup = fo_bitmap_word(&pool->backup, (uint32_t)bit);
            const uint64_t used = fo_bitmap_word(&pool->used, (uint32_t)bit);
            fo_bitmap_add_word(&pool->quarantined, (uint32_t)bit,
                               (pool->primary ? ~backup : backup) & ~used &
                                   fo_bitmap_within(bit, 0, pool->size - 1));
        }
        fo_table_refresh_pool(&service->table, pool);
        quarantined += pool->quarantined.count;
    }
    if (service->forgotten_until < until)
        service->forgotten_until = until;
    fo_say(service, FAILOVER_FORGOTTEN_LEASES, relationship->config.name,
           fo_print(count, sizeof count, "%llu", (unsigned long long)quarantined),
           fo_time_text(fo_to_wall(service, until), when), NULL);
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
        if (fo_shares_foreign(service, binding->address))
            continue; /* the partner's: nothing of it is ours to forget */
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

/* ------------------------------------------------------------------ a partner's past */

bool fo_ends_wait(const struct fo_relationship *relationship)
{
    return relationship->service->doubts.moved || (relationship->walk.on && relationship->walk.doubts) ||
           relationship->forgetting.on;
}

/* Of an address that is in no pool of one nobody knows whose it was: doubts do no harm. */
void fo_doubts_begin(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    struct fo_doubts *doubts = &service->doubts;
    const uint32_t mclt = fo_endpoint_lead_time(&relationship->endpoint);
    struct fo_pool *part;
    for (size_t i = 0; (part = fo_table_part(&service->table, i)) != NULL; i++) {
        if (part->relationship >= 0 && part->relationship != relationship->index)
            continue;
        fo_bitmap_or(&part->doubted, &part->used);
        fo_bitmap_or(&part->doubted, &part->returning);
    }
    if (!doubts->on || doubts->mclt < mclt)
        doubts->mclt = mclt;
    doubts->on = true;
    doubts->part = 0;
    doubts->bit = 0;
}

/* What we have asked the partner for it may have leased before it forgot; it is not ours because one
   who knows nothing agrees. Once both are in NORMAL the balance asks again. (`returning` of a BACKUP
   address is the secondary's own.) */
static void leave_with_partner(struct fo_service *service, struct fo_pool *pool, uint32_t bit)
{
    if (!fo_bitmap_test(&pool->returning, bit) || fo_bitmap_test(&pool->backup, bit))
        return;
    fo_table_set_owner(&service->table, pool, pool->range.first + bit, true);
    fo_touch(service, pool, pool->range.first + bit);
}

static void doubt_one(struct fo_service *service, struct fo_pool *pool, uint32_t bit)
{
    struct fo_binding *binding = fo_table_find(&service->table, pool->range.first + bit);
    const uint32_t now = fo_service_now(service).seconds;
    if (FO_FAULTY(PARTNER_UNDOUBTED))
        return;
    if (binding != NULL && is_lease(binding))
        doubt_lease(service, pool, binding, now, service->doubts.mclt);
    else if (binding != NULL && (binding->status == FO_ABANDONED || binding->status == FO_RESET))
        doubt_decline(service, pool, binding, now, service->doubts.mclt);
    leave_with_partner(service, pool, bit);
}

bool fo_doubts_step(struct fo_service *service)
{
    struct fo_doubts *doubts = &service->doubts;
    struct fo_pool *pool;
    int n = 0;
    if (!doubts->on)
        return false;
    for (; (pool = fo_table_part(&service->table, doubts->part)) != NULL; doubts->part++, doubts->bit = 0)
        for (;;) {
            doubts->bit = fo_bitmap_next(&pool->doubted, doubts->bit);
            if (doubts->bit == FO_BITMAP_NONE)
                break;
            if (n++ >= FO_STEP_MAX)
                return true;
            doubt_one(service, pool, doubts->bit);
            fo_bitmap_clear(&pool->doubted, doubts->bit);
        }
    service->meta_dirty = service->meta_dirty || doubts->moved;
    doubts->on = doubts->moved = false;
    return false;
}

/* A crash came in between. Of which addresses it was is not known any more: so of all. The partner whose they were
   may be nobody's by now, and never asks again. (Where nothing has moved it does, and they begin anew.) */
void fo_doubts_resume(struct fo_service *service)
{
    struct fo_doubts *doubts = &service->doubts;
    struct fo_pool *part;
    if (doubts->stored == 0)
        return;
    for (size_t i = 0; (part = fo_table_part(&service->table, i)) != NULL; i++) {
        fo_bitmap_or(&part->doubted, &part->used);
        fo_bitmap_or(&part->doubted, &part->returning);
    }
    *doubts = (struct fo_doubts){.on = true, .moved = true, .mclt = doubts->stored};
}

void fo_doubts_carry_on(struct fo_service *service, bool other_pools)
{
    service->doubts.part = 0; /* what is kept of pools that are away may have other places */
    service->doubts.bit = 0;
    service->doubts.moved = service->doubts.on && (service->doubts.moved || other_pools);
    if (service->doubts.moved)
        service->meta_dirty = service->urgent = true; /* whom it was of may never say again */
}
