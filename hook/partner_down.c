/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * PARTNER-DOWN (draft 9.4): what a server may do that is known to be the only one, and when.
 *
 *   own free addresses                            at once
 *   the partner's free addresses                  MCLT after the partner went down (9.4.2); with
 *                                                 interrupted-use-partner-addresses also in
 *                                                 COMMUNICATIONS-INTERRUPTED, after as long, of pools in
 *                                                 which this server's own were not enough
 *   an ended lease's address, to another client   MCLT after the latest of its times, and of the
 *                                                 partner's end (7.1.5, 9.4.2); then it is FREE (5.11)
 *   full lease times                              what is durable here counts as if the partner had
 *                                                 acknowledged it (bound_of in grants.c): a first lease
 *                                                 is MCLT long, and survives a power cut
 *
 * The partner's addresses and full lease times end with the next connection (rule of safety 13): what
 * was given until then is among the updates for which the partner asks before it serves clients.
 */
#include <stdio.h>
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/binding.h"
#include "protocol/state.h"

static bool is_down(const struct fo_relationship *relationship)
{
    return fo_serving_state(relationship) == FO_STATE_PARTNER_DOWN;
}

bool fo_alone_in_partner_down(const struct fo_relationship *relationship)
{
    return is_down(relationship) && !relationship->alone &&
           (relationship->endpoint.session.phase != FO_SESSION_ESTABLISHED || FO_FAULTY(CONNECTED_ALONE));
}

/* ------------------------------------------------------------------ free addresses */

static bool takes_all(const struct fo_relationship *relationship, const struct fo_now *now)
{
    return fo_alone_in_partner_down(relationship) &&
           (now->seconds >= relationship->endpoint.record.wait_until + FO_EXPIRY_GUARD ||
            FO_FAULTY(TAKES_AT_ONCE));
}

/* Milliseconds. */
static int64_t interrupted_wait(const struct fo_relationship *relationship)
{
    return ((int64_t)fo_endpoint_lead_time(&relationship->endpoint) + FO_EXPIRY_GUARD) * 1000;
}

/* Not the draft's (9.9.2 forbids it), but what an operator may prefer to refusing clients. */
static bool helps_itself(const struct fo_relationship *relationship, const struct fo_pool *pool,
                         const struct fo_now *now)
{
    const int64_t since = relationship->interrupted_at;
    return relationship->config.interrupted_takes_all && since != 0 && !relationship->alone &&
           fo_serving_state(relationship) == FO_STATE_COMMUNICATIONS_INTERRUPTED &&
           relationship->endpoint.session.phase != FO_SESSION_ESTABLISHED &&
           now->ms >= since + interrupted_wait(relationship) && pool->refused_at >= since;
}

void fo_partner_down_follow(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    struct fo_now now = fo_service_now(service);
    const bool down = takes_all(relationship, &now);
    char subnet[16];
    bool told = false;
    for (size_t i = 0; i < service->table.pool_count; i++) {
        struct fo_pool *pool = &service->table.pools[i];
        const bool all = down || helps_itself(relationship, pool, &now);
        if (pool->relationship != relationship->index || pool->all_ours == all)
            continue;
        fo_table_set_all_ours(&service->table, pool, all);
        if (all && !down)
            fo_say(service, FAILOVER_TAKES_PARTNERS, relationship->config.name,
                   fo_print(subnet, sizeof subnet, "%u", pool->range.subnet_id),
                   relationship->config.partner.name, NULL);
        if (all && down && !told)
            fo_say(service, FAILOVER_TAKES_ALL, relationship->config.name,
                   relationship->config.partner.name, NULL);
        told = told || down;
    }
}

/* ------------------------------------------------------------------ ended leases */

static uint32_t latest(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* When the address of an ended lease may go to another client: the MCLT is that of the partner's end,
   were it lowered since (rule of safety 12). */
static uint32_t lapses_at(const struct fo_relationship *relationship,
                          const struct fo_binding *binding)
{
    const struct fo_endpoint_record *record = &relationship->endpoint.record;
    const struct fo_times *times = &binding->times;
    uint32_t mclt = latest(fo_endpoint_lead_time(&relationship->endpoint),
                           record->wait_until - record->state_since);
    uint32_t end = latest(latest(times->lease_expiration, times->sent_potential),
                          latest(times->acked_potential, times->received_potential));
    end = end > UINT32_MAX - mclt ? UINT32_MAX : end + mclt;
    return FO_FAULTY(LAPSES_AT_ONCE) ? 0 : latest(end, record->wait_until);
}

void fo_watch_lapse(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding)
{
    struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (relationship != NULL && is_down(relationship) &&
        fo_status_becomes_free((enum fo_binding_status)binding->status) &&
        !fo_table_watch(&service->table, binding, lapses_at(relationship, binding)))
        relationship->lapses_from = 0; /* no memory: looked for again */
}

void fo_lapse(struct fo_service *service, struct fo_pool *pool, struct fo_binding *binding,
              const struct fo_now *now)
{
    struct fo_relationship *relationship = fo_relationship_of_pool(service, pool);
    if (relationship == NULL || !is_down(relationship) || relationship->alone)
        return;
    uint32_t when = lapses_at(relationship, binding);
    bool held = fo_table_claimed(&service->table, binding->address) || fo_ends_wait(relationship) ||
                fo_bitmap_test(&pool->rows, bit_in(pool, binding->address));
    if (when > UINT32_MAX - FO_EXPIRY_GUARD)
        return;
    if (when + FO_EXPIRY_GUARD > now->seconds || held) {
        fo_table_watch(&service->table, binding, latest(when, now->seconds + 1));
        return;
    }
    fo_free_lease(service, pool, binding);
    fo_touch(service, pool, binding->address);
}

void fo_partner_down_look(struct fo_relationship *relationship)
{
    relationship->lapses_from = is_down(relationship) ? 0 : UINT32_MAX;
    fo_partner_down_follow(relationship);
}

/* The walk over the leases that had ended before the state was entered, or whose pool was away. */
static bool watch_lapses(struct fo_relationship *relationship)
{
    struct fo_service *service = relationship->service;
    if (!is_down(relationship) || relationship->lapses_from == UINT32_MAX)
        return false;
    for (int n = 0; n < FO_STEP_MAX; n++) {
        struct fo_binding *binding =
            fo_table_record(&service->table, relationship->lapses_from++);
        if (binding == NULL) {
            relationship->lapses_from = UINT32_MAX;
            return false;
        }
        struct fo_pool *pool = fo_table_pool(&service->table, binding->address);
        if (pool != NULL && pool->relationship == relationship->index)
            fo_watch_lapse(service, pool, binding);
    }
    return true;
}

/* ------------------------------------------------------------------ by itself */

/* `auto-partner-down`: counted while this server runs, for it may have been the one that was away. */
static void declare_by_itself(struct fo_relationship *relationship, const struct fo_now *now)
{
    const uint32_t after = relationship->config.auto_partner_down;
    struct fo_endpoint *endpoint = &relationship->endpoint;
    if (fo_serving_state(relationship) != FO_STATE_COMMUNICATIONS_INTERRUPTED ||
        endpoint->communicating) {
        relationship->interrupted_at = 0;
        return;
    }
    if (relationship->interrupted_at == 0)
        relationship->interrupted_at = now->ms;
    if (after == 0 || relationship->alone ||
        now->ms - relationship->interrupted_at < (int64_t)after * 1000)
        return;
    if (!fo_endpoint_partner_lives(endpoint, now)) {
        fo_endpoint_partner_down(endpoint, now->seconds, "auto-partner-down", now);
    } else if (relationship->auto_refused_logged == 0 ||
               now->ms - relationship->auto_refused_logged >= FO_LOG_LIMIT_MS) {
        relationship->auto_refused_logged = now->ms;
        fo_say(relationship->service, FAILOVER_AUTO_PARTNER_DOWN_REFUSED,
               relationship->config.name, relationship->config.partner.name,
               endpoint->last_end.text, NULL);
    }
}

bool fo_partner_down_step(struct fo_relationship *relationship, const struct fo_now *now)
{
    declare_by_itself(relationship, now);
    fo_partner_down_follow(relationship);
    return watch_lapses(relationship);
}

int64_t fo_partner_down_deadline(const struct fo_relationship *relationship,
                                 const struct fo_now *now)
{
    const struct fo_endpoint_record *record = &relationship->endpoint.record;
    const int64_t since = relationship->interrupted_at;
    int64_t taking = INT64_MAX, declared = INT64_MAX;
    if (fo_alone_in_partner_down(relationship) &&
        now->seconds < record->wait_until + FO_EXPIRY_GUARD)
        taking = now->ms + ((int64_t)record->wait_until + FO_EXPIRY_GUARD - now->seconds) * 1000;
    else if (since != 0 && relationship->config.interrupted_takes_all &&
             since + interrupted_wait(relationship) > now->ms)
        taking = since + interrupted_wait(relationship);
    if (since != 0 && relationship->config.auto_partner_down != 0 && !relationship->alone) {
        declared = since + (int64_t)relationship->config.auto_partner_down * 1000;
        if (declared <= now->ms)
            declared = now->ms + 1000; /* refused: looked at again */
    }
    return taking < declared ? taking : declared;
}

/* ------------------------------------------------------------------ by an operator */

/* Why it cannot be so, or false. */
static bool contradicted(struct fo_relationship *relationship,
                         const struct fo_partner_down_order *order, uint32_t since,
                         const struct fo_now *now, char *text, size_t size)
{
    struct fo_service *service = relationship->service;
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const char *partner = relationship->config.partner.name;
    char heard[32];
    if (service->stopping || service->suspended)
        snprintf(text, size, "this server stops, or loads its configuration anew");
    else if (endpoint->shut || relationship->leaving)
        snprintf(text, size, "this server is shut down, and %s was told to serve all clients", partner);
    else if (since > now->seconds)
        snprintf(text, size, "down-since lies in the future");
    else if (order->has_since && since < endpoint->record.last_contact)
        snprintf(text, size, "down-since is earlier than the last message of %s, which came at %s",
                 partner, fo_time_text(fo_to_wall(service, endpoint->record.last_contact), heard));
    else if (!order->force && fo_endpoint_partner_lives(endpoint, now))
        snprintf(text, size,
                 "%s lives: %s. If it is shut off from clients for certain, say \"force\": true; "
                 "otherwise both servers will lease the same addresses",
                 partner,
                 endpoint->communicating ? "it is in contact with this server"
                                         : endpoint->last_end.text);
    else
        return false;
    return true;
}

bool fo_partner_down(struct fo_service *service, const struct fo_partner_down_order *order,
                     char *text, size_t size)
{
    service->env->lock(service->env->context);
    struct fo_now now = fo_service_now(service);
    struct fo_relationship *relationship = fo_relationship_named(service, order->relationship, text, size);
    uint32_t since = order->has_since ? fo_from_wall(service, order->since) : now.seconds;
    bool done = relationship != NULL &&
                !contradicted(relationship, order, since, &now, text, size);
    char when[32], all[32];
    /* After a long stop (rule of safety 9) the order is news even in this state. */
    if (done && (!is_down(relationship) || relationship->alone)) {
        uint32_t wait_until = fo_endpoint_all_ours_at(&relationship->endpoint, since);
        if (!order->dry_run) {
            fo_alone_end(relationship);
            fo_endpoint_partner_down(&relationship->endpoint, since, "an operator's command", &now);
            fo_partner_down_look(relationship);
            service->env->wake(service->env->context);
        }
        snprintf(text, size, "%s: %s PARTNER-DOWN, %s down since %s; its free addresses are this "
                             "server's from %s on",
                 relationship->config.name, order->dry_run ? "would be" : "is",
                 relationship->config.partner.name, fo_time_text(fo_to_wall(service, since), when),
                 fo_time_text(fo_to_wall(service, wait_until), all));
    } else if (done) {
        snprintf(text, size, "%s: is PARTNER-DOWN already, since %s", relationship->config.name,
                 fo_time_text(fo_to_wall(service, relationship->endpoint.record.state_since), when));
    }
    service->env->unlock(service->env->context);
    return done;
}
