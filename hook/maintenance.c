/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * An operator takes this server out of service (draft 9.14): its partner is to serve all clients, and is
 * PARTNER-DOWN at once. Two commands, given to the server that goes: failover-shutdown, which a restart
 * ends, and failover-maintenance-start, which failover-maintenance-cancel ends, too.
 *
 * First no more clients are answered. When those whose packets were under way have been, and the partner
 * has acknowledged all their leases (or some seconds have passed), SHUTDOWN is said
 * (protocol/endpoint_shutdown.c). Whoever comes back does so through RECOVER.
 */
#include <stdio.h>
#include <string.h>

#include "hook/service_internal.h"

enum {
    FLUSH_MS = 5000, /* so long the partner has for what it does not know yet */
};

/* ------------------------------------------------------------------ going */

static uint64_t unknown_to_partner(const struct fo_relationship *relationship)
{
    const struct fo_table *table = &relationship->service->table;
    uint64_t count = 0;
    for (size_t i = 0; i < table->pool_count; i++)
        if (table->pools[i].relationship == relationship->index)
            count += table->pools[i].unacked.count;
    return count;
}

bool fo_is_at_work(const struct fo_relationship *relationship)
{
    struct fo_table *table = &relationship->service->table;
    for (uint32_t i = 0; i < table->hold_capacity; i++) {
        const struct fo_hold *hold = &table->holds[i];
        const struct fo_pool *pool =
            hold->address != 0 && hold->serial != 0 ? fo_table_pool(table, hold->address) : NULL;
        if (pool != NULL && pool->relationship == relationship->index)
            return true;
    }
    return false;
}

/* Only where the partner is there, knows all, and goes by what it is told. */
static bool can_be_left(const struct fo_relationship *relationship)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    return endpoint->communicating && endpoint->record.state == FO_STATE_NORMAL &&
           endpoint->record.partner_state == FO_STATE_NORMAL;
}

void fo_leaving_step(struct fo_relationship *relationship, const struct fo_now *now)
{
    struct fo_service *service = relationship->service;
    if (!relationship->leaving)
        return;
    if (!can_be_left(relationship) || service->stopping) {
        relationship->leaving = relationship->maintenance = false;
        fo_say(service, FAILOVER_SHUTDOWN_NOT, relationship->config.name,
               relationship->config.partner.name, NULL);
    } else if (!fo_is_at_work(relationship) &&
               (unknown_to_partner(relationship) == 0 || now->ms >= relationship->leave_until)) {
        relationship->leaving = false;
        fo_endpoint_shut_down(&relationship->endpoint, now);
    }
}

int64_t fo_leaving_deadline(const struct fo_relationship *relationship, const struct fo_now *now)
{
    return relationship->leaving ? now->ms + FO_LOOK_MS : INT64_MAX;
}

void fo_note_shutdown(struct fo_relationship *relationship, const char *why_not)
{
    const char *name = relationship->config.name, *partner = relationship->config.partner.name;
    if (!relationship->endpoint.shut) {
        relationship->maintenance = false;
        fo_say(relationship->service, FAILOVER_SHUTDOWN_NOT, name, partner, NULL);
    } else if (why_not[0] == '\0') {
        fo_say(relationship->service, FAILOVER_SHUTDOWN, name, partner, NULL);
    } else {
        fo_say(relationship->service, FAILOVER_SHUTDOWN_UNCONFIRMED, name, partner, why_not, NULL);
    }
}

/* Why it cannot be so, or false. */
static bool forbidden(const struct fo_relationship *relationship, char *text, size_t size)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const char *partner = relationship->config.partner.name;
    if (relationship->service->stopping || relationship->service->suspended)
        snprintf(text, size, "this server stops, or loads its configuration anew");
    else if (!endpoint->communicating)
        snprintf(text, size, "%s is not in contact, and so cannot be told to take over. To take this "
                             "server out of service, stop it, and give failover-partner-down to %s",
                 partner, partner);
    else if (!can_be_left(relationship))
        snprintf(text, size, "%s could not take over: this server is in state %s, %s in %s; both must "
                             "be in NORMAL",
                 partner, fo_state_name((uint8_t)fo_endpoint_state(endpoint)), partner,
                 fo_state_name(endpoint->record.partner_state));
    else
        return false;
    return true;
}

bool fo_leave(struct fo_service *service, const struct fo_leave_order *order, char *text, size_t size)
{
    service->env->lock(service->env->context);
    struct fo_relationship *relationship =
        fo_relationship_named(service, order->relationship, text, size);
    const bool gone = relationship != NULL &&
                      (relationship->leaving || relationship->endpoint.shut);
    bool done = relationship != NULL && (gone || !forbidden(relationship, text, size));
    const char *name = done ? relationship->config.name : NULL;
    const char *partner = done ? relationship->config.partner.name : NULL;
    if (gone) {
        snprintf(text, size, "%s: is shut down already", name);
    } else if (done && order->dry_run) {
        snprintf(text, size, "%s: would shut down, and %s would serve all clients; %llu bindings would "
                             "be told before", name, partner,
                 (unsigned long long)unknown_to_partner(relationship));
    } else if (done) {
        relationship->leaving = true;
        relationship->maintenance = order->maintenance;
        relationship->leave_until = fo_service_now(service).ms + FLUSH_MS;
        fo_say(service, FAILOVER_SHUTDOWN_BEGINS, name,
               order->maintenance ? "failover-maintenance-start" : "failover-shutdown", partner, NULL);
        service->env->wake(service->env->context);
        snprintf(text, size, "%s: shuts down; no client is answered here from now on, and %s is told to "
                             "serve all. When failover-status-get shows partner-state partner-down, this "
                             "server may be stopped", name, partner);
    }
    service->env->unlock(service->env->context);
    return done;
}

/* ------------------------------------------------------------------ coming back */

static void come_back(struct fo_relationship *relationship, const struct fo_now *now)
{
    relationship->maintenance = false;
    fo_say(relationship->service, FAILOVER_SHUTDOWN_OVER, relationship->config.name,
           relationship->config.partner.name, NULL);
    if (relationship->leaving) { /* nothing was said yet */
        relationship->leaving = false;
        return;
    }
    relationship->met = relationship->alone = false;
    fo_endpoint_come_back(&relationship->endpoint, now);
    fo_partner_down_look(relationship);
}

bool fo_come_back(struct fo_service *service, const struct fo_leave_order *order, char *text,
                  size_t size)
{
    service->env->lock(service->env->context);
    struct fo_relationship *relationship =
        fo_relationship_named(service, order->relationship, text, size);
    const struct fo_now now = fo_service_now(service);
    const bool gone = relationship != NULL &&
                      (relationship->leaving || relationship->endpoint.shut);
    const bool done = gone && relationship->maintenance;
    if (done) {
        snprintf(text, size, "%s: %s back; it gets from %s what has changed, and serves clients when both "
                             "are in NORMAL", relationship->config.name,
                 order->dry_run ? "would come" : "comes", relationship->config.partner.name);
        if (!order->dry_run)
            come_back(relationship, &now);
        service->env->wake(service->env->context);
    } else if (gone) {
        snprintf(text, size, "%s: was shut down by failover-shutdown, which only a restart ends",
                 relationship->config.name);
    } else if (relationship != NULL) {
        snprintf(text, size, "%s: is not in maintenance", relationship->config.name);
    }
    service->env->unlock(service->env->context);
    return done;
}
