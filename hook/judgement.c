/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Whether a binding update of the partner's is accepted: the table of 7.1.3 (protocol/binding.c),
 * and what it leaves open.
 *
 * The table compares times of two clocks to the second, and was drawn for servers that remember
 * everything. Where updates of both cross, where a client has declined what the other server gave
 * it meanwhile, or where one server holds an address only because of what it may have forgotten,
 * the table alone would lease an address twice.
 */
#include "hook/service_internal.h"
#include "protocol/binding.h"

/* ------------------------------------------------------------------ what an update says */

struct fo_client fo_update_client(const struct fo_update *update)
{
    struct fo_client client = {0};
    if (update->present & FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS)) {
        client.hardware_type = update->hardware_address.data[0];
        client.hardware = update->hardware_address.data + 1;
        client.hardware_length = (uint8_t)(update->hardware_address.length - 1);
    }
    if (update->present & FO_HAS(FO_OPT_CLIENT_IDENTIFIER)) {
        client.identifier = update->client_identifier.data;
        client.identifier_length = (uint8_t)update->client_identifier.length;
    }
    return client;
}

uint32_t fo_transaction_time(struct fo_relationship *relationship,
                                 const struct fo_update *update)
{
    if (!(update->present & FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)))
        return 0;
    return fo_session_forbids(&relationship->endpoint.session, update->client_last_transaction);
}

bool fo_partner_unaware(const struct fo_pool *pool, uint32_t bit)
{
    return fo_bitmap_test(&pool->unacked, bit) || fo_bitmap_test(&pool->rejected, bit);
}

/* time(1) of 7.1.3 asks for the later transaction. But the times are whole seconds of two clocks that
   are not quite equal, and the end of a lease counts up to two more than its own (fo_transaction_now
   in grants.c). Where one server heard a client end its lease, the other gave it one, and neither knew
   of the other's: so near each other neither is later, and the lease that runs wins on both servers,
   for somebody may hold it. Where the partner did know of ours when it ended the lease, its word is the
   later one, though ours, there and back by two clocks, may seem to be so, or of the same second. */
static void settle_near_transactions(struct fo_judgement *judgement, bool crossing, bool runs)
{
    const uint32_t near = FO_TRANSACTION_GUARD;
    if (judgement->own_transaction <= near || (crossing && FO_FAULTY(NEAR_LATER)))
        return;
    if (!crossing) {
        if (judgement->own_status == FO_ACTIVE && judgement->received_status == FO_RELEASED &&
            judgement->same_client)
            judgement->own_transaction -= near + 1;
        return;
    }
    if (judgement->own_status == FO_ACTIVE && judgement->received_status == FO_RELEASED)
        judgement->own_transaction += near;
    else if ((judgement->own_status == FO_RELEASED || judgement->own_status == FO_EXPIRED) &&
             judgement->received_status == FO_ACTIVE && runs)
        judgement->own_transaction -= near + 1;
}

/* 7.1.3 lets the primary's client have the address where both gave it to different ones. But what one
   server gave while the other was down, after all the waits of 9.4.2, is no conflict: the other only
   holds the address because of what it may have forgotten. (Such doubts date from the second of the
   start; no client is served in it.) The partner's lease must have begun since: it may have doubts of
   its own, which date from its start, but of leases that are older. */
static bool given_while_we_were_down(const struct fo_relationship *relationship,
                                     const struct fo_judgement *j, const struct fo_binding *binding,
                                     const struct fo_update *update)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const uint32_t stop = endpoint->record.last_operational;
    return binding->cltt <= endpoint->started && stop != 0 && j->received_transaction > stop &&
           (!(update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE)) ||
            fo_session_permits(&endpoint->session, update->start_of_state) > stop);
}

/* A server that has lost its store has Kea's rows alone, until UPDDONE, and a power cut may have brought back one
   whose lease was over. Such a row is known by the time at which its lease began here, which doubts do not move. */
static bool knows_rows_alone(const struct fo_relationship *relationship)
{
    const struct fo_endpoint_record *record = &relationship->endpoint.record;
    return record->state == FO_STATE_RECOVER && record->need_all && !record->first_time;
}

/* What the partner gave since is no conflict with that; nor is the address leased, if its last lease ended since: the
   partner may give it in the next moment. Where the two clocks cannot tell, the row may be of what we gave since,
   and unheard. */
static bool began_since_our_row(const struct fo_relationship *relationship, const struct fo_binding *binding,
                                const struct fo_update *update)
{
    return knows_rows_alone(relationship) && (update->present & FO_HAS(FO_OPT_START_TIME_OF_STATE)) &&
           fo_session_permits(&relationship->endpoint.session, update->start_of_state) >
               binding->start_of_state + FO_TRANSACTION_GUARD;
}

/* Then both ran on their own, and one of them should not have been declared down: two clients may hold
   one address. What either gave alone is worth no more than the other's, and note 5 of the figure decides:
   the primary's client stays, on both servers. (The secondary speaks first, 9.10.3, so what of the
   primary's gives way has done so before the secondary hears of it.) */
static bool in_conflict(const struct fo_relationship *relationship)
{
    return relationship->endpoint.record.state == FO_STATE_POTENTIAL_CONFLICT;
}

/* Where 7.1.3 compares times to the second, which two clocks cannot, or knows nothing of ours. */
static enum fo_reject_reason judge_further(struct fo_relationship *relationship,
                                           struct fo_pool *pool,
                                           const struct fo_judgement *j,
                                           const struct fo_binding *binding,
                                           const struct fo_update *update, bool runs,
                                           enum fo_reject_reason by_table)
{
    const struct fo_service *service = relationship->service;
    const uint32_t bit = bit_in(pool, update->address);
    const bool own_free = j->own_status == FO_FREE || j->own_status == FO_BACKUP;
    const bool ended = update->status != FO_ACTIVE && update->status != FO_ABANDONED;
    const bool other = j->own_has_client && !j->same_client &&
                       (update->present & (FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) |
                                           FO_HAS(FO_OPT_CLIENT_IDENTIFIER)));
    /* What we only hold because of what was forgotten is another client's, if the partner says so. */
    if (j->own_status == FO_ACTIVE && update->status == FO_ACTIVE &&
        (binding->flags & FO_FLAG_DOUBTFUL))
        return FO_REJECT_NONE;
    if (j->own_status == FO_ACTIVE && update->status == FO_ACTIVE && other) {
        if ((binding->flags & FO_FLAG_ALONE) && !in_conflict(relationship))
            return FO_REJECT_OUTDATED;
        if (given_while_we_were_down(relationship, j, binding, update) ||
            began_since_our_row(relationship, binding, update))
            return FO_REJECT_NONE;
    }
    if (j->own_status == FO_ACTIVE && by_table == FO_REJECT_OUTDATED &&
        (update->status == FO_FREE || update->status == FO_BACKUP) &&
        began_since_our_row(relationship, binding, update))
        return FO_REJECT_NONE;
    /* The end of one client's lease is none of another's. */
    if (j->own_status == FO_ACTIVE && other &&
        (update->status == FO_EXPIRED || update->status == FO_RELEASED))
        return FO_REJECT_OUTDATED;
    /* What the primary said before it answered us makes no address free, even where our lease is over
       by now: it may accept the lease and renew it (5.2.2). */
    if (j->we_are_secondary && !own_free && fo_bitmap_test(&pool->in_flight, bit) &&
        (update->status == FO_FREE || update->status == FO_BACKUP))
        return FO_REJECT_OUTDATED;
    /* Nor is the end of a decline that of a lease given by us meanwhile. */
    if (j->own_status == FO_ACTIVE && update->status == FO_RESET &&
        !fo_is_over(j->own_lease_expiration, j->now) && fo_partner_unaware(pool, bit))
        return FO_REJECT_OUTDATED;
    /* And a lease given meanwhile runs on over a decline whose end the partner does not know. */
    if (by_table == FO_REJECT_OUTDATED && update->status == FO_ACTIVE &&
        j->own_status == FO_RESET && fo_partner_unaware(pool, bit) && runs)
        return FO_REJECT_NONE;
    /* Another client's lease over an ended one is the later of the two. And where the same client's runs
       at the partner, ours expired only because we did not know how long it is. */
    if (by_table == FO_REJECT_OUTDATED && update->status == FO_ACTIVE &&
        ((other && (j->own_status == FO_EXPIRED || j->own_status == FO_RELEASED)) ||
         (j->own_status == FO_EXPIRED && runs && j->received_transaction != 0)))
        return FO_REJECT_NONE;
    /* Rule of safety 7: what may have been leased in our forgotten past is not yielded. (What the
       secondary says to be BACKUP was handed over; it cannot be leased by the primary.) */
    if (own_free && ended && update->status != FO_BACKUP &&
        fo_bitmap_test(&pool->quarantined, bit) && fo_bitmap_test(&pool->backup, bit))
        return FO_REJECT_OUTDATED;
    /* Nor is one of ours for a lease of the partner's: what it could give, it had from us, which is not
       forgotten; so it only holds what it may have forgotten itself. (Of what it gave alone we hear in
       RECOVER.) */
    if (own_free && update->status == FO_ACTIVE && fo_bitmap_test(&pool->quarantined, bit) &&
        fo_bitmap_test(&pool->backup, bit) == !pool->primary &&
        !fo_bitmap_test(&pool->returning, bit) && !j->own_reserved &&
        relationship->endpoint.record.state == FO_STATE_NORMAL)
        return FO_REJECT_OUTDATED;
    /* It was leased by one server while the other's client had declined it: it stays abandoned until
       that lease is over by any clock, too. */
    if (j->own_status == FO_ABANDONED && update->status == FO_RESET &&
        !fo_is_over(binding->times.lease_expiration, j->now) &&
        binding->times.lease_expiration >
            binding->start_of_state + service->decline_probation)
        return FO_REJECT_OUTDATED;
    if (FO_FAULTY(FREE_OVER_ACTIVE) && (update->status == FO_FREE || update->status == FO_BACKUP))
        return FO_REJECT_NONE;
    return by_table;
}

bool fo_conflicts(const struct fo_relationship *relationship, const struct fo_binding *binding,
                  const struct fo_update *update, enum fo_reject_reason reject,
                  const struct fo_now *now)
{
    struct fo_client client = fo_update_client(update);
    if (binding == NULL || binding->status != FO_ACTIVE || update->status != FO_ACTIVE ||
        fo_table_same_client(binding, &client))
        return false;
    return reject == FO_REJECT_IN_USE ||
           (reject == FO_REJECT_NONE && in_conflict(relationship) && !relationship->config.primary &&
            !(binding->flags & FO_FLAG_DOUBTFUL) && binding->times.lease_expiration > now->seconds);
}

enum fo_reject_reason fo_judge_update(struct fo_relationship *relationship, struct fo_pool *pool,
                                   const struct fo_binding *binding,
                                   const struct fo_update *update, bool crossing,
                                   const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    struct fo_client client = fo_update_client(update);
    const bool runs = fo_session_forbids(&relationship->endpoint.session,
                                         update->lease_expiration) > now->seconds;
    struct fo_judgement judgement = {
        .own_status = fo_table_status(&service->table, pool, update->address),
        .received_status = (enum fo_binding_status)update->status,
        .we_are_secondary = !relationship->config.primary,
        .now = now->seconds,
        .received_has_transaction =
            (update->present & FO_HAS(FO_OPT_CLIENT_LAST_TRANSACTION_TIME)) != 0,
        .received_transaction = fo_transaction_time(relationship, update),
        .received_reserved = (update->ip_flags & FO_IP_FLAG_RESERVED) != 0,
        .own_reserved = fo_bitmap_test(&pool->reserved, bit_in(pool, update->address)),
    };
    if (fo_binding_missing(update) != NULL)
        return FO_REJECT_MISSING_INFORMATION;
    if (binding != NULL) {
        judgement.own_lease_expiration = binding->times.lease_expiration;
        judgement.own_transaction = binding->cltt;
        judgement.own_start_of_state = binding->start_of_state;
        judgement.own_has_client = fo_table_has_client(binding);
        judgement.same_client = fo_table_same_client(binding, &client);
        settle_near_transactions(&judgement, crossing, runs);
    }
    return judge_further(relationship, pool, &judgement, binding, update, runs,
                         fo_binding_judge(&judgement));
}
