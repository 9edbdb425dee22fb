/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What an accepted update of the partner's does to a binding (draft 7.1.4, 5.11): a lease begins, goes
 * on or ends here, too; a free address changes hands. Kea's row is marked to follow (rows.c).
 *
 * Where ends of a lease cross, and where the partner speaks of the time before our last word on whose a
 * free address is, accepting is not following: the comments below say why.
 */
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/binding.h"

/* What may have been promised of a lease that has ended here for now, and goes on for the same client
   at the partner: there its tenure has not ended, and what we acknowledged in it still permits. So it
   still forbids here, but permits nothing. */
static uint32_t promised_before(const struct fo_binding *binding, const struct fo_client *client)
{
    const struct fo_times *times = &binding->times;
    const bool ended = binding->status == FO_EXPIRED || binding->status == FO_RELEASED;
    uint32_t latest = times->sent_potential;
    if (!ended || !fo_table_same_client(binding, client))
        return 0;
    if (times->acked_potential > latest)
        latest = times->acked_potential;
    return times->received_potential > latest ? times->received_potential : latest;
}

/* ACTIVE: of the client that we have, the times merge (nothing is lowered: rule of safety 5);
   of another, a new tenure begins. */
static bool apply_active(struct fo_relationship *relationship, struct fo_pool *pool,
                         struct fo_binding *binding, const struct fo_update *update,
                         const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    const struct fo_session *session = &relationship->endpoint.session;
    struct fo_client client = fo_update_client(update);
    uint32_t end = fo_session_forbids(session, update->lease_expiration);
    uint32_t potential = fo_session_permits(session, update->potential_expiration);
    const uint32_t forbidden = fo_session_forbids(session, update->potential_expiration);
    uint32_t cltt = fo_transaction_time(relationship, update);
    const bool bootp = (update->present & FO_HAS(FO_OPT_IP_FLAGS)) &&
                       (update->ip_flags & FO_IP_FLAG_BOOTP);
    if (bootp) /* no term, whatever is said of it (5.14) */
        end = potential = FO_TIME_LAST;
    bool merge = binding->status == FO_ACTIVE && fo_table_same_client(binding, &client);
    const uint8_t names = merge ? 0 : fo_names_displaced(pool, binding);
    const uint32_t promised = promised_before(binding, &client);
    bool tell = false;

    if (!fo_table_set_client(&service->table, binding, &client))
        return false;
    fo_apply_details(relationship, pool, binding, update, merge, cltt);
    if (merge) {
        /* Within the guard it is the same end, or two clocks would correct each other for ever. */
        tell = binding->times.lease_expiration > end &&
               binding->times.lease_expiration - end > FO_EXPIRY_GUARD &&
               !fo_bitmap_test(&pool->unacked, bit_in(pool, update->address));
    } else {
        memset(&binding->times, 0, sizeof binding->times);
        binding->times.sent_potential = promised;
        binding->potential = 0;
        binding->cltt = 0;
        binding->generation++;
        binding->flags &= (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP | FO_FLAG_SENT | FO_FLAG_ALONE);
        binding->start_of_state =
            (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE))
                ? fo_session_forbids(session, update->start_of_state)
                : now->seconds;
        fo_table_set_status(&service->table, binding, FO_ACTIVE);
        fo_bitmap_set(&pool->learned, bit_in(pool, update->address));
        fo_settle(service, pool, update->address);
    }
    /* The later one of the two, or may be: where its client came back at once, ours is ahead of the clock. */
    if (!merge || cltt + FO_TRANSACTION_GUARD >= binding->cltt)
        fo_bitmap_set(&pool->told, bit_in(pool, update->address));
    if (end > binding->times.lease_expiration)
        binding->times.lease_expiration = end;
    if (potential > binding->times.received_potential)
        binding->times.received_potential = potential;
    /* For as long as that is promised, it forbids by the clocks as they are: over a connection of months
       they may have drifted far from the least difference that permits (rule of safety 11). */
    if (forbidden > potential && forbidden > binding->times.sent_potential)
        binding->times.sent_potential = forbidden;
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    binding->ip_flags = (uint8_t)((binding->ip_flags & FO_NAMES_IN_ROW) | names |
                                  (bootp ? FO_IP_FLAG_BOOTP : 0));
    binding->flags &= (uint8_t)~FO_FLAG_DOUBTFUL;
    fo_table_watch_end(&service->table, binding);
    fo_mark_row(service, pool, update->address);
    fo_mark_dirty(service, pool, update->address);
    if (tell)
        fo_touch(service, pool, update->address);
    return true;
}

/* The client has taken the partner's offer: ours, made to the same query, keeps its address from others. */
static void end_offers(struct fo_service *service, const struct fo_pool *pool, const struct fo_binding *binding)
{
    struct fo_table *table = &service->table;
    const struct fo_client client = fo_table_client(binding);
    const uint64_t hash = fo_table_client_hash(table, &client);
    for (size_t i = 0; table->offer_count > 0 && i < table->pool_count; i++) {
        const struct fo_pool_range *range = &table->pools[i].range;
        const uint32_t offered = range->network == pool->range.network
                                     ? fo_table_offered_to(table, hash, range->first, range->last)
                                     : 0;
        if (offered != 0)
            fo_table_unhold(table, offered, 0);
    }
}

/* EXPIRED, RELEASED, RESET over a binding of which the partner has not acknowledged what we say. An
   ACTIVE of ours may be on its way to it, and be accepted over what it has just said: so the binding
   is not free before the partner has acknowledged our own EXPIRED or RELEASED (5.2.2). Its client
   cannot have it again, for the partner counts on the end. Of two ends that cross, the primary's
   removes what DNS has of the lease; of others the one that was said first (5.12.4). */
static void apply_crossing_end(struct fo_relationship *relationship, struct fo_pool *pool,
                               struct fo_binding *binding, const struct fo_update *update,
                               uint32_t cltt, uint32_t now)
{
    struct fo_service *service = relationship->service;
    if (fo_status_becomes_free((enum fo_binding_status)binding->status) &&
        !(pool->primary && fo_bitmap_test(&pool->in_flight, bit_in(pool, update->address))))
        fo_leave_names(relationship, pool, binding, update);
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    if (!fo_status_becomes_free((enum fo_binding_status)binding->status))
        fo_end_lease(service, pool, binding, (enum fo_binding_status)update->status, now);
    else if (fo_bitmap_test(&pool->rejected, bit_in(pool, update->address)))
        fo_touch(service, pool, update->address); /* now it will agree */
    binding->flags |= FO_FLAG_SENT;
    fo_mark_dirty(service, pool, update->address);
}

/* EXPIRED, RELEASED, RESET, FREE, BACKUP over a binding: it becomes free once the row is gone. */
static void apply_ended(struct fo_relationship *relationship, struct fo_pool *pool,
                        struct fo_binding *binding, const struct fo_update *update, uint32_t cltt,
                        const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    enum fo_binding_status through = (enum fo_binding_status)update->status;
    if (!fo_status_becomes_free(through))
        through = FO_EXPIRED; /* FREE or BACKUP: ends here too */
    if (!(binding->flags & FO_FLAG_FREEING))
        fo_leave_names(relationship, pool, binding, update);
    if (cltt > binding->cltt)
        binding->cltt = cltt;
    binding->generation++;
    binding->start_of_state = now->seconds;
    fo_table_set_status(&service->table, binding, through);
    binding->flags |= FO_FLAG_FREEING;
    binding->flags &= (uint8_t) ~(FO_FLAG_TO_BACKUP | FO_FLAG_RESERVED);
    if (update->status == FO_BACKUP)
        binding->flags |= FO_FLAG_TO_BACKUP |
                          (update->ip_flags & FO_IP_FLAG_RESERVED ? FO_FLAG_RESERVED : 0);
    fo_settle(service, pool, update->address);
    fo_mark_row(service, pool, update->address);
}

/* Over a free address: it changes hands. A lease that began and ended at the partner without our
   knowing leaves it FREE (5.11). An offer of ours on it ends. */
static void apply_owner(struct fo_relationship *relationship, struct fo_pool *pool,
                        const struct fo_update *update)
{
    struct fo_service *service = relationship->service;
    uint32_t bit = bit_in(pool, update->address);
    struct fo_binding *binding = fo_table_find(&service->table, update->address);
    if (pool->primary && fo_bitmap_test(&pool->returning, bit))
        return; /* asked back by us: its answer to that decides */
    fo_table_unhold(&service->table, update->address, 0);
    if (binding != NULL)
        binding->generation++;
    fo_table_set_owner(&service->table, pool, update->address, update->status == FO_BACKUP);
    if (update->status == FO_BACKUP && (update->ip_flags & FO_IP_FLAG_RESERVED))
        fo_note_shared(service, update->address);
    fo_settle(service, pool, update->address);
}

/* When the last lease of a free address ended, of which we may have heard nothing else. Who has lost the store asks
   us that, and may have Kea's row of it still (judgement.c). */
static void note_end(struct fo_relationship *relationship, const struct fo_update *update)
{
    struct fo_service *service = relationship->service;
    const struct fo_session *session = &relationship->endpoint.session;
    struct fo_binding *binding = fo_table_find(&service->table, update->address);
    const bool ended = fo_status_becomes_free((enum fo_binding_status)update->status);
    if (!(update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE)) ||
        (binding != NULL && binding->start_of_state != 0 && !ended))
        return;
    const uint32_t since = fo_session_permits(session, update->start_of_state);
    if (binding == NULL)
        binding = fo_table_make(&service->table, update->address);
    if (binding != NULL && since > binding->start_of_state)
        binding->start_of_state = since;
}

/* The partner speaks of the time before we handed the address over, or asked for it, or of a lease in
   between. Whose a free address is, the primary has the last word; it is said once more, with a
   generation to tell the two apart. */
static bool say_again(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    if (fo_table_make(&service->table, address) == NULL)
        return false;
    fo_touch(service, pool, address);
    return true;
}

bool fo_apply_update(struct fo_relationship *relationship, struct fo_pool *pool,
                     const struct fo_update *update, bool crossing, const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    enum fo_binding_status own = fo_table_status(&service->table, pool, update->address);
    bool own_free = own == FO_FREE || own == FO_BACKUP;
    bool ended = fo_status_becomes_free((enum fo_binding_status)update->status);
    if (own_free && update->status != FO_ACTIVE && update->status != FO_ABANDONED) {
        note_end(relationship, update);
        if (pool->primary && crossing && update->status != FO_BACKUP)
            return say_again(service, pool, update->address);
        apply_owner(relationship, pool, update);
        return true;
    }
    struct fo_binding *binding = fo_table_make(&service->table, update->address);
    if (binding == NULL)
        return false;
    fo_table_unhold(&service->table, update->address, 0);
    if (update->status == FO_ACTIVE) {
        if (!apply_active(relationship, pool, binding, update, now))
            return false;
        end_offers(service, pool, binding);
        return true;
    }
    if (update->status == FO_ABANDONED) {
        uint32_t since = (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE))
                             ? fo_session_forbids(&relationship->endpoint.session,
                                                  update->start_of_state)
                             : now->seconds;
        /* Until the end of a lease that the partner, when its client declined, did not know; also
           where it says so again, not having heard our answer. */
        uint32_t until = since > UINT32_MAX - 1 - service->decline_probation
                             ? UINT32_MAX - 1
                             : since + service->decline_probation;
        if (binding->times.lease_expiration > until &&
            (binding->status == FO_ABANDONED ||
             (binding->status == FO_ACTIVE &&
              fo_partner_unaware(pool, bit_in(pool, update->address)))))
            until = binding->times.lease_expiration;
        const uint8_t names = fo_names_displaced(pool, binding);
        binding->generation++;
        fo_abandon(service, pool, binding, since, until);
        binding->ip_flags |= names;
        fo_settle(service, pool, update->address);
        fo_mark_row(service, pool, update->address);
        return true;
    }
    uint32_t cltt = fo_transaction_time(relationship, update);
    /* BACKUP that the secondary says without knowing of our end is no agreement to it, either: it
       follows ours, and then the address is FREE. */
    ended = ended || (pool->primary && update->status == FO_BACKUP && fo_status_becomes_free(own));
    if (ended && crossing && !(binding->flags & FO_FLAG_FREEING) && !FO_FAULTY(CROSSING_AGREED))
        apply_crossing_end(relationship, pool, binding, update, cltt, now->seconds);
    else
        apply_ended(relationship, pool, binding, update, cltt, now);
    return true;
}
