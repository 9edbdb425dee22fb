/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Which address a client gets (draft 5.2.2): what the table lets it have; its own before its wish, and
 * that before the next free one of ours.
 */
#include "hook/service_internal.h"

/* No address left: told once a minute, and the partner's free ones are asked for (5.4). */
static void short_of_addresses(struct fo_relationship *relationship, struct fo_pool *pool,
                               const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    char subnet[16], others[16];
    relationship->clients_refused++;
    pool->refused_at = now->ms;
    if (relationship->config.primary)
        pool->balanced_free = UINT32_MAX; /* looked at again */
    else
        fo_endpoint_request_pool(&relationship->endpoint, now);
    service->env->wake(service->env->context);
    if (relationship->no_address_logged != 0 &&
        now->ms - relationship->no_address_logged < FO_LOG_LIMIT_MS)
        return;
    relationship->no_address_logged = now->ms;
    fo_say(service, FAILOVER_NO_ADDRESS, relationship->config.name,
           fo_print(subnet, sizeof subnet, "%u", pool->range.subnet_id),
           fo_print(others, sizeof others, "%u",
                    relationship->config.primary ? pool->backup_count : pool->free_count),
           NULL);
}

/* ------------------------------------------------------------------ which bindings */

/* In service with bindings that are lost, in PARTNER-DOWN by command or where POTENTIAL-CONFLICT was interrupted:
   which free addresses are ours is lost, too. */
bool fo_knows_own_addresses(const struct fo_relationship *relationship, const struct fo_now *now)
{
    const struct fo_endpoint_record *record = &relationship->endpoint.record;
    switch (record->state) {
    case FO_STATE_PARTNER_DOWN:
        return !record->need_all || now->seconds >= record->wait_until + FO_EXPIRY_GUARD;
    case FO_STATE_RESOLUTION_INTERRUPTED:
        return !record->need_all;
    default:
        return true;
    }
}

static bool may_give_free(const struct fo_relationship *relationship, const struct fo_now *now)
{
    return (!relationship->alone || fo_alone_rule(relationship) == FO_WITHOUT_ALL) &&
           relationship->service->compared_durable &&
           !fo_store_stalls(relationship, now) && fo_knows_own_addresses(relationship, now) &&
           fo_state_free_from(fo_serving_state(relationship)) != FO_FREE_FROM_NONE;
}

const char fo_not_stored[] = "the partner's lease is not in this server's state file yet";

bool fo_unstored(const struct fo_pool *pool, uint32_t address)
{
    return fo_bitmap_test(&pool->learned, bit_in(pool, address));
}

bool fo_claimable(struct fo_service *service, struct fo_relationship *relationship,
                  struct fo_pool *pool, uint32_t address, const struct fo_query *query,
                  const struct fo_now *now)
{
    const struct fo_binding *binding = fo_table_find(&service->table, address);
    enum fo_binding_status status = fo_table_status(&service->table, pool, address);
    if (fo_table_claimed(&service->table, address) || fo_unstored(pool, address))
        return false;
    switch (status) {
    case FO_ACTIVE:
        return fo_table_same_client(binding, &query->client) &&
               !(binding->flags & FO_FLAG_DOUBTFUL);
    case FO_EXPIRED:
    case FO_RELEASED: /* "provided it has not sent a BNDUPD message to its partner" */
        return fo_table_same_client(binding, &query->client) &&
               !(binding->flags & FO_FLAG_DOUBTFUL) && /* it was sent, before the power cut */
               (!(binding->flags & (FO_FLAG_SENT | FO_FLAG_FREEING)) || FO_FAULTY(SENT_RENEWED)) &&
               may_give_free(relationship, now);
    case FO_FREE:
    case FO_BACKUP:
        break;
    default:
        return false;
    }
    /* What is not stored could be forgotten: the client before would have the address again (7). */
    if (!may_give_free(relationship, now) ||
        (!fo_table_stored(pool, address) && !FO_FAULTY(FREE_UNSTORED)))
        return false;
    if (fo_bitmap_test(&pool->reserved, bit_in(pool, address)))
        return query->reserved_address == address &&
               fo_reserved_is_ours(pool, address, binding);
    if (!fo_table_ours(&service->table, pool, address))
        return false;
    const struct fo_hold *hold = fo_table_hold(&service->table, address);
    if (hold != NULL)
        return hold->serial == 0 &&
               hold->client == fo_table_client_hash(&service->table, &query->client);
    return fo_bitmap_test(&pool->open, fo_pool_group(pool, bit_in(pool, address)));
}

/* ------------------------------------------------------------------ DISCOVER */

static bool allowed(const struct fo_choice *choice, const struct fo_pool *pool)
{
    return choice->allowed == NULL ||
           choice->allowed(choice->argument, pool->range.subnet_id, pool->range.first);
}

/* The client's own binding in this network that it may have again. `unstored`: it has one, but not yet. */
static struct fo_binding *own_binding(const struct fo_choice *choice, bool *unstored)
{
    struct fo_table *table = &choice->relationship->service->table;
    struct fo_binding *binding = NULL, *best = NULL;
    while ((binding = fo_table_next_of_client(table, &choice->query->client, binding)) != NULL) {
        struct fo_pool *pool = fo_table_served(table, binding->address);
        if (pool == NULL || pool->range.network != choice->network)
            continue;
        *unstored = *unstored || (binding->status == FO_ACTIVE && fo_unstored(pool, binding->address));
        if (!fo_claimable(choice->relationship->service, choice->relationship, pool, binding->address,
                          choice->query, choice->now) ||
            !allowed(choice, pool))
            continue;
        if (best == NULL || (binding->status == FO_ACTIVE && best->status != FO_ACTIVE) ||
            (binding->status == best->status && binding->cltt > best->cltt))
            best = binding;
    }
    return best;
}

/* Its present hold, or its wish. */
static uint32_t wished(const struct fo_choice *choice)
{
    struct fo_service *service = choice->relationship->service;
    uint64_t client = fo_table_client_hash(&service->table, &choice->query->client);
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        if (pool->retired || pool->range.network != choice->network)
            continue;
        uint32_t held =
            fo_table_offered_to(&service->table, client, pool->range.first, pool->range.last);
        if (held != 0 && allowed(choice, pool) &&
            fo_claimable(service, choice->relationship, pool, held, choice->query, choice->now))
            return held;
    }
    uint32_t wish = choice->query->asks_address ? choice->query->asked_address : 0;
    struct fo_pool *pool = wish ? fo_table_served(&service->table, wish) : NULL;
    if (pool != NULL && pool->range.network == choice->network && allowed(choice, pool) &&
        fo_claimable(service, choice->relationship, pool, wish, choice->query, choice->now))
        return wish;
    return 0;
}

/* The next free one of ours. `lacking`: a pool that had none. One whose addresses wait for the store
   (rule of safety 7) lacks none: the client's next attempt finds them open. */
static uint32_t next_free(const struct fo_choice *choice, struct fo_pool **lacking)
{
    struct fo_service *service = choice->relationship->service;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        if (pool->retired || pool->range.network != choice->network || !allowed(choice, pool))
            continue;
        uint32_t bit = fo_bitmap_next_cyclic(&pool->available, pool->cursor);
        if (bit != FO_BITMAP_NONE) {
            pool->cursor = bit + 1;
            return pool->range.first + bit;
        }
        if (pool->closed.count == 0)
            *lacking = pool;
        else
            service->env->wake(service->env->context);
    }
    return 0;
}

static const char *none_left(const struct fo_pool *lacking)
{
    return lacking != NULL && lacking->quarantined.count > 0
               ? "no free address of this server's is left but those that may be leased, and forgotten: "
                 "they stay unused until quarantined-until"
               : "no free address of this server's is left";
}

void fo_choose_address(const struct fo_choice *choice, struct fo_decision *decision)
{
    struct fo_service *service = choice->relationship->service;
    struct fo_relationship *relationship = choice->relationship;
    struct fo_pool *lacking = NULL;
    if (choice->query->reserved_address != 0) {
        struct fo_pool *pool = fo_table_served(&service->table, choice->query->reserved_address);
        if (pool != NULL &&
            !fo_claimable(service, relationship, pool, choice->query->reserved_address,
                          choice->query, choice->now))
            fo_refuse(relationship, decision,
                      "its reserved address is not this server's to give now");
        return; /* the engine takes the reservation */
    }
    bool unstored = false;
    struct fo_binding *own = own_binding(choice, &unstored);
    if (own == NULL && unstored) {
        fo_refuse(relationship, decision, fo_not_stored);
        return;
    }
    uint32_t address = own != NULL ? own->address : wished(choice);
    if (address == 0 && may_give_free(relationship, choice->now))
        address = next_free(choice, &lacking);
    if (address == 0) {
        const char *way_out, *why = fo_refusing(relationship, &way_out);
        if (lacking != NULL && !fo_partner_answers(relationship, choice->query))
            short_of_addresses(relationship, lacking, choice->now);
        fo_refuse(relationship, decision, why ? why : none_left(lacking));
        return;
    }
    if (own == NULL || own->status != FO_ACTIVE) {
        uint64_t client = fo_table_client_hash(&service->table, &choice->query->client);
        int64_t until = choice->now->ms + (int64_t)relationship->config.offer_hold * 1000;
        if (!fo_table_offer(&service->table, address, client, until)) {
            fo_refuse(relationship, decision, "out of memory");
            return;
        }
    }
    decision->address = address;
    decision->steer = true;
}
