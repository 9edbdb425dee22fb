/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The endpoint's states (9). There is one place where the state changes (fo_endpoint_set_state) and
 * one where the partner's state is looked at (fo_endpoint_follow_partner); the tables are in state.c.
 */
#include "protocol/endpoint_internal.h"
#include "protocol/faults.h"
#include "protocol/state.h"

/* Our state, once it is durable (9.2: "MUST record the state ... in stable storage"). */
void fo_endpoint_say_state(struct fo_endpoint *endpoint, const struct fo_now *now)
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
        fo_endpoint_say_state(endpoint, now);
}

/* A partner in PARTNER-DOWN gives this server's addresses, too, as soon as there is no connection. What
   it gave meanwhile must be known here before it hears RECOVER-DONE, for then both are NORMAL at once,
   and updates come after that: so it is asked anew, where the draft stays (9.6, 9.7). A PAUSED on its way
   out changes nothing: it starts as PARTNER-DOWN again. */
static bool comes_back(const struct fo_endpoint *endpoint)
{
    return endpoint->record.state == FO_STATE_RECOVER_WAIT ||
           endpoint->record.state == FO_STATE_RECOVER_DONE;
}

enum fo_state fo_endpoint_state_alone(const struct fo_endpoint *endpoint)
{
    return endpoint->partner_alone && comes_back(endpoint)
               ? FO_STATE_RECOVER
               : fo_state_on_interruption((enum fo_state)endpoint->record.state);
}

void fo_endpoint_recover_again(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    const struct fo_endpoint_record *record = &endpoint->record;
    if (comes_back(endpoint) && now->seconds - record->last_contact >= record->mclt)
        fo_endpoint_set_state(endpoint, FO_STATE_RECOVER,
                              "the partner may have been alone since the last contact", now);
}

/* 9.6.2: what this server leased before it went down, if that is known, or else before it started, is over. In
   PARTNER-DOWN it is waited for once, not after each restart. */
uint32_t fo_endpoint_past_over_at(const struct fo_endpoint *endpoint)
{
    const uint32_t stopped = endpoint->stop_unknown ? 0 : endpoint->record.last_operational;
    if (endpoint->record.state == FO_STATE_PARTNER_DOWN && endpoint->record.wait_until <= endpoint->started)
        return endpoint->record.wait_until;
    return (stopped ? stopped : endpoint->started) + fo_endpoint_lead_time(endpoint);
}

static void enter_recover_wait(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    fo_endpoint_set_state(endpoint, FO_STATE_RECOVER_WAIT, "UPDDONE received", now);
    endpoint->record.wait_until = endpoint->record.first_time || FO_FAULTY(RECOVER_WAIT_SKIPPED)
                                      ? now->seconds
                                      : fo_endpoint_past_over_at(endpoint);
    if (endpoint->record.wait_until > now->seconds)
        fo_endpoint_note(endpoint, FO_NOTE_RECOVER_WAIT, "");
    else
        fo_endpoint_set_state(
            endpoint, FO_STATE_RECOVER_DONE,
            endpoint->record.first_time ? "no earlier leases to wait for" : "MCLT has passed", now);
}

/* Told to serve alone without its store, it does not know which free addresses are the partner's: before both
   serve it asks for all, where the draft has a server in PARTNER-DOWN know all that there was. */
static bool lacks_all(const struct fo_endpoint *endpoint)
{
    return endpoint->record.state == FO_STATE_PARTNER_DOWN && endpoint->record.need_all;
}

/* What a state does as long as the partner is there. */
void fo_endpoint_act(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    bool primary = endpoint->settings.session.primary;
    if (!endpoint->communicating || endpoint->state_unsaid || endpoint->shut || endpoint->record.forgetting)
        return;
    switch (endpoint->record.state) {
    case FO_STATE_RECOVER:
        request_updates(endpoint, now);
        break;
    case FO_STATE_PARTNER_DOWN:
        if (lacks_all(endpoint))
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

void fo_endpoint_follow_partner(struct fo_endpoint *endpoint, const char *why,
                                const struct fo_now *now)
{
    if (!endpoint->communicating || endpoint->stopping || endpoint->shut || endpoint->record.forgetting)
        return;
    if (endpoint->record.state == FO_STATE_PARTNER_DOWN && endpoint->partner_starting)
        return; /* 9.4.3 */
    enum fo_state next = fo_state_on_partner((enum fo_state)endpoint->record.state,
                                             (enum fo_state)endpoint->record.partner_state);
    if (next != FO_STATE_NORMAL || !lacks_all(endpoint))
        fo_endpoint_set_state(endpoint, next, why, now);
    fo_endpoint_act(endpoint, now);
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

/* ------------------------------------------------------------------ the partner's word */

void fo_take_state(struct fo_endpoint *endpoint, const struct fo_message *message,
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
    if (message->server_state != FO_STATE_PAUSED && message->server_state != FO_STATE_SHUTDOWN)
        endpoint->partner_alone = message->server_state == FO_STATE_PARTNER_DOWN;
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
        fo_endpoint_take_lead_time(endpoint);
        endpoint->communicating = true;
        endpoint->failures = 0;
        endpoint->retry_delay = 0;
        endpoint->count_at = now->ms + FO_COUNT_MS;
        fo_endpoint_remember_count(endpoint);
        if (endpoint->starting)
            end_startup(endpoint, now);
        if (endpoint->record.state != FO_STATE_RECOVER)
            endpoint->record.shut_at = 0; /* the partner has said what it knows of that */
        fo_endpoint_store(endpoint);
    }
    fo_endpoint_follow_partner(endpoint, "the partner's state", now);
}

void fo_take_upddone(struct fo_endpoint *endpoint, const struct fo_message *message,
                         const struct fo_now *now)
{
    if ((endpoint->request_xid == 0 || message->xid != endpoint->request_xid) &&
        !FO_FAULTY(DONE_STALE))
        return; /* of an older request: it says nothing about this one */
    endpoint->request_xid = 0;
    endpoint->request_deadline = 0;
    /* A store that was lost, and a way back that has no RECOVER-WAIT (9.10.3): free addresses wait instead. */
    if (endpoint->record.need_all && !endpoint->record.first_time && endpoint->record.state != FO_STATE_RECOVER)
        endpoint->record.forgot_until = fo_endpoint_past_over_at(endpoint);
    endpoint->record.need_all = false;
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_REQUEST_DONE, "");
    if (endpoint->record.state == FO_STATE_RECOVER) {
        enter_recover_wait(endpoint, now);
        fo_endpoint_follow_partner(endpoint, "the partner's state", now);
    } else if (endpoint->record.state == FO_STATE_POTENTIAL_CONFLICT) {
        /* The partner now follows us (9.10.3): the state that it said last leads nowhere. */
        fo_endpoint_set_state(
            endpoint, endpoint->settings.session.primary ? FO_STATE_CONFLICT_DONE : FO_STATE_NORMAL,
            "UPDDONE received", now);
    } else {
        fo_endpoint_follow_partner(endpoint, "UPDDONE received", now);
    }
}
