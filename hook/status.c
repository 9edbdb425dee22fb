/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What an operator may ask: each relationship's states, connection, waits and queues, and the
 * addresses of its pools. Answers come from memory alone.
 */
#include <stdio.h>
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/hash_bucket.h"
#include "protocol/state.h"

size_t fo_relationship_count(struct fo_service *service)
{
    return service->relationship_count;
}

static const char *connection_words(const struct fo_relationship *relationship)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    if (endpoint->communicating)
        return "established";
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        return "handshake";
    if (endpoint->attempting)
        return "connecting";
    return endpoint->settings.session.primary ? "waiting to try again" : "waiting for the primary";
}

/* When the present state ends by itself (in COMMUNICATIONS-INTERRUPTED by auto-partner-down), or, in PARTNER-DOWN,
   the partner's free addresses may be given; 0: never. */
static uint32_t deadline_of(const struct fo_relationship *relationship, const struct fo_now *now)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    if (endpoint->starting)
        return now->seconds + (uint32_t)((endpoint->startup_deadline - now->ms + 999) / 1000);
    if (endpoint->record.state == FO_STATE_RECOVER_WAIT ||
        (endpoint->record.state == FO_STATE_PARTNER_DOWN &&
         endpoint->record.wait_until > now->seconds))
        return endpoint->record.wait_until;
    if (relationship->interrupted_at != 0 && relationship->config.auto_partner_down != 0 && !relationship->alone) {
        const int64_t left = relationship->interrupted_at +
                             (int64_t)relationship->config.auto_partner_down * 1000 - now->ms;
        return now->seconds + (uint32_t)(left > 0 ? (left + 999) / 1000 : 0);
    }
    return 0;
}

static uint32_t wall_or_never(const struct fo_service *service, uint32_t seconds)
{
    return seconds ? fo_to_wall(service, seconds) : 0;
}

static void count_updates(struct fo_relationship *relationship,
                          struct fo_relationship_status *status)
{
    struct fo_table *table = &relationship->service->table;
    for (size_t i = 0; i < table->pool_count; i++) {
        const struct fo_pool *pool = &table->pools[i];
        if (pool->relationship != relationship->index)
            continue;
        status->quarantined += pool->quarantined.count;
        status->unacknowledged += pool->in_flight.count;
        status->pending += pool->unacked.count;
        if (!pool->retired) /* the partner may have it no more, either: nothing to mend */
            status->rejected += pool->rejected.count;
        status->unstored += pool->dirty.count + pool->saving.count;
    }
    status->pending -= status->pending > status->unacknowledged ? status->unacknowledged
                                                                : status->pending;
}

/* The last one, or, where that is settled, the first that is left. */
static void show_rejected(struct fo_relationship *relationship,
                          struct fo_relationship_status *status)
{
    struct fo_table *table = &relationship->service->table;
    struct fo_rejected *example = &status->rejected_example;
    struct fo_pool *pool = fo_table_pool(table, relationship->last_rejected.address);
    if (status->rejected == 0)
        return;
    if (pool != NULL && pool->relationship == relationship->index && !pool->retired &&
        fo_bitmap_test(&pool->rejected, bit_in(pool, relationship->last_rejected.address))) {
        *example = relationship->last_rejected;
        example->time = fo_to_wall(relationship->service, example->time);
    }
    for (size_t i = 0; i < table->pool_count && example->address == 0; i++) {
        pool = &table->pools[i];
        if (pool->relationship == relationship->index && pool->rejected.count > 0 && !pool->retired)
            example->address = pool->range.first + fo_bitmap_next(&pool->rejected, 0);
    }
    status->rejected_status =
        fo_status_name((uint8_t)fo_table_status(table, pool, example->address));
    status->rejected_reason = fo_reject_name(example->reason);
}

/* What the draft's state means where one server stands by: by the division in force. */
static const char *meaning_of(const struct fo_relationship *relationship, uint32_t own_buckets)
{
    enum fo_state state = fo_serving_state(relationship);
    if (relationship->alone && fo_state_free_from(state) != FO_FREE_FROM_NONE)
        return fo_alone_meaning(relationship);
    if (!relationship->config.hot_standby)
        return fo_state_meaning(state);
    if (state == FO_STATE_NORMAL && own_buckets == 256)
        return "both servers work: this one is active and serves the clients";
    if (state == FO_STATE_NORMAL && own_buckets == 0)
        return "both servers work: this one stands by, the active one serves the clients";
    if (state == FO_STATE_COMMUNICATIONS_INTERRUPTED)
        return "no connection to the partner, which may well be alive (not partner-down): every "
               "client is served, active or not, new ones from this server's own addresses";
    return fo_state_meaning(state);
}

static void fill_status(struct fo_relationship *relationship,
                        struct fo_relationship_status *status)
{
    struct fo_service *service = relationship->service;
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const struct fo_endpoint_record *record = &endpoint->record;
    struct fo_now now = fo_service_now(service);
    unsigned secondarys = fo_hash_buckets_count(record->secondary_buckets);

    status->name = relationship->config.name;
    status->self_name = relationship->config.self.name;
    status->partner_name = relationship->config.partner.name;
    status->partner_url = relationship->config.partner.url;
    status->parameters = &relationship->config;
    status->state_file = service->config.state_file;
    if (service->store_failing) {
        snprintf(status->state_file_error, sizeof status->state_file_error, "%s",
                 service->store_error);
        status->state_file_error_since = wall_or_never(service, service->failing_since);
    }
    status->primary = relationship->config.primary;
    status->connected = endpoint->communicating;
    status->connection = connection_words(relationship);
    snprintf(status->last_error, sizeof status->last_error, "%s", endpoint->last_end.text);
    status->last_error_time = wall_or_never(service, endpoint->last_end_at);
    fo_listen_error(service, relationship, status->listen_error, sizeof status->listen_error);
    status->state_code = (uint8_t)fo_serving_state(relationship);
    status->partner_state_code = record->partner_state;
    status->state = fo_state_name(status->state_code);
    status->partner_state = fo_state_name(record->partner_state);
    status->buckets = relationship->config.primary ? 256 - secondarys : secondarys;
    status->meaning = meaning_of(relationship, status->buckets);
    status->refusing = fo_refusing(relationship, &status->way_out);
    status->state_since = wall_or_never(
        service, endpoint->starting ? endpoint->started : record->state_since);
    status->partner_state_since = wall_or_never(service, record->partner_state_since);
    status->last_contact =
        wall_or_never(service, endpoint->communicating ? endpoint->session.heard
                                                       : record->last_contact);
    status->deadline = wall_or_never(service, deadline_of(relationship, &now));
    status->mclt = record->mclt;
    status->clock_difference = -endpoint->session.delta_least;
    status->partner_mode = fo_mode_name(endpoint->session.partner.serving.mode);
    status->partner_hash_input = fo_hash_input_name(endpoint->session.partner.serving.hash_input);
    fo_list_differences(relationship, status->differences);
    status->updates_sent = endpoint->updates_sent;
    status->updates_received = endpoint->updates_received;
    status->updates_rejected = endpoint->updates_rejected;
    status->updates_refused = relationship->updates_refused;
    status->ack_ms = endpoint->ack_ms;
    status->ack_longest_ms = endpoint->ack_longest_ms;
    status->queries_dropped = relationship->queries_dropped;
    status->clients_refused = relationship->clients_refused;
    count_updates(relationship, status);
    if (status->quarantined > 0)
        status->quarantined_until = wall_or_never(service, fo_quarantine_ends(service));
    show_rejected(relationship, status);
}

bool fo_relationship_status(struct fo_service *service, size_t index,
                            struct fo_relationship_status *status)
{
    memset(status, 0, sizeof *status);
    service->env->lock(service->env->context);
    bool found = index < service->relationship_count;
    if (found)
        fill_status(service->relationships[index], status);
    service->env->unlock(service->env->context);
    return found;
}

static void add_pool(const struct fo_pool *pool, struct fo_pool_status *status)
{
    uint64_t own = pool->primary ? pool->free_count : pool->backup_count;
    uint64_t idle = (uint64_t)pool->available.count + pool->closed.count +
                    pool->quarantined.count + pool->returning.count;
    status->total += pool->size;
    status->free += pool->free_count;
    status->backup += pool->backup_count;
    status->active += pool->status_count[FO_ACTIVE];
    status->expired += pool->status_count[FO_EXPIRED];
    status->released += pool->status_count[FO_RELEASED];
    status->abandoned += pool->status_count[FO_ABANDONED];
    status->reset += pool->status_count[FO_RESET];
    status->reserved += pool->reserved.count;
    status->available += pool->available.count;
    status->offered += own > idle ? own - idle : 0; /* held for a client: offered or claimed */
}

bool fo_pool_status(struct fo_service *service, size_t relationship, size_t index,
                    struct fo_pool_status *status)
{
    bool found = false;
    memset(status, 0, sizeof *status);
    service->env->lock(service->env->context);
    for (size_t i = 0; i < service->subnet_count && !found; i++) {
        if (service->subnets[i].relationship != (int)relationship || index-- != 0)
            continue;
        found = true;
        status->subnet_id = service->subnets[i].id;
        for (size_t k = 0; k < service->table.pool_count; k++)
            if (service->table.pools[k].range.subnet_id == status->subnet_id &&
                !service->table.pools[k].retired)
                add_pool(&service->table.pools[k], status);
    }
    service->env->unlock(service->env->context);
    return found;
}
