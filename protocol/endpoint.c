/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The endpoint's story: it starts in STARTUP (9.3), gets or makes a connection (8.2), exchanges
 * STATE messages, and moves by the tables of state.c. There is one place where the state changes
 * (fo_endpoint_set_state) and one where the partner's state is looked at (follow_partner).
 * Connections are in endpoint_connection.c, updates and pools in endpoint_updates.c.
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

void fo_endpoint_set_mclt(struct fo_endpoint *endpoint, uint32_t mclt)
{
    struct fo_endpoint_record *record = &endpoint->record;
    /* A new server's configured one was in force nowhere. */
    if (mclt < record->mclt && !(endpoint->fresh && record->state == FO_STATE_RECOVER)) {
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

/* Our state, once it is durable (9.2: "MUST record the state ... in stable storage"). */
static void say_state(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    struct fo_message *message = &endpoint->outgoing;
    fo_message_begin(message, FO_MSG_STATE);
    message->present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                       FO_HAS(FO_OPT_START_TIME_OF_STATE);
    message->server_state = endpoint->shut ? FO_STATE_SHUTDOWN : endpoint->record.state;
    message->server_flags = endpoint->starting ? FO_SERVER_FLAG_STARTUP : 0;
    message->start_of_state = endpoint->shut ? endpoint->record.shut_at : endpoint->record.state_since;
    endpoint->state_unsaid = false;
    fo_session_send(&endpoint->session, message, false, now);
}

uint32_t fo_endpoint_send_bare(struct fo_endpoint *endpoint, enum fo_message_type type,
                               const struct fo_now *now)
{
    fo_message_begin(&endpoint->outgoing, (uint8_t)type);
    return fo_session_send(&endpoint->session, &endpoint->outgoing, false, now);
}

/* UPDREQ, or UPDREQALL where this store knows nothing and the partner does not say that it never
   spoke with us (9.5.2). */
static void request_updates(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    bool all = endpoint->record.need_all && !endpoint->record.first_time;
    if (endpoint->request_xid != 0)
        return;
    endpoint->request_xid =
        fo_endpoint_send_bare(endpoint, all ? FO_MSG_UPDREQALL : FO_MSG_UPDREQ, now);
    endpoint->request_deadline = now->ms + FO_UPDATE_REQUEST_MS;
    if (endpoint->request_xid != 0)
        fo_endpoint_note(endpoint, FO_NOTE_REQUEST_SENT, all ? "UPDREQALL" : "UPDREQ");
}

/* ------------------------------------------------------------------ states */

void fo_endpoint_set_state(struct fo_endpoint *endpoint, enum fo_state state, const char *why,
                           const struct fo_now *now)
{
    enum fo_state from = (enum fo_state)endpoint->record.state;
    if (state == from)
        return;
    endpoint->record.state = (uint8_t)state;
    endpoint->record.state_since = now->seconds;
    endpoint->state_unsaid = true;
    if (state == FO_STATE_PARTNER_DOWN)
        endpoint->record.wait_until = now->seconds + fo_endpoint_lead_time(endpoint); /* 9.4.2 */
    if (state != FO_STATE_RECOVER && state != FO_STATE_RECOVER_WAIT)
        endpoint->record.shut_at = 0;
    if (state == FO_STATE_NORMAL) {
        endpoint->record.first_time = false;
        endpoint->pool_request_due = !endpoint->settings.session.primary; /* 9.8.1 */
        endpoint->pool_request_at = now->ms;
    }
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_STATE, why);
    endpoint->host.entered(endpoint->host.context, from);
    if (FO_FAULTY(STATE_EARLY))
        say_state(endpoint, now);
}

/* A partner in PARTNER-DOWN gives this server's addresses, too, as soon as there is no connection. What
   it gave meanwhile must be known here before it hears RECOVER-DONE, for then both are NORMAL at once,
   and updates come after that: so it is asked anew, where the draft stays (9.6, 9.7). */
enum fo_state fo_endpoint_state_alone(const struct fo_endpoint *endpoint)
{
    enum fo_state own = (enum fo_state)endpoint->record.state;
    if (endpoint->record.partner_state == FO_STATE_PARTNER_DOWN &&
        (own == FO_STATE_RECOVER_WAIT || own == FO_STATE_RECOVER_DONE))
        return FO_STATE_RECOVER;
    return fo_state_on_interruption(own);
}

/* 9.6.2: from when this server went down, if that is known, else from when it started. */
static void enter_recover_wait(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    fo_endpoint_set_state(endpoint, FO_STATE_RECOVER_WAIT, "UPDDONE received", now);
    endpoint->record.wait_until = endpoint->record.first_time || FO_FAULTY(RECOVER_WAIT_SKIPPED)
                                      ? now->seconds
                                      : (endpoint->record.last_operational
                                             ? endpoint->record.last_operational
                                             : endpoint->started) +
                                            fo_endpoint_lead_time(endpoint);
    if (endpoint->record.wait_until > now->seconds)
        fo_endpoint_note(endpoint, FO_NOTE_RECOVER_WAIT, "");
    else
        fo_endpoint_set_state(
            endpoint, FO_STATE_RECOVER_DONE,
            endpoint->record.first_time ? "no earlier leases to wait for" : "MCLT has passed", now);
}

/* What a state does as long as the partner is there. */
static void act_in_state(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    bool primary = endpoint->settings.session.primary;
    if (!endpoint->communicating || endpoint->state_unsaid || endpoint->shut)
        return;
    switch (endpoint->record.state) {
    case FO_STATE_RECOVER:
        request_updates(endpoint, now);
        break;
    case FO_STATE_POTENTIAL_CONFLICT: /* 9.10.1, 9.10.3 */
        if (primary || endpoint->record.partner_state == FO_STATE_CONFLICT_DONE)
            request_updates(endpoint, now);
        break;
    default:
        break;
    }
}

static void follow_partner(struct fo_endpoint *endpoint, const char *why, const struct fo_now *now)
{
    if (!endpoint->communicating || endpoint->stopping || endpoint->shut)
        return;
    if (endpoint->record.state == FO_STATE_PARTNER_DOWN && endpoint->partner_starting)
        return; /* 9.4.3 */
    enum fo_state next = fo_state_on_partner((enum fo_state)endpoint->record.state,
                                             (enum fo_state)endpoint->record.partner_state);
    fo_endpoint_set_state(endpoint, next, why, now);
    act_in_state(endpoint, now);
}

/* 9.3.2 step 5: the partner is there. */
static void end_startup(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->starting = false;
    endpoint->state_unsaid = true;
    if (endpoint->record.partner_state == FO_STATE_PARTNER_DOWN &&
        endpoint->record.state != FO_STATE_RECOVER) {
        /* Whole seconds of two clocks: the same moment may seem a second earlier. */
        bool later = endpoint->record.partner_state_since + 1 >= endpoint->record.last_operational;
        fo_endpoint_set_state(endpoint, later ? FO_STATE_RECOVER : FO_STATE_POTENTIAL_CONFLICT,
                              later ? "the partner was alone since this server stopped"
                                    : "the partner was alone while this server ran",
                              now);
    }
    fo_endpoint_store(endpoint);
    endpoint->host.entered(endpoint->host.context, FO_STATE_STARTUP);
}

/* ------------------------------------------------------------------ what the partner remembers */

/* Rule of safety 10: the partner has spoken with a later state of this store than there is, for somebody
   has restored it from a copy. Bindings have changed since, and free addresses have changed hands; what
   the copy says is worth less than nothing, and the partner's acknowledgements of what it knew are, too.
   So it is a lost store (5.16), in whose past nobody can tell when this server last ran. Where both were
   restored, so that each knows more of the other than that does itself, the secondary yields. */
static bool was_rolled_back(const struct fo_endpoint *endpoint)
{
    const struct fo_session *session = &endpoint->session;
    const bool theirs = session->partner.own_connections < session->settings.partner_connections;
    return fo_endpoint_is_behind(endpoint) && !(theirs && endpoint->settings.session.primary);
}

void fo_endpoint_look_for_rollback(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    struct fo_endpoint_record *record = &endpoint->record;
    const bool rolled_back = was_rolled_back(endpoint);
    if (fo_endpoint_is_behind(endpoint))
        fo_endpoint_move_past(endpoint);
    if (!rolled_back)
        return;
    record->need_all = true;
    record->first_time = record->update_all_owed = false;
    record->last_operational = endpoint->starting ? 0 : now->seconds;
    fo_endpoint_note(endpoint, FO_NOTE_ROLLED_BACK, "");
    endpoint->host.forget(endpoint->host.context);
    fo_endpoint_set_state(endpoint, FO_STATE_RECOVER, "the state file is an older copy", now);
    fo_endpoint_store(endpoint);
}

/* The first STATE of a connection: it was durable there before it was said, and so was the count. */
static void remember_count(struct fo_endpoint *endpoint)
{
    const struct fo_session *session = &endpoint->session;
    if (session->partner.counts_connections)
        endpoint->record.partner_connections = fo_endpoint_next_count(
            session->partner.own_connections, session->settings.partner_connections);
    else
        endpoint->record.partner_connections++;
}

/* While a connection lasts the count moves, too, or a copy made in its time would pass for the store. */
static void move_count(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (!endpoint->communicating || now->ms < endpoint->count_at)
        return;
    endpoint->count_at = now->ms + FO_COUNT_MS;
    endpoint->record.connections++;
    endpoint->count_unsaid = true;
    fo_endpoint_store(endpoint);
}

/* ------------------------------------------------------------------ messages from the partner */

static void take_state(struct fo_endpoint *endpoint, const struct fo_message *message,
                       const struct fo_now *now)
{
    const uint32_t must = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS);
    if ((message->present & must) != must) {
        fo_session_close(&endpoint->session, FO_REJECT_OTHER,
                         "STATE lacks server-state or server-flags", now);
        return;
    }
    bool first = !endpoint->communicating;
    bool changed = first || endpoint->record.partner_state != message->server_state;
    endpoint->partner_starting = (message->server_flags & FO_SERVER_FLAG_STARTUP) != 0;
    endpoint->record.partner_state = message->server_state;
    endpoint->record.partner_state_since =
        fo_session_forbids(&endpoint->session, message->start_of_state);
    if (changed) {
        fo_endpoint_store(endpoint);
        fo_endpoint_note(endpoint, FO_NOTE_PARTNER_STATE, "");
    }
    if (endpoint->shut && fo_endpoint_shut_heard(endpoint, now))
        return;
    if (first) {
        if (endpoint->session.partner.gives_nonce) {
            fo_endpoint_note_first_time(endpoint);
            fo_endpoint_look_for_rollback(endpoint, now);
        }
        endpoint->communicating = true;
        endpoint->failures = 0;
        endpoint->retry_delay = 0;
        endpoint->count_at = now->ms + FO_COUNT_MS;
        remember_count(endpoint);
        if (endpoint->starting)
            end_startup(endpoint, now);
        if (endpoint->record.state != FO_STATE_RECOVER)
            endpoint->record.shut_at = 0; /* the partner has said what it knows of that */
        fo_endpoint_store(endpoint);
    }
    follow_partner(endpoint, "the partner's state", now);
}

static void take_upddone(struct fo_endpoint *endpoint, const struct fo_message *message,
                         const struct fo_now *now)
{
    if ((endpoint->request_xid == 0 || message->xid != endpoint->request_xid) &&
        !FO_FAULTY(DONE_STALE))
        return; /* of an older request: it says nothing about this one */
    endpoint->request_xid = 0;
    endpoint->request_deadline = 0;
    endpoint->record.need_all = false;
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_REQUEST_DONE, "");
    if (endpoint->record.state == FO_STATE_RECOVER) {
        enter_recover_wait(endpoint, now);
        follow_partner(endpoint, "the partner's state", now);
    } else if (endpoint->record.state == FO_STATE_POTENTIAL_CONFLICT) {
        /* The partner now follows us (9.10.3): the state that it said last leads nowhere. */
        fo_endpoint_set_state(
            endpoint, endpoint->settings.session.primary ? FO_STATE_CONFLICT_DONE : FO_STATE_NORMAL,
            "UPDDONE received", now);
    }
}

void fo_endpoint_on_message(void *context, const struct fo_message *message,
                            const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    endpoint->record.last_contact = now->seconds;
    if (message->type == FO_MSG_CONTACT) { /* it told something by the way */
        if (endpoint->session.partner.told_connections != 0)
            endpoint->record.partner_connections = endpoint->session.partner.told_connections;
        else
            fo_endpoint_note(endpoint, FO_NOTE_POOLS, "");
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
        take_state(endpoint, message, now);
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
        take_upddone(endpoint, message, now);
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
    endpoint->fresh = record->state == FO_STATE_NONE;
    if (endpoint->fresh)
        endpoint->record.need_all = true;
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
    struct fo_ranges pools = endpoint->settings.session.pools;
    endpoint->settings = *settings;
    endpoint->settings.session.pools = pools;
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
                       was_rolled_back(endpoint);
    if (endpoint->session.phase == FO_SESSION_ESTABLISHED && endpoint->state_unsaid &&
        !endpoint->stopping && !waits)
        say_state(endpoint, now);
    if (endpoint->count_unsaid && endpoint->communicating) {
        endpoint->count_unsaid = false;
        fo_session_tell_count(&endpoint->session, endpoint->record.connections, now);
    }
    act_in_state(endpoint, now);
    fo_endpoint_pump(endpoint, now);
}

void fo_endpoint_partner_down(struct fo_endpoint *endpoint, uint32_t since, const char *why,
                              const struct fo_now *now)
{
    endpoint->starting = false;
    fo_endpoint_set_state(endpoint, FO_STATE_PARTNER_DOWN, why, now);
    endpoint->record.state_since = since;
    endpoint->record.wait_until = since + fo_endpoint_lead_time(endpoint);
    fo_endpoint_store(endpoint); /* also where the state was this one already */
    follow_partner(endpoint, "the partner's state", now);
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
        follow_partner(endpoint, "the partner's state", now);
    }
    if (endpoint->request_deadline != 0 && now->ms >= endpoint->request_deadline)
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
    move_count(endpoint, now);
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
    if (endpoint->request_deadline != 0)
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
