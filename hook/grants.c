/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a callout says on the way out of Kea's engine (draft 5.2.1, 7.1.5): for how long a lease may
 * be, and what came of the query: the binding becomes ACTIVE, ends, or nothing was done and its claim
 * is given back. Which queries come so far, queries.c decides.
 *
 * Kea has written its row when fo_committed hears of it. Nothing counts but what that took while
 * the claim stood: a row without it is read again, or written from the table.
 */
#include <string.h>

#include "hook/service_internal.h"

/* ------------------------------------------------------------------ how long */

/* May the partner, as the only one, give what it does not know to be leased here? Alone after a long stop, if the
   known are served alone (rule of safety 9); and in RECOVER-DONE until the partner is heard to have left
   PARTNER-DOWN, for the connection may be gone by now. */
static bool partner_may_give(const struct fo_relationship *relationship)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    return (relationship->alone && fo_alone_rule(relationship) != FO_WITHOUT_ALL) ||
           (endpoint->record.state == FO_STATE_RECOVER_DONE && endpoint->partner_alone);
}

/* Rule of safety 4, of what a power cut would leave (rule of safety 7): "now" is not later than a
   restart would take for the last moment at which we ran, and a potential expiration that is not
   durable yet does not count. Nor does "now" where partner_may_give. */
static uint32_t bound_of(const struct fo_relationship *relationship,
                         const struct fo_binding *binding, uint32_t now)
{
    struct fo_service *service = relationship->service;
    struct fo_times times = {0};
    uint32_t moment = now < fo_last_moment(service) ? now : fo_last_moment(service);
    if (binding != NULL)
        times = binding->times;
    const bool full = relationship->config.partner_down_full_time &&
                      fo_alone_in_partner_down(relationship);
    const struct fo_pool *pool = binding ? fo_table_pool(&service->table, binding->address) : NULL;
    if (pool != NULL && !fo_table_stored(pool, binding->address))
        times.received_potential = 0;
    else if (full) /* nobody else acknowledges; what is stored here is not forgotten (9.4.2) */
        times.acked_potential = times.sent_potential;
    if (FO_FAULTY(OWN_END) && times.lease_expiration > times.acked_potential)
        times.acked_potential = times.lease_expiration;
    if (partner_may_give(relationship))
        moment = 0;
    return fo_lease_bound(&times, moment, relationship->endpoint.record.mclt);
}

static uint32_t bounded(const struct fo_relationship *relationship,
                        const struct fo_binding *binding, uint32_t desired, uint32_t now)
{
    if (FO_FAULTY(NO_CLAMP))
        return desired;
    /* The draft has the bound alone. A lease that ends soon is back soon, when both serve again. */
    if (!relationship->config.interrupted_bound && desired > relationship->endpoint.record.mclt &&
        fo_serving_state(relationship) == FO_STATE_COMMUNICATIONS_INTERRUPTED)
        desired = relationship->endpoint.record.mclt;
    return fo_lease_length(desired, bound_of(relationship, binding, now), now);
}

/* The record whose times count for this client: none of another client's tenure. */
static const struct fo_binding *tenure_of(struct fo_service *service, uint32_t address,
                                          const struct fo_query *query)
{
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    return binding != NULL && fo_table_same_client(binding, &query->client) ? binding : NULL;
}

bool fo_promises_nothing(const struct fo_relationship *relationship, uint32_t address,
                         const struct fo_query *query, uint32_t now)
{
    return partner_may_give(relationship) &&
           bound_of(relationship, tenure_of(relationship->service, address, query), now) <= now;
}

/* Of an address that is in no pool of Kea's, Kea decides alone, unless it is what we chose, or claimed, while
   it was in one. */
static struct fo_pool *pool_of(struct fo_service *service, uint32_t address, uint32_t ours)
{
    return address == ours ? fo_table_pool(&service->table, address)
                           : fo_table_served(&service->table, address);
}

enum fo_answer fo_lease_offered(struct fo_service *service, uint32_t subnet_id,
                                const struct fo_query *query, struct fo_decision *decision,
                                uint32_t *address, uint32_t *length)
{
    (void)subnet_id;
    service->env->lock(service->env->context);
    enum fo_answer answer = FO_PASS;
    struct fo_now now = fo_service_now(service);
    struct fo_pool *pool = pool_of(service, *address, decision->address);
    struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (relationship != NULL && *address != decision->address &&
        !fo_claimable(service, relationship, pool, *address, query, &now)) {
        /* The engine went another way (a class guard, a reservation): what we hold is offered
           where it is of the same subnet, nothing else; and not to the owner of a reservation, whom
           the engine would refuse it. */
        struct fo_pool *held = fo_table_pool(&service->table, decision->address);
        if (held != NULL && held->range.subnet_id == pool->range.subnet_id &&
            *address != query->reserved_address)
            *address = decision->address;
        else
            fo_refuse(relationship, decision, "Kea chose an address that is not ours");
        answer = decision->answer;
    }
    if (relationship != NULL && answer == FO_PASS)
        *length = bounded(relationship, tenure_of(service, *address, query), *length, now.seconds);
    struct fo_hold *offer = decision->rowless && *address == decision->address
                                ? fo_table_hold(&service->table, *address)
                                : NULL;
    if (offer != NULL && offer->serial == 0)
        offer->rowless = true;
    service->env->unlock(service->env->context);
    return answer;
}

enum fo_answer fo_lease_requested(struct fo_service *service, uint32_t subnet_id,
                                  const struct fo_query *query, struct fo_decision *decision,
                                  uint32_t address, uint32_t *length)
{
    (void)subnet_id;
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_pool *pool = pool_of(service, address, decision->claim.address);
    struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (relationship != NULL && decision->claim.address != address) {
        fo_refuse(relationship, decision, "Kea grants an address that was not claimed");
        if (decision->claim.address == 0) /* a lease4_renew is written all the same: to be read */
            decision->claim = (struct fo_claim){.address = address, .row_written = true};
    } else if (relationship != NULL) {
        decision->claim.row_written = true;
        decision->bounded_at = now.seconds;
        /* What BOOTP gives has no term; it is reserved, and nobody else's in any case (5.14). */
        *length = query->bootp ? UINT32_MAX
                               : bounded(relationship, tenure_of(service, address, query), *length,
                                         now.seconds);
    }
    enum fo_answer answer = decision->answer;
    service->env->unlock(service->env->context);
    return answer;
}

/* ------------------------------------------------------------------ what came of it */

/* The time of a transaction that ends a lease: later than the one before, or 7.1.3's time(1) rejects
   it, though both may be of one second or of a clock a little ahead; but never much later than it
   was (settle_near_transactions in judgement.c counts on that). */
uint32_t fo_transaction_now(const struct fo_binding *binding, uint32_t now)
{
    uint32_t next = binding->cltt + 1;
    return next < now ? now : next <= now + 2 ? next : now + 2;
}

static bool claim_stands(struct fo_service *service, const struct fo_claim *held)
{
    const struct fo_hold *hold = fo_table_hold(&service->table, held->address);
    return held->serial != 0 && hold != NULL && hold->serial == held->serial;
}

/* Invariant 3: a new tenure is its owner's to begin; while the partner is down ours, also of a query that the
   partner's return has overtaken: its UPDDONE waits for that (requested.c). */
static bool may_begin(struct fo_service *service, struct fo_pool *pool, uint32_t address)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    return fo_table_ours(&service->table, pool, address) ||
           fo_bitmap_test(&pool->reserved, bit_in(pool, address)) ||
           (relationship != NULL && relationship->endpoint.record.state == FO_STATE_PARTNER_DOWN);
}

/* The binding becomes ACTIVE, or its tenure goes on. */
static void grant(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
                  uint32_t start, uint32_t end, uint32_t potential, uint32_t now)
{
    bool goes_on = binding->status != FO_FREE;
    bool was_active = binding->status == FO_ACTIVE;
    FO_INVARIANT(goes_on || !FO_SOUND || may_begin(service, pool, binding->address));
    if (binding->status != FO_ACTIVE) {
        binding->start_of_state = now;
        if (!goes_on && !FO_FAULTY(TENURE_KEPT))
            memset(&binding->times, 0, sizeof binding->times);
        binding->flags &= (uint8_t) ~(FO_FLAG_FREEING | FO_FLAG_TO_BACKUP);
        const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        if (relationship != NULL && fo_alone_in_partner_down(relationship))
            binding->flags |= FO_FLAG_ALONE;
        fo_table_set_status(&service->table, binding, FO_ACTIVE);
    }
    if (end > binding->times.lease_expiration || FO_FAULTY(END_LOWERED)) /* rule of safety 5: never lowered */
        binding->times.lease_expiration = end;
    if (potential > binding->potential)
        binding->potential = potential;
    if (binding->potential > binding->times.sent_potential)
        binding->times.sent_potential = binding->potential;
    /* Kea's own, for the comparison of rule of safety 8. It must be later than the last, though a
       second is the finest step, or 7.1.3's time(1) rejects the update, or prefers the end of the
       lease at the partner, out of contact, to its renewal here in the same second. But it is never
       more than that second ahead, however often a client gives back and comes again: an end may be
       two (fo_transaction_now), and so is always later than the lease that the partner may know. */
    if (goes_on && start <= binding->cltt) {
        start = was_active && binding->cltt > now ? binding->cltt : binding->cltt + 1;
        if (!was_active && start > now + 1)
            start = now + 1;
    }
    binding->cltt = start;
    fo_bitmap_clear(&pool->told, bit_in(pool, binding->address));
    fo_table_watch_end(&service->table, binding);
    fo_row_written(pool, bit_in(pool, binding->address)); /* by Kea, just now */
    fo_touch(service, pool, binding->address);
}

/* Invariant 2; of the MCLT under which it was bounded, which a configuration may have lowered since. */
static bool within_bound(struct fo_service *service, const struct fo_pool *pool,
                         const struct fo_binding *binding, uint32_t end, uint32_t now)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    struct fo_times times = binding->times;
    if (relationship == NULL)
        return true;
    /* Not of full lease times, which may have been told when there was no connection yet. */
    if (relationship->config.partner_down_full_time &&
        (relationship->endpoint.record.state == FO_STATE_PARTNER_DOWN ||
         relationship->endpoint.record.state == FO_STATE_POTENTIAL_CONFLICT) &&
        times.sent_potential > times.acked_potential)
        times.acked_potential = times.sent_potential;
    return end <= fo_lease_bound(&times, now, fo_endpoint_lead_time(&relationship->endpoint)) + 1;
}

/* How long a lease the client is to have at its next renewal (figure 5.2.1-1); growing gradually, no
   longer than this one, which that MCLT then adds to. */
static uint32_t wanted_next(struct fo_service *service, const struct fo_pool *pool, uint32_t length,
                            uint32_t desired)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    const bool gradual = relationship != NULL && relationship->config.gradual_growth;
    return gradual && length < desired ? length : desired;
}

enum fo_answer fo_committed(struct fo_service *service, uint32_t subnet_id,
                            const struct fo_query *query, struct fo_decision *decision,
                            uint32_t cltt, uint32_t length, uint32_t desired,
                            const struct fo_details *details, uint32_t *row_length)
{
    (void)subnet_id;
    enum fo_answer answer = FO_DROP;
    const char *why = "the claim was lost";
    service->env->lock(service->env->context);
    struct fo_claim *held = &decision->claim;
    struct fo_pool *pool = fo_table_pool(&service->table, held->address);
    struct fo_now now = fo_service_now(service);
    *row_length = length;
    if (pool != NULL &&
        (claim_stands(service, held) || FO_FAULTY(NO_CLAIM))) {
        struct fo_binding *binding = fo_table_make(&service->table, held->address);
        why = "out of memory";
        if (binding != NULL && fo_table_set_client(&service->table, binding, &query->client)) {
            /* Its client counts from when it asked, not later: the lease must not be over for us
               earlier. Nor does it run past its bound, however long the packet took since. */
            const uint32_t begun = decision->bounded_at;
            uint32_t start = fo_from_wall(service, cltt);
            if (start + FO_CERTAIN < begun || start > begun + FO_CERTAIN)
                start = begun; /* the wall clock has stepped since the engine looked */
            uint32_t end = length == UINT32_MAX || begun > UINT32_MAX - 1 - length
                               ? UINT32_MAX - 1
                               : begun + length;
            FO_INVARIANT(!FO_SOUND || query->bootp ||
                         within_bound(service, pool, binding, end, now.seconds));
            grant(service, pool, binding, start, end,
                  fo_potential_expiration(now.seconds, length, wanted_next(service, pool, length, desired)),
                  now.seconds);
            if (binding->times.lease_expiration > end) /* Kea's row says the end, in its own clock */
                *row_length = fo_row_length(start, binding->times.lease_expiration);
            binding->ip_flags = query->bootp ? FO_IP_FLAG_BOOTP : 0;
            if (details != NULL && !fo_table_set_details(&service->table, binding, details))
                fo_say(service, FAILOVER_OUT_OF_MEMORY, "the host name of a lease", NULL);
            held->row_written = false;
            answer = FO_PASS;
        }
    }
    if (answer == FO_DROP)
        fo_refuse(fo_relationship_of_pool(service, pool), decision, why);
    service->env->unlock(service->env->context);
    return answer;
}

/* Did the process get no time since the query was taken? Its client may have got a lease elsewhere. Kea's
   row is written again from the table. */
static bool is_old(struct fo_service *service, struct fo_pool *pool, const struct fo_now *now)
{
    const struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    const enum fo_state state = relationship != NULL ? fo_serving_state(relationship) : FO_STATE_NONE;
    return fo_watchdog_late(service, now) || fo_watchdog_stale(service, now) ||
           state == FO_STATE_STARTUP || state == FO_STATE_PAUSED;
}

bool fo_released(struct fo_service *service, struct fo_decision *decision, bool names_removed)
{
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, decision->claim.address);
    struct fo_binding *binding = fo_table_find(&service->table, decision->claim.address);
    struct fo_now now = fo_service_now(service);
    bool over = false;
    if (pool != NULL && binding != NULL && claim_stands(service, &decision->claim) &&
        binding->status == FO_ACTIVE && is_old(service, pool, &now)) {
        fo_mark_row(service, pool, binding->address);
    } else if (pool != NULL && binding != NULL && claim_stands(service, &decision->claim) &&
               binding->status == FO_ACTIVE) {
        /* Of when it came: with a late thread it would look later than what the partner has given since. */
        binding->cltt = fo_transaction_now(binding, decision->bounded_at);
        /* It may have been the engine that deleted the row, for another query of its client, and that
           leaves the names: where it has been told (fo_row_deleted), or is not yet, another query being
           under way. Rather removed twice than never. */
        if (names_removed && !fo_bitmap_test(&pool->rows, bit_in(pool, binding->address)) &&
            service->table.claim_count == 1)
            fo_table_names_removed(binding);
        fo_end_lease(service, pool, binding, FO_RELEASED, now.seconds);
        over = true;
    }
    service->env->unlock(service->env->context);
    return over;
}

void fo_declined(struct fo_service *service, struct fo_decision *decision, uint32_t probation_end)
{
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, decision->claim.address);
    struct fo_binding *binding = fo_table_find(&service->table, decision->claim.address);
    struct fo_now now = fo_service_now(service);
    if (pool != NULL && binding != NULL && claim_stands(service, &decision->claim) &&
        binding->status == FO_ACTIVE && is_old(service, pool, &now)) {
        fo_mark_row(service, pool, binding->address);
    } else if (pool != NULL && binding != NULL && claim_stands(service, &decision->claim) &&
               binding->status == FO_ACTIVE) {
        fo_abandon(service, pool, binding, now.seconds, fo_from_wall(service, probation_end));
        fo_touch(service, pool, binding->address);
    }
    service->env->unlock(service->env->context);
}

void fo_row_deleted(struct fo_service *service, uint32_t address, const struct fo_client *client)
{
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, address);
    struct fo_binding *binding = fo_table_find(&service->table, address);
    if (pool != NULL && binding != NULL && binding->status == FO_ACTIVE) {
        /* Where it is to be written anyway, it may be that it has not been yet. */
        if (fo_table_same_client(binding, client) && !fo_table_claimed(&service->table, address) &&
            !fo_bitmap_test(&pool->rows, bit_in(pool, address))) {
            uint32_t now = fo_service_now(service).seconds;
            binding->cltt = fo_transaction_now(binding, now);
            fo_end_lease(service, pool, binding, FO_RELEASED, now);
        } else {
            fo_mark_row(service, pool, address); /* written again from the table */
        }
    }
    service->env->unlock(service->env->context);
}

void fo_claim_release(struct fo_service *service, struct fo_claim *held)
{
    if (held->address == 0)
        return;
    service->env->lock(service->env->context);
    struct fo_pool *pool = fo_table_pool(&service->table, held->address);
    bool claimed = held->serial != 0 &&
                   fo_table_unhold(&service->table, held->address, held->serial);
    if (pool != NULL && (claimed || (held->serial == 0 && held->row_written))) {
        if (held->row_written) { /* the engine may have written, but nothing was committed */
            struct fo_binding *binding = fo_table_make(&service->table, held->address);
            if (binding != NULL)
                binding->flags |= FO_FLAG_READ_ROW;
            fo_mark_row(service, pool, held->address);
        }
        if (!fo_row_follows(pool, bit_in(pool, held->address)))
            service->env->wake_rows(service->env->context);
        struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
        /* Not for what the commit of this very change will wake the loop for. */
        if (relationship != NULL && (fo_inbound_waits_for(relationship, held->address) ||
                                     fo_update_sendable(service, pool, held->address)))
            service->env->wake(service->env->context);
    }
    held->address = 0;
    service->env->unlock(service->env->context);
}
