/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One relationship of the service: an endpoint (protocol/endpoint.h) with its connections, its
 * stored record, and its words for the operator.
 */
#include <stdio.h>
#include <string.h>

#include "hook/secret.h"
#include "hook/service_internal.h"
#include "protocol/hash_bucket.h"
#include "protocol/state.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

/* ------------------------------------------------------------------ the endpoint's host */

static bool host_send(void *context, const uint8_t *frame, size_t length)
{
    struct fo_relationship *relationship = context;
    const struct fo_env *env = relationship->service->env;
    return relationship->connection != 0 &&
           env->net_send(env->context, relationship->connection, frame, length);
}

void fo_relationship_new_nonce(struct fo_relationship *relationship)
{
    const struct fo_env *env = relationship->service->env;
    if (relationship->digest.type != FO_DIGEST_NONE && !FO_FAULTY(STRANGER_BELIEVED))
        env->random(env->context, relationship->endpoint.settings.session.nonce, FO_NONCE_SIZE);
}

static void host_connect(void *context)
{
    struct fo_relationship *relationship = context;
    const struct fo_env *env = relationship->service->env;
    fo_relationship_new_nonce(relationship);
    relationship->attempt =
        env->net_connect(env->context, relationship->config.self.address,
                         relationship->config.partner.address, relationship->config.partner.port);
    if (relationship->attempt == 0) {
        struct fo_now now = fo_service_now(relationship->service);
        fo_endpoint_attempt_failed(&relationship->endpoint, "out of memory", &now);
    }
}

static void host_disconnect(void *context, bool attempt)
{
    struct fo_relationship *relationship = context;
    const struct fo_env *env = relationship->service->env;
    fo_connection *connection = attempt ? &relationship->attempt : &relationship->connection;
    if (*connection != 0)
        env->net_close(env->context, *connection);
    *connection = 0;
}

void fo_relationship_store(struct fo_relationship *relationship)
{
    relationship->record_dirty = true;
    relationship->service->dirty = relationship->service->urgent = true;
}

static void host_store(void *context)
{
    fo_relationship_store(context);
}

static void host_entered(void *context, enum fo_state from)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    if (endpoint->communicating) {
        fo_alone_contact(relationship);
        relationship->met = true;
    } else if (from == FO_STATE_STARTUP && endpoint->record.state == FO_STATE_RECOVER) {
        fo_say(service, FAILOVER_NO_BINDINGS, relationship->config.name,
               relationship->config.partner.name, NULL);
    } else if (from == FO_STATE_STARTUP) {
        fo_alone_begin(relationship);
    }
    fo_partner_down_look(relationship);
}

static void note_state(struct fo_relationship *relationship, const char *why)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const char *partner = endpoint->communicating ? fo_state_name(endpoint->record.partner_state)
                                                  : "not in contact";
    const char *name = relationship->config.name;
    enum fo_state state = fo_endpoint_state(endpoint);
    bool interrupted = state == FO_STATE_COMMUNICATIONS_INTERRUPTED;
    char text[64];
    fo_say(relationship->service, FAILOVER_STATE_CHANGED, name,
           fo_state_name((uint8_t)state), partner, why, NULL);
    if (state == FO_STATE_POTENTIAL_CONFLICT && endpoint->communicating)
        fo_say(relationship->service, FAILOVER_POTENTIAL_CONFLICT, name,
               relationship->config.partner.name, NULL);
    if (state == FO_STATE_RESOLUTION_INTERRUPTED) {
        const char *served = fo_alone_words(relationship);
        fo_say(relationship->service, FAILOVER_RESOLUTION_INTERRUPTED, name,
               relationship->config.partner.name, why,
               served != NULL             ? served
               : endpoint->record.need_all ? "who has a lease is served here again, new clients are not: this server "
                                             "has lost its bindings"
                                           : "all clients are served here again, new ones from this server's own "
                                             "addresses", NULL);
    }
    if (interrupted && !fo_starts_after_long_stop(relationship) && !relationship->removed)
        fo_say(relationship->service, FAILOVER_COMMUNICATIONS_INTERRUPTED, name,
               relationship->config.partner.name,
               endpoint->communicating ? fo_print(text, sizeof text, "its state is %s", partner)
                                       : why,
               NULL);
}

static void host_note(void *context, enum fo_note what, const char *detail)
{
    struct fo_relationship *relationship = context;
    struct fo_service *service = relationship->service;
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const char *name = relationship->config.name, *partner = relationship->config.partner.name;
    char text[32];
    switch (what) {
    case FO_NOTE_STATE:
        note_state(relationship, detail);
        break;
    case FO_NOTE_PARTNER_STATE:
        fo_alone_contact(relationship);
        fo_say(service, FAILOVER_PARTNER_STATE, name, fo_state_name(endpoint->record.partner_state),
               NULL);
        break;
    case FO_NOTE_CONNECTED:
        fo_partner_down_follow(relationship);
        fo_say(service, FAILOVER_CONNECTED, name, partner, NULL);
        break;
    case FO_NOTE_ATTEMPT_FAILED:
        fo_say(service, FAILOVER_CONNECTION_FAILED, name, partner, detail,
               fo_print(text, sizeof text, "%lld",
                        (long long)(endpoint->attempt_at - fo_service_now(service).ms) / 1000),
               NULL);
        break;
    case FO_NOTE_LOST:
        fo_say(service, FAILOVER_CONNECTION_CLOSED, name, partner, detail, NULL);
        break;
    case FO_NOTE_REJECTED:
        fo_say(service, FAILOVER_CONNECTION_REJECTED, name, partner, detail,
               fo_print(text, sizeof text, "%d", (int)endpoint->last_end.reason), NULL);
        break;
    case FO_NOTE_REFUSED:
        fo_say(service, FAILOVER_CONNECT_REFUSED, name, partner, detail, NULL);
        break;
    case FO_NOTE_NOT_AUTHENTIC:
        fo_say(service, FAILOVER_NOT_AUTHENTIC, name, partner, detail, NULL);
        break;
    case FO_NOTE_PROTOCOL:
        fo_say(service, FAILOVER_PROTOCOL_ERROR, name, partner, detail, NULL);
        break;
    case FO_NOTE_MCLT:
    case FO_NOTE_BUCKETS:
        fo_note_primary_differs(relationship, what);
        break;
    case FO_NOTE_POOLS:
        fo_note_pools(relationship);
        break;
    case FO_NOTE_SERVING:
        fo_note_serving(relationship);
        break;
    case FO_NOTE_REQUEST_SENT:
        fo_say(service, FAILOVER_UPDATES_REQUESTED, name, detail, NULL);
        break;
    case FO_NOTE_REQUEST_RECEIVED:
        fo_say(service, FAILOVER_UPDATES_SENDING, name, detail, NULL);
        fo_note_updates_wait(relationship);
        break;
    case FO_NOTE_REQUEST_DONE:
        fo_forgotten_rows_go(relationship);
        fo_quarantine_forgotten(relationship);
        fo_say(service, FAILOVER_UPDATES_DONE, name, NULL);
        break;
    case FO_NOTE_SHUTDOWN:
        fo_note_shutdown(relationship, detail);
        break;
    case FO_NOTE_ROLLED_BACK:
        fo_say(service, FAILOVER_ROLLED_BACK, name, partner, service->config.state_file, NULL);
        break;
    case FO_NOTE_RECOVER_WAIT:
        fo_say(service, FAILOVER_RECOVER_WAIT, name,
               fo_time_text(fo_to_wall(service, endpoint->record.wait_until), text), NULL);
        break;
    }
}

/* ------------------------------------------------------------------ life */

static struct fo_endpoint_settings settings_of(const struct fo_relationship *relationship)
{
    const struct fo_config_relationship *config = &relationship->config;
    const bool signs = relationship->digest.type != FO_DIGEST_NONE;
    struct fo_endpoint_settings settings = {
        .session =
            {
                .dialect = &fo_dialect_draft,
                .relationship_name = config->name,
                .vendor_class = "kea-failover " PACKAGE_VERSION,
                .primary = config->primary,
                .mclt = config->mclt,
                .max_unacked = config->max_unacked,
                .receive_timer = config->max_response_delay,
                .contact_interval = config->contact_interval,
                .max_clock_skew = config->max_clock_skew,
                .serving = {config->hot_standby ? FO_MODE_HOT_STANDBY : FO_MODE_LOAD_BALANCING,
                            config->hash_hardware ? FO_HASH_HARDWARE : FO_HASH_IDENTIFIER},
                .digest = signs ? &relationship->digest : NULL,
            },
        .startup_delay = config->startup_delay,
        .connect_retry_delay = config->connect_retry_delay,
    };
    fo_hash_buckets_divide(config->primary_percent, settings.session.secondary_buckets);
    return settings;
}

struct fo_relationship *fo_relationship_new(struct fo_service *service)
{
    struct fo_relationship *relationship =
        service->env->allocate(service->env->context, sizeof *relationship);
    if (relationship != NULL)
        relationship->service = service;
    return relationship;
}

void fo_relationship_start(struct fo_relationship *relationship, int index,
                           const struct fo_config_relationship *config, struct fo_digest *digest)
{
    struct fo_service *service = relationship->service;
    struct fo_endpoint_record record;
    struct fo_now now = fo_service_now(service);
    relationship->index = index;
    relationship->config = *config;
    relationship->digest = *digest;
    *digest = (struct fo_digest){0};
    relationship->lapses_from = UINT32_MAX;
    relationship->rejected_retry_at = now.ms + FO_REJECTED_RETRY_MS;

    const struct fo_endpoint_host host = {
        .context = relationship,
        .send = host_send,
        .connect = host_connect,
        .disconnect = host_disconnect,
        .store = host_store,
        .next_update = fo_next_update,
        .acknowledged = fo_acknowledged,
        .updates_lost = fo_updates_lost,
        .received = fo_update_received,
        .partner_forgot = fo_partner_forgot,
        .forget = fo_forget_bindings,
        .updates_requested = fo_updates_requested,
        .requested_left = fo_requested_left,
        .pool_requested = fo_pool_requested,
        .entered = host_entered,
        .note = host_note,
    };
    struct fo_endpoint_settings settings = settings_of(relationship);
    fo_persistence_record(service, config->name, &record);
    relationship->forgotten =
        (record.state == FO_STATE_RECOVER && record.need_all) || record.forgetting;
    relationship->forgetting.on = record.forgetting;
    fo_endpoint_start(&relationship->endpoint, &settings, &host, &record, &now);
}

void fo_relationship_set(struct fo_relationship *relationship,
                         const struct fo_config_relationship *config, struct fo_digest *digest)
{
    struct fo_endpoint_record *record = &relationship->endpoint.record;
    if (!fo_secret_equal(&relationship->config, config))
        record->connect_time = record->connect_count = 0; /* of another secret: worth nothing now */
    relationship->config = *config;
    fo_secret_close(&relationship->digest);
    relationship->digest = *digest;
    *digest = (struct fo_digest){0};
    struct fo_endpoint_settings settings = settings_of(relationship);
    relationship->clock_warning_at = 0;
    relationship->past_walk.connection = 0;
    fo_endpoint_set(&relationship->endpoint, &settings);
    fo_relationship_new_nonce(relationship);
}

/* A lease that was promised under a larger MCLT ends at the latest that long after the latest time that
   either server knew of it, or after the moment at which the partner has heard of the lower one. All
   records are looked at, some in each step; a time that is put in behind the walk was promised under the
   lower one. True when it is done. */
static bool past_promises_step(struct fo_relationship *relationship, uint32_t now)
{
    struct fo_table *table = &relationship->service->table;
    struct fo_endpoint_record *record = &relationship->endpoint.record;
    const uint32_t mclt = record->past_mclt + FO_EXPIRY_GUARD;
    const struct fo_binding *binding;
    if (relationship->past_walk.connection != relationship->connection) /* or another MCLT since */
        relationship->past_walk.from = relationship->past_walk.latest = 0;
    relationship->past_walk.connection = relationship->connection;
    uint32_t latest = relationship->past_walk.latest;
    for (int n = 0; n < FO_STEP_MAX; n++) {
        binding = fo_table_record(table, relationship->past_walk.from++);
        if (binding == NULL) {
            relationship->past_walk.connection = 0;
            latest = latest > now ? latest : now;
            record->past_until = latest > UINT32_MAX - 1 - mclt ? UINT32_MAX - 1 : latest + mclt;
            return true;
        }
        const uint32_t times[] = {binding->times.lease_expiration, binding->times.sent_potential,
                                  binding->times.acked_potential, binding->times.received_potential};
        for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
            if (times[k] > latest && times[k] < FO_TIME_LAST) /* without end it is under any MCLT */
                latest = times[k];
    }
    relationship->past_walk.latest = latest;
    return false;
}

bool fo_watch_mclt(struct fo_relationship *relationship, const struct fo_now *now)
{
    struct fo_endpoint_record *record = &relationship->endpoint.record;
    if (record->past_mclt == 0)
        return false;
    if (record->past_until == UINT32_MAX && relationship->endpoint.communicating) {
        if (!past_promises_step(relationship, now->seconds))
            return true;
    } else if (record->past_until < UINT32_MAX - 1 && now->seconds > record->past_until) {
        record->past_mclt = record->past_until = 0;
    } else {
        return false;
    }
    host_store(relationship);
    return false;
}

void fo_relationship_free(struct fo_relationship *relationship)
{
    const struct fo_env *env = relationship->service->env;
    host_disconnect(relationship, true);
    host_disconnect(relationship, false);
    fo_inbound_drop(relationship);
    fo_secret_close(&relationship->digest);
    explicit_bzero(relationship->config.secret, sizeof relationship->config.secret);
    env->release(env->context, relationship);
}

struct fo_relationship *fo_relationship_named(struct fo_service *service, const char *name, char *text,
                                              size_t size)
{
    if (name == NULL && service->relationship_count == 1)
        return service->relationships[0];
    for (size_t i = 0; name != NULL && i < service->relationship_count; i++)
        if (strcmp(service->relationships[i]->config.name, name) == 0)
            return service->relationships[i];
    size_t used = (size_t)snprintf(text, size, name ? "there is no relationship \"%s\"; there are:"
                                                    : "which relationship%s? Name one of:",
                                   name ? name : "");
    for (size_t i = 0; i < service->relationship_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %s",
                                 service->relationships[i]->config.name);
    return NULL;
}

/* ------------------------------------------------------------------ what it is for clients */

enum fo_state fo_serving_state(const struct fo_relationship *relationship)
{
    return relationship->leaving                   ? FO_STATE_SHUTDOWN
           : fo_is_forgetting(relationship)        ? FO_STATE_RECOVER
           : relationship->service->paused != NULL && !relationship->endpoint.shut
               ? FO_STATE_PAUSED
               : fo_endpoint_state(&relationship->endpoint);
}

const char *fo_refusing(const struct fo_relationship *relationship, const char **way_out)
{
    enum fo_state state = fo_serving_state(relationship);
    *way_out = NULL;
    if (!fo_promises_count(relationship->service)) {
        *way_out = "the first commit of the state file";
        return "nothing of this run is in stable storage yet";
    }
    if (relationship->service->paused != NULL) {
        *way_out = "a Kea that serves clients again";
        return relationship->service->paused;
    }
    if (fo_is_forgetting(relationship)) {
        *way_out = "the end of that, in some seconds, and contact with the partner";
        return "what an older copy of the state file says is being forgotten";
    }
    switch (state) {
    case FO_STATE_STARTUP:
        *way_out = "contact with the partner, or the end of startup-delay";
        return "the server has just started and looks for its partner first";
    case FO_STATE_RECOVER:
        *way_out = "contact with the partner; if that is gone for good, the command failover-partner-down";
        return "this server's bindings may be incomplete; the partner must send them first";
    case FO_STATE_RECOVER_WAIT:
        *way_out = "the deadline";
        return "leases given before the bindings were lost may still run; the MCLT must pass";
    case FO_STATE_RECOVER_DONE:
        *way_out = "the partner's state NORMAL; if it is gone for good, the command failover-partner-down";
        return "new clients wait until the partner is in state NORMAL; leases are renewed";
    case FO_STATE_POTENTIAL_CONFLICT:
        *way_out = "the end of the exchange of updates with the partner";
        return "both servers ran on their own and compare their bindings";
    case FO_STATE_SHUTDOWN:
        *way_out = relationship->maintenance ? "failover-maintenance-cancel, or a restart" : "a restart";
        return "this server was shut down by command; its partner serves the clients";
    default:
        break;
    }
    const char *why = relationship->alone ? fo_alone_refusing(relationship) : NULL;
    if (relationship->alone)
        *way_out = "contact with the partner, or the command failover-partner-down";
    if (why != NULL)
        return why;
    if (!relationship->service->compared_durable) {
        *way_out = "a state file that can be written: see state-file-error";
        return "new clients wait: nothing of this run is in the state file yet";
    }
    const struct fo_now now = fo_service_now(relationship->service);
    if (!fo_knows_own_addresses(relationship, &now)) {
        *way_out = state == FO_STATE_PARTNER_DOWN
                       ? "the deadline, or contact with the partner"
                       : "contact with the partner; if that is gone for good, the command failover-partner-down";
        return "new clients wait: this server has lost its bindings, and does not know which free addresses are its own";
    }
    if (fo_store_stalls(relationship, &now)) {
        *way_out = "a state file that can be written: see state-file-error";
        return "new clients wait: the state file was not written for half of the MCLT";
    }
    return NULL;
}
