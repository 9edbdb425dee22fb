/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The endpoint's life: it starts in STARTUP (9.3), gets or makes a connection (8.2), takes the
 * partner's messages, and does what time brings. What its states are and mean is in
 * endpoint_states.c, connections in endpoint_connection.c, updates and pools in endpoint_updates.c.
 */
#include "protocol/endpoint_internal.h"

#include <stdio.h>
#include <string.h>

#include "protocol/faults.h"
#include "protocol/hash_bucket.h"
#include "protocol/state.h"

void fo_endpoint_note(struct fo_endpoint *endpoint, enum fo_note what, const char *detail)
{
    endpoint->host.note(endpoint->host.context, what, detail);
}

enum fo_state fo_endpoint_state(const struct fo_endpoint *endpoint)
{
    return endpoint->shut       ? FO_STATE_SHUTDOWN
           : endpoint->starting ? FO_STATE_STARTUP
                                : (enum fo_state)endpoint->record.state;
}

/* ------------------------------------------------------------------ MCLT */

/* A new server's configured one was in force nowhere. */
bool fo_endpoint_knows_mclt(const struct fo_endpoint *endpoint)
{
    return !(endpoint->fresh && endpoint->record.state == FO_STATE_RECOVER);
}

/* A lost store may have held a larger one, of leases that were promised before: the partner knows. */
void fo_endpoint_take_lead_time(struct fo_endpoint *endpoint)
{
    struct fo_endpoint_record *record = &endpoint->record;
    const uint32_t told = endpoint->session.partner.lead_time;
    if (record->state != FO_STATE_RECOVER || !record->need_all || record->first_time ||
        told <= fo_endpoint_lead_time(endpoint))
        return;
    record->past_mclt = told;
    record->past_until = UINT32_MAX;
}

void fo_endpoint_set_mclt(struct fo_endpoint *endpoint, uint32_t mclt)
{
    struct fo_endpoint_record *record = &endpoint->record;
    if (mclt < record->mclt && fo_endpoint_knows_mclt(endpoint)) {
        if (record->past_mclt < record->mclt)
            record->past_mclt = record->mclt;
        record->past_until = UINT32_MAX;
    }
    record->mclt = mclt;
}

/* The primary's own, before the secondary has heard of it: a lower one at once, a higher one with the
   next connection, for a partner that does not know it waits for the old one. */
static void configure_mclt(struct fo_endpoint *endpoint)
{
    const uint32_t mclt = endpoint->settings.session.mclt;
    if (endpoint->record.mclt == 0 || mclt < endpoint->record.mclt)
        fo_endpoint_set_mclt(endpoint, mclt);
}

uint32_t fo_endpoint_lead_time(const struct fo_endpoint *endpoint)
{
    const struct fo_endpoint_record *record = &endpoint->record;
    uint32_t lead = record->mclt;
    if (record->past_mclt > lead && !FO_FAULTY(MCLT_LOWERED))
        lead = record->past_mclt;
    /* A secondary may have heard a higher one in a CONNECT that got no answer. */
    if (endpoint->settings.session.primary && endpoint->settings.session.mclt > lead)
        lead = endpoint->settings.session.mclt;
    return lead;
}

/* ------------------------------------------------------------------ saying things */

void fo_endpoint_store(struct fo_endpoint *endpoint)
{
    endpoint->host.store(endpoint->host.context);
}

uint32_t fo_endpoint_send_bare(struct fo_endpoint *endpoint, enum fo_message_type type,
                               const struct fo_now *now)
{
    fo_message_begin(&endpoint->outgoing, (uint8_t)type);
    return fo_session_send(&endpoint->session, &endpoint->outgoing, false, now);
}

/* ------------------------------------------------------------------ messages from the partner */

static void take_told(struct fo_endpoint *endpoint)
{
    const struct fo_session_partner *partner = &endpoint->session.partner;
    if ((partner->told & FO_TOLD_COUNT) && partner->told_connections != 0)
        endpoint->record.partner_connections = partner->told_connections;
    if (partner->told & FO_TOLD_POOLS)
        fo_endpoint_note(endpoint, FO_NOTE_POOLS, "");
    if (partner->told & FO_TOLD_SERVING)
        fo_endpoint_note(endpoint, FO_NOTE_SERVING, "");
}

void fo_endpoint_on_message(void *context, const struct fo_message *message,
                            const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    endpoint->record.last_contact = now->seconds;
    if (message->type == FO_MSG_CONTACT) { /* it told something by the way */
        take_told(endpoint);
        return;
    }
    if (!endpoint->communicating && message->type != FO_MSG_STATE) {
        char text[96]; /* 8.2: "The second message sent over a new connection is a STATE message" */
        snprintf(text, sizeof text, "%s came before the first STATE",
                 fo_message_name(message->type));
        fo_session_close(&endpoint->session, FO_REJECT_OTHER, text, now);
        return;
    }
    switch (message->type) {
    case FO_MSG_STATE:
        fo_take_state(endpoint, message, now);
        break;
    case FO_MSG_BNDUPD:
        fo_take_bndupd(endpoint, message, now);
        break;
    case FO_MSG_BNDACK:
        fo_take_bndack(endpoint, message, now);
        break;
    case FO_MSG_UPDREQ:
    case FO_MSG_UPDREQALL:
        fo_take_update_request(endpoint, message, now);
        break;
    case FO_MSG_UPDDONE:
        fo_take_upddone(endpoint, message, now);
        break;
    case FO_MSG_POOLREQ:
        fo_take_poolreq(endpoint, message, now);
        break;
    case FO_MSG_POOLRESP:
        fo_take_poolresp(endpoint, message, now);
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ life */

void fo_endpoint_start(struct fo_endpoint *endpoint, const struct fo_endpoint_settings *settings,
                       const struct fo_endpoint_host *host,
                       const struct fo_endpoint_record *record, const struct fo_now *now)
{
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->settings = *settings;
    endpoint->host = *host;
    endpoint->record = *record;
    endpoint->starting = !FO_FAULTY(STARTUP_SKIPPED);
    endpoint->started = now->seconds;
    endpoint->startup_deadline = now->ms + (int64_t)settings->startup_delay * 1000;
    endpoint->attempt_at = now->ms;
    if (record->state == FO_STATE_NONE)
        endpoint->record.need_all = true;
    endpoint->fresh = endpoint->stop_unknown = fo_endpoint_has_never_met(endpoint);
    endpoint->partner_alone = record->partner_state == FO_STATE_PARTNER_DOWN ||
                              record->partner_state == FO_STATE_PAUSED || /* it may have been before */
                              record->partner_state == FO_STATE_SHUTDOWN;
    endpoint->record.state = (uint8_t)(record->state == FO_STATE_NONE
                                           ? fo_state_at_start(FO_STATE_NONE)
                                           : fo_endpoint_state_alone(endpoint));
    if (endpoint->record.state != record->state)
        endpoint->record.state_since = now->seconds;
    if (settings->session.primary || record->mclt == 0) {
        configure_mclt(endpoint);
        memcpy(endpoint->record.secondary_buckets, settings->session.secondary_buckets,
               FO_HBA_SIZE);
    }
    fo_endpoint_store(endpoint);
}

void fo_endpoint_set(struct fo_endpoint *endpoint, const struct fo_endpoint_settings *settings)
{
    const struct fo_ranges pools = endpoint->settings.session.pools;
    const struct fo_serving before = endpoint->settings.session.serving;
    const struct fo_serving *serving = &settings->session.serving;
    endpoint->settings = *settings;
    endpoint->settings.session.pools = pools;
    if ((before.mode != serving->mode || before.hash_input != serving->hash_input) &&
        endpoint->session.phase != FO_SESSION_CLOSED) {
        endpoint->serving_unsaid = true;
        fo_endpoint_note(endpoint, FO_NOTE_SERVING, "");
    }
    if (settings->session.primary && endpoint->session.phase == FO_SESSION_CLOSED) {
        configure_mclt(endpoint);
        memcpy(endpoint->record.secondary_buckets, settings->session.secondary_buckets,
               FO_HBA_SIZE);
        fo_endpoint_store(endpoint);
    }
}

void fo_endpoint_set_pools(struct fo_endpoint *endpoint, const struct fo_ranges *pools)
{
    bool changed = !fo_ranges_equal(&endpoint->settings.session.pools, pools);
    endpoint->settings.session.pools = *pools;
    if (!changed || endpoint->session.phase == FO_SESSION_CLOSED)
        return;
    endpoint->pools_unsaid = true;
    if (endpoint->session.partner.tells_pools)
        fo_endpoint_note(endpoint, FO_NOTE_POOLS, "");
}

void fo_endpoint_stored(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    /* What a copy says of our state the partner must not act on: where only its own first STATE tells, ours
       is said after that. */
    const bool waits = !endpoint->communicating && endpoint->session.partner.gives_nonce &&
                       fo_endpoint_was_rolled_back(endpoint);
    if (endpoint->session.phase == FO_SESSION_ESTABLISHED && endpoint->state_unsaid &&
        !endpoint->stopping && !waits)
        fo_endpoint_say_state(endpoint, now);
    if (endpoint->count_unsaid && endpoint->communicating) {
        endpoint->count_unsaid = false;
        fo_session_tell_count(&endpoint->session, endpoint->record.connections, now);
    }
    fo_endpoint_act(endpoint, now);
    fo_endpoint_pump(endpoint, now);
}

void fo_endpoint_partner_down(struct fo_endpoint *endpoint, uint32_t since, const char *why,
                              const struct fo_now *now)
{
    endpoint->starting = false;
    fo_endpoint_set_state(endpoint, FO_STATE_PARTNER_DOWN, why, now);
    endpoint->record.state_since = since;
    endpoint->record.wait_until = fo_endpoint_all_ours_at(endpoint, since);
    fo_endpoint_store(endpoint); /* also where the state was this one already */
    fo_endpoint_follow_partner(endpoint, "the partner's state", now);
}

/* A server that has lost its store waits for its own past, too, however long the partner has been down. */
uint32_t fo_endpoint_all_ours_at(const struct fo_endpoint *endpoint, uint32_t since)
{
    const uint32_t partners = since + fo_endpoint_lead_time(endpoint);
    const uint32_t own = endpoint->record.need_all ? fo_endpoint_past_over_at(endpoint) : 0;
    return own > partners ? own : partners;
}

bool fo_endpoint_partner_lives(const struct fo_endpoint *endpoint, const struct fo_now *now)
{
    return endpoint->session.phase == FO_SESSION_ESTABLISHED ||
           (endpoint->sign_of_life != 0 && now->ms - endpoint->sign_of_life < FO_SIGN_OF_LIFE_MS);
}

void fo_endpoint_pause(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->stopping = true;
    endpoint->attempt_at = INT64_MAX;
    if (endpoint->session.phase == FO_SESSION_ESTABLISHED && !endpoint->shut) {
        struct fo_message *message = &endpoint->outgoing;
        fo_message_begin(message, FO_MSG_STATE);
        message->present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                           FO_HAS(FO_OPT_START_TIME_OF_STATE);
        message->server_state = FO_STATE_PAUSED;
        message->start_of_state = now->seconds;
        fo_session_send(&endpoint->session, message, false, now);
    }
    fo_session_close(&endpoint->session, FO_REJECT_OTHER, "orderly stop", now);
}

void fo_endpoint_resume(struct fo_endpoint *endpoint, uint32_t last_operational, const char *why,
                        const struct fo_now *now)
{
    endpoint->stopping = false;
    fo_endpoint_close(endpoint, FO_REJECT_OTHER, why, now);
    fo_endpoint_set_state(endpoint, fo_endpoint_state_alone(endpoint), why, now);
    endpoint->starting = true;
    endpoint->state_unsaid = true;
    endpoint->started = now->seconds;
    endpoint->record.last_operational = last_operational;
    endpoint->stop_unknown = false;
    endpoint->startup_deadline = now->ms + (int64_t)endpoint->settings.startup_delay * 1000;
    if (endpoint->attempting)
        endpoint->host.disconnect(endpoint->host.context, true);
    endpoint->attempting = false;
    endpoint->attempt_at = now->ms;
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_STATE, why);
    endpoint->host.entered(endpoint->host.context, FO_STATE_NONE);
}

void fo_endpoint_close(struct fo_endpoint *endpoint, enum fo_reject_reason reason, const char *text,
                       const struct fo_now *now)
{
    endpoint->closing = true;
    fo_session_close(&endpoint->session, reason, text, now);
    endpoint->closing = false;
}

/* While we owe the partner a BNDACK it is our turn: a whole window of rows may take a slow database minutes. */
static bool waits_for_upddone(const struct fo_endpoint *endpoint)
{
    return endpoint->request_deadline != 0 && endpoint->inbound == 0;
}

void fo_endpoint_timer(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    fo_session_timer(&endpoint->session, now);
    fo_endpoint_shut_timer(endpoint, now);
    if (endpoint->starting && now->ms >= endpoint->startup_deadline) {
        endpoint->starting = false;
        endpoint->state_unsaid = true;
        fo_endpoint_store(endpoint);
        fo_endpoint_note(endpoint, FO_NOTE_STATE, "no contact with the partner during startup");
        endpoint->host.entered(endpoint->host.context, FO_STATE_STARTUP);
    }
    if (endpoint->record.state == FO_STATE_RECOVER_WAIT &&
        now->seconds >= endpoint->record.wait_until) {
        fo_endpoint_set_state(endpoint, FO_STATE_RECOVER_DONE, "MCLT has passed", now);
        fo_endpoint_follow_partner(endpoint, "the partner's state", now);
    }
    if (waits_for_upddone(endpoint) && now->ms >= endpoint->request_deadline)
        fo_session_close(&endpoint->session, FO_REJECT_NO_TRAFFIC,
                         "neither BNDUPD nor UPDDONE came for 120 s after UPDREQ", now);
    if (endpoint->session.phase == FO_SESSION_CLOSED && !endpoint->attempting &&
        now->ms >= endpoint->attempt_at) {
        if (endpoint->settings.session.digest != NULL && now->seconds <= endpoint->connect_said) {
            endpoint->attempt_at = now->ms + 100; /* each CONNECT has a later time (11.1) */
            return;
        }
        endpoint->attempting = true;
        endpoint->attempt_at = now->ms + FO_HANDSHAKE_MS; /* a TCP attempt is given up then */
        endpoint->host.connect(endpoint->host.context);
    } else if (endpoint->attempting && now->ms >= endpoint->attempt_at) {
        endpoint->host.disconnect(endpoint->host.context, true);
        fo_endpoint_attempt_failed(endpoint, "no answer to the TCP connection within 15 s", now);
    }
    fo_endpoint_move_count(endpoint, now);
    if (endpoint->pool_request_due)
        fo_endpoint_pump(endpoint, now);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t fo_endpoint_deadline(const struct fo_endpoint *endpoint, const struct fo_now *now)
{
    int64_t deadline = fo_session_deadline(&endpoint->session);
    if (endpoint->starting)
        deadline = earlier(deadline, endpoint->startup_deadline);
    if (endpoint->communicating)
        deadline = earlier(deadline, endpoint->count_at);
    if (endpoint->shut_deadline != 0)
        deadline = earlier(deadline, endpoint->shut_deadline);
    if (waits_for_upddone(endpoint))
        deadline = earlier(deadline, endpoint->request_deadline);
    if (endpoint->session.phase == FO_SESSION_CLOSED || endpoint->attempting)
        deadline = earlier(deadline, endpoint->attempt_at);
    if (endpoint->communicating && !endpoint->state_unsaid && endpoint->pool_request_due &&
        endpoint->record.state == FO_STATE_NORMAL && endpoint->pool_request_xid == 0 &&
        !endpoint->shut && !endpoint->stopping)
        deadline = earlier(deadline, endpoint->pool_request_at);
    if (endpoint->record.state == FO_STATE_RECOVER_WAIT) {
        int64_t wait = endpoint->record.wait_until > now->seconds
                           ? (int64_t)(endpoint->record.wait_until - now->seconds) * 1000
                           : 0;
        deadline = earlier(deadline, now->ms + wait);
    }
    return deadline;
}
