/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The endpoint's connections (draft sections 7.8, 7.9, 8.2). The primary makes them; the secondary
 * merely asks it to, by a connection that says nothing (the stimulus). When one ends, the state
 * follows as communication is interrupted, and the next attempt is planned: at once where the
 * connection had worked, after a minute where the partner rejected it, else after a delay that
 * grows.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/endpoint_internal.h"
#include "protocol/faults.h"
#include "protocol/state.h"

static void plan_attempt(struct fo_endpoint *endpoint, int64_t delay, const struct fo_now *now)
{
    endpoint->attempt_at = endpoint->stopping || endpoint->shut ? INT64_MAX : now->ms + delay;
}

/* The next delay: the configured one, doubled up to a minute. */
static int64_t next_delay(struct fo_endpoint *endpoint)
{
    int64_t delay = endpoint->retry_delay;
    if (delay == 0)
        delay = (int64_t)endpoint->settings.connect_retry_delay * 1000;
    endpoint->retry_delay = delay * 2 > FO_RETRY_MAX_MS ? FO_RETRY_MAX_MS : delay * 2;
    return delay > FO_RETRY_MAX_MS ? FO_RETRY_MAX_MS : delay;
}

void fo_endpoint_keep_contact(struct fo_endpoint *endpoint)
{
    if (endpoint->communicating && endpoint->session.heard > endpoint->record.last_contact)
        endpoint->record.last_contact = endpoint->session.heard;
}

static void forget_connection(struct fo_endpoint *endpoint)
{
    fo_endpoint_keep_contact(endpoint);
    endpoint->communicating = false;
    endpoint->count_unsaid = false; /* the next handshake tells it */
    endpoint->partner_request &= FO_FAULTY(DONE_STALE);
    endpoint->request_xid = 0;
    endpoint->request_deadline = 0;
    endpoint->pool_request_xid = 0;
    endpoint->inbound = 0;
    if (endpoint->in_flight_count > 0) /* else all are free, and 300 kB need not be touched */
        for (size_t i = 0; i < FO_WINDOW_MAX; i++)
            endpoint->in_flight[i].xid = 0;
    endpoint->in_flight_count = 0;
    endpoint->ack_longest_ms = 0;
    endpoint->host.updates_lost(endpoint->host.context);
}

static void interrupted(struct fo_endpoint *endpoint, const char *why, const struct fo_now *now)
{
    if (endpoint->starting || endpoint->stopping || endpoint->shut)
        return;
    fo_endpoint_set_state(endpoint, fo_endpoint_state_alone(endpoint), why, now);
}

/* How soon the next attempt: at once after a connection that worked; a minute after a reject, or
   where errors repeat (7.9, 7.12). */
static int64_t delay_after(struct fo_endpoint *endpoint, const struct fo_session_end *end,
                           bool was_communicating, bool was_established)
{
    bool leaving = endpoint->record.partner_state == FO_STATE_PAUSED ||
                   endpoint->record.partner_state == FO_STATE_SHUTDOWN;
    if (end->by_partner && !was_established)
        return FO_REJECT_BACK_OFF_MS;
    if (was_communicating && (end->reason == FO_REJECT_NONE || leaving || endpoint->closing))
        return 200;
    if (end->reason != FO_REJECT_NONE && end->reason != FO_REJECT_NO_TRAFFIC && !leaving &&
        ++endpoint->failures > 1)
        return FO_REJECT_BACK_OFF_MS;
    return next_delay(endpoint);
}

static void on_ended(void *context, const struct fo_session_end *end, const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    bool communicating = endpoint->communicating;
    bool established = endpoint->session.receive_deadline != 0;
    enum fo_note what = fo_digest_is_about(end->reason)   ? FO_NOTE_NOT_AUTHENTIC
                        : !established && end->by_partner ? FO_NOTE_REJECTED
                        : !established                  ? FO_NOTE_ATTEMPT_FAILED
                        : end->reason == FO_REJECT_NONE || end->by_partner || endpoint->closing ||
                                end->reason == FO_REJECT_NO_TRAFFIC || endpoint->stopping ||
                                endpoint->shut
                            ? FO_NOTE_LOST
                            : FO_NOTE_PROTOCOL;
    endpoint->last_end = *end;
    endpoint->last_end_at = now->seconds;
    endpoint->pools_unsaid = endpoint->serving_unsaid = false; /* the next handshake tells them */
    if (what == FO_NOTE_REJECTED || what == FO_NOTE_PROTOCOL || what == FO_NOTE_NOT_AUTHENTIC)
        endpoint->sign_of_life = now->ms;
    plan_attempt(endpoint, delay_after(endpoint, end, communicating, established), now);
    fo_endpoint_note(endpoint, what, end->text);
    endpoint->host.disconnect(endpoint->host.context, false);
    forget_connection(endpoint);
    if (endpoint->shut_deadline != 0) {
        endpoint->shut_deadline = 0;
        fo_endpoint_note(endpoint, FO_NOTE_SHUTDOWN, end->text);
    }
    interrupted(endpoint, end->text, now);
}

static void on_established(void *context, const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    struct fo_endpoint_record *record = &endpoint->record;
    const struct fo_session_partner *partner = &endpoint->session.partner;
    if (!partner->gives_nonce) /* else CONNECT may be a recorded one: only the STATE after it is not */
        fo_endpoint_note_first_time(endpoint);
    /* One that is behind what the partner remembers stays so until the first STATE has told whether it was
       rolled back: the connection may break before. */
    if (!fo_endpoint_is_behind(endpoint))
        fo_endpoint_move_past(endpoint);
    else if (!partner->gives_nonce)
        fo_endpoint_look_for_rollback(endpoint, now);
    if (endpoint->settings.session.primary)
        fo_endpoint_set_mclt(endpoint, endpoint->session.settings.mclt);
    fo_endpoint_recover_again(endpoint, now);
    record->last_contact = now->seconds;
    endpoint->sign_of_life = 0; /* from now on the connection is */
    endpoint->state_unsaid = true;
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_CONNECTED, "");
    if (partner->tells_pools)
        fo_endpoint_note(endpoint, FO_NOTE_POOLS, "");
    fo_endpoint_note(endpoint, FO_NOTE_SERVING, "");
}

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct fo_endpoint *endpoint = context;
    return endpoint->host.send(endpoint->host.context, frame, length);
}

static struct fo_session_host session_host(struct fo_endpoint *endpoint)
{
    return (struct fo_session_host){endpoint, on_send, on_established, fo_endpoint_on_message, on_ended};
}

static const struct fo_session_settings *session_settings(struct fo_endpoint *endpoint)
{
    endpoint->settings.session.own_connections = endpoint->record.connections;
    endpoint->settings.session.partner_connections = endpoint->record.partner_connections;
    endpoint->settings.session.lead_time = fo_endpoint_knows_mclt(endpoint) ? fo_endpoint_lead_time(endpoint) : 0;
    return &endpoint->settings.session;
}

void fo_endpoint_connected(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->attempting = false;
    const bool primary = endpoint->settings.session.primary;
    if (!primary || endpoint->stopping || endpoint->shut) {
        /* A stimulus (8.2): the primary now makes a connection of its own. Or the primary goes, whose host
           has taken it for the connection already. */
        endpoint->host.disconnect(endpoint->host.context, !primary);
        if (endpoint->attempt_at <= now->ms + FO_HANDSHAKE_MS) /* later: it has just refused */
            plan_attempt(endpoint, next_delay(endpoint), now);
        return;
    }
    struct fo_session_host host = session_host(endpoint);
    endpoint->connect_said = now->seconds;
    fo_session_connect(&endpoint->session, session_settings(endpoint), &host, now);
}

/* 7.8.2 steps 7 and 8: the primary's MCLT and division are ours from now on. */
static void adopt_primary(struct fo_endpoint *endpoint)
{
    const struct fo_session_partner *partner = &endpoint->session.partner;
    struct fo_endpoint_record *record = &endpoint->record;
    bool differs = partner->mclt != endpoint->settings.session.mclt;
    fo_endpoint_set_mclt(endpoint, partner->mclt);
    if (differs)
        fo_endpoint_note(endpoint, FO_NOTE_MCLT, "");
    differs = memcmp(partner->secondary_buckets, endpoint->settings.session.secondary_buckets,
                     FO_HBA_SIZE) != 0;
    memcpy(record->secondary_buckets, partner->secondary_buckets, FO_HBA_SIZE);
    if (differs)
        fo_endpoint_note(endpoint, FO_NOTE_BUCKETS, "");
}

/* 11.1: a CONNECT with the time of an earlier one, or a time before it, "MUST be rejected". But a clock
   may be set back, and between two of us CONNECT shows another number that only grows, the connections
   its sender remembers: one with more of them than all before is none of those. A server that has lost
   this count is known by the time alone. What is refused leaves no trace here, or a CONNECT from a wrong
   clock would shut out all that come when it is right again. */
static void remember_connect(struct fo_endpoint *endpoint, const struct fo_message *connect)
{
    struct fo_endpoint_record *record = &endpoint->record;
    uint32_t count;
    if (endpoint->settings.session.digest == NULL)
        return;
    if (connect->time > record->connect_time)
        record->connect_time = connect->time;
    if (fo_session_count_of(&endpoint->settings.session, connect, &count) &&
        count > record->connect_count)
        record->connect_count = count;
}

enum fo_reject_reason fo_endpoint_admit(struct fo_endpoint *endpoint,
                                        const struct fo_message *connect, const uint8_t *frame,
                                        size_t length, char *text, size_t size)
{
    const struct fo_endpoint_record *record = &endpoint->record;
    const struct fo_session_settings *settings = &endpoint->settings.session;
    uint32_t count;
    if (settings->digest == NULL)
        return FO_REJECT_NONE; /* fo_session_accept judges alone */
    enum fo_reject_reason reason = fo_session_admit(settings, connect, frame, length, text, size);
    if (reason != FO_REJECT_NONE)
        return reason;
    if (connect->time > record->connect_time || FO_FAULTY(STRANGER_BELIEVED) ||
        (fo_session_count_of(settings, connect, &count) && count > record->connect_count))
        return FO_REJECT_NONE;
    snprintf(text, size, "CONNECT is %u s older than the last one: somebody repeats it, or the clock of "
             "the primary was set back, which has lost its state file, too",
             record->connect_time - connect->time);
    return FO_REJECT_TIME_MISMATCH;
}

bool fo_endpoint_accept(struct fo_endpoint *endpoint, const struct fo_message *connect,
                        const struct fo_now *now)
{
    struct fo_session_host host = session_host(endpoint);
    struct fo_session_end end;
    if (!fo_session_accept(&endpoint->session, session_settings(endpoint), &host, connect, now,
                           &end)) {
        endpoint->last_end = end;
        endpoint->last_end_at = now->seconds;
        endpoint->sign_of_life = now->ms;
        fo_endpoint_note(endpoint,
                         fo_digest_is_about(end.reason) ? FO_NOTE_NOT_AUTHENTIC : FO_NOTE_REFUSED,
                         end.text);
        plan_attempt(endpoint, FO_REJECT_BACK_OFF_MS, now);
        return false;
    }
    remember_connect(endpoint, connect);
    adopt_primary(endpoint);
    plan_attempt(endpoint, 0, now);
    on_established(endpoint, now);
    return true;
}

void fo_endpoint_stimulated(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->sign_of_life = now->ms;
    if (!endpoint->settings.session.primary || endpoint->stopping || endpoint->shut)
        return;
    if (endpoint->attempting) { /* given up at attempt_at */
        if (endpoint->attempt_at - now->ms > FO_HANDSHAKE_MS - FO_FRESH_ATTEMPT_MS)
            return;
        /* It was made to where nobody was, and TCP repeats it ever more rarely. */
        endpoint->attempting = false;
        endpoint->host.disconnect(endpoint->host.context, true);
    }
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        /* It would not ask if it had our connection: a probe finds out whether that is dead. */
        fo_endpoint_send_bare(endpoint, FO_MSG_CONTACT, now);
    else if (endpoint->attempt_at > now->ms + 100)
        endpoint->attempt_at = now->ms + 100;
}

void fo_endpoint_retry(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (endpoint->session.phase == FO_SESSION_CLOSED && !endpoint->attempting)
        plan_attempt(endpoint, 0, now);
}

void fo_endpoint_received(struct fo_endpoint *endpoint, const uint8_t *data, size_t length,
                          const struct fo_now *now)
{
    fo_session_receive(&endpoint->session, data, length, now);
}

void fo_endpoint_lost(struct fo_endpoint *endpoint, const char *reason, const struct fo_now *now)
{
    fo_session_lost(&endpoint->session, reason, now);
}

void fo_endpoint_failed_by(struct fo_endpoint *endpoint, const char *why, const struct fo_now *now)
{
    endpoint->last_end = (struct fo_session_end){.reason = FO_REJECT_NONE};
    snprintf(endpoint->last_end.text, sizeof endpoint->last_end.text, "%s", why);
    endpoint->last_end_at = now->seconds;
}

void fo_endpoint_not_admitted(struct fo_endpoint *endpoint, enum fo_reject_reason reason,
                              const char *why, const struct fo_now *now)
{
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        return;
    endpoint->sign_of_life = now->ms;
    fo_endpoint_failed_by(endpoint, why, now);
    endpoint->last_end.reason = reason;
    if (!endpoint->attempting)
        plan_attempt(endpoint, FO_REJECT_BACK_OFF_MS, now);
}

void fo_endpoint_attempt_failed(struct fo_endpoint *endpoint, const char *reason,
                                const struct fo_now *now)
{
    endpoint->attempting = false;
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        return; /* a stimulus that was not needed any more */
    fo_endpoint_failed_by(endpoint, reason, now);
    plan_attempt(endpoint, next_delay(endpoint), now);
    fo_endpoint_note(endpoint, FO_NOTE_ATTEMPT_FAILED, reason);
}
