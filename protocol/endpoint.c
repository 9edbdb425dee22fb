/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The endpoint's story: it starts in STARTUP (9.3), gets or makes a connection (8.2), exchanges
 * STATE messages, and moves by the tables of state.c. There is one place where the state changes
 * (set_state) and one where the partner's state is looked at (follow_partner).
 *
 * Updates: fo_endpoint_pump packs what the host wants to send into BNDUPDs within the partner's
 * window (8.4). In NORMAL everything unacknowledged goes; in other states only what the partner
 * requested by UPDREQ or UPDREQALL (7.3, 7.4), until UPDDONE says that all of it was answered.
 */
#include "protocol/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "protocol/hash_bucket.h"
#include "protocol/state.h"

static void follow_partner(struct fo_endpoint *endpoint, const char *why,
                           const struct fo_now *now);

static void note(struct fo_endpoint *endpoint, enum fo_note what, const char *detail)
{
    endpoint->host.note(endpoint->host.context, what, detail);
}

enum fo_state fo_endpoint_state(const struct fo_endpoint *endpoint)
{
    return endpoint->starting ? FO_STATE_STARTUP : (enum fo_state)endpoint->record.state;
}

/* ------------------------------------------------------------------ saying things */

static void store(struct fo_endpoint *endpoint)
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
    message->server_state = endpoint->record.state;
    message->server_flags = endpoint->starting ? FO_SERVER_FLAG_STARTUP : 0;
    message->start_of_state = endpoint->record.state_since;
    endpoint->state_unsaid = false;
    fo_session_send(&endpoint->session, message, false, now);
}

static uint32_t send_bare(struct fo_endpoint *endpoint, enum fo_message_type type,
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
    endpoint->request_xid = send_bare(endpoint, all ? FO_MSG_UPDREQALL : FO_MSG_UPDREQ, now);
    endpoint->request_deadline = now->ms + FO_UPDATE_REQUEST_MS;
    if (endpoint->request_xid != 0)
        note(endpoint, FO_NOTE_REQUEST_SENT, all ? "UPDREQALL" : "UPDREQ");
}

/* ------------------------------------------------------------------ states */

static void set_state(struct fo_endpoint *endpoint, enum fo_state state, const char *why,
                      const struct fo_now *now)
{
    enum fo_state from = (enum fo_state)endpoint->record.state;
    if (state == from)
        return;
    endpoint->record.state = (uint8_t)state;
    endpoint->record.state_since = now->seconds;
    endpoint->state_unsaid = true;
    if (state == FO_STATE_NORMAL) {
        endpoint->record.first_time = false;
        endpoint->pool_request_due = !endpoint->settings.session.primary; /* 9.8.1 */
        endpoint->pool_request_at = now->ms;
    }
    store(endpoint);
    note(endpoint, FO_NOTE_STATE, why);
    endpoint->host.entered(endpoint->host.context, from);
}

/* 9.6.2: from when this server went down, if that is known, else from when it started. */
static void enter_recover_wait(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    set_state(endpoint, FO_STATE_RECOVER_WAIT, "UPDDONE received", now);
    endpoint->record.wait_until = endpoint->record.first_time
                                      ? now->seconds
                                      : (endpoint->record.last_operational
                                             ? endpoint->record.last_operational
                                             : endpoint->started) +
                                            endpoint->record.mclt;
    if (endpoint->record.wait_until > now->seconds)
        note(endpoint, FO_NOTE_RECOVER_WAIT, "");
    else
        set_state(endpoint, FO_STATE_RECOVER_DONE,
                  endpoint->record.first_time ? "no earlier leases to wait for" : "MCLT has passed",
                  now);
}

/* What a state does as long as the partner is there. */
static void act_in_state(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    bool primary = endpoint->settings.session.primary;
    if (!endpoint->communicating || endpoint->state_unsaid)
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
    if (!endpoint->communicating || endpoint->stopping)
        return;
    if (endpoint->record.state == FO_STATE_PARTNER_DOWN && endpoint->partner_starting)
        return; /* 9.4.3 */
    enum fo_state next = fo_state_on_partner((enum fo_state)endpoint->record.state,
                                             (enum fo_state)endpoint->record.partner_state);
    set_state(endpoint, next, why, now);
    act_in_state(endpoint, now);
}

/* 9.3.2 step 5: the partner is there. */
static void end_startup(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->starting = false;
    endpoint->state_unsaid = true;
    if (endpoint->record.partner_state == FO_STATE_PARTNER_DOWN &&
        endpoint->record.state != FO_STATE_RECOVER) {
        bool later = endpoint->record.partner_state_since > endpoint->record.last_operational;
        set_state(endpoint, later ? FO_STATE_RECOVER : FO_STATE_POTENTIAL_CONFLICT,
                  later ? "the partner was alone since this server stopped"
                        : "the partner was alone while this server ran",
                  now);
    }
    store(endpoint);
    endpoint->host.entered(endpoint->host.context, FO_STATE_STARTUP);
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
    if (changed)
        note(endpoint, FO_NOTE_PARTNER_STATE, "");
    if (first) {
        endpoint->communicating = true;
        endpoint->failures = 0;
        endpoint->retry_delay = 0;
        endpoint->record.connections++;
        if (endpoint->session.partner.counts_connections)
            endpoint->record.partner_connections = endpoint->session.partner.own_connections + 1;
        else
            endpoint->record.partner_connections++;
        if (endpoint->starting)
            end_startup(endpoint, now);
        store(endpoint);
    }
    follow_partner(endpoint, "the partner's state", now);
}

static void take_upddone(struct fo_endpoint *endpoint, const struct fo_message *message,
                         const struct fo_now *now)
{
    if (endpoint->request_xid == 0 || message->xid != endpoint->request_xid)
        return; /* of an older request: it says nothing about this one */
    endpoint->request_xid = 0;
    endpoint->request_deadline = 0;
    endpoint->record.need_all = false;
    store(endpoint);
    note(endpoint, FO_NOTE_REQUEST_DONE, "");
    if (endpoint->record.state == FO_STATE_RECOVER) {
        enter_recover_wait(endpoint, now);
        follow_partner(endpoint, "the partner's state", now);
    } else if (endpoint->record.state == FO_STATE_POTENTIAL_CONFLICT) {
        /* The partner now follows us (9.10.3): the state that it said last leads nowhere. */
        set_state(endpoint,
                  endpoint->settings.session.primary ? FO_STATE_CONFLICT_DONE : FO_STATE_NORMAL,
                  "UPDDONE received", now);
    }
}

/* 7.3.2, 7.4.2. An UPDREQALL that was never completed makes every UPDREQ one (7.4.2). */
static void take_update_request(struct fo_endpoint *endpoint, const struct fo_message *message,
                                const struct fo_now *now)
{
    char detail[48];
    bool all = message->type == FO_MSG_UPDREQALL || endpoint->record.update_all_owed;
    if (all && !endpoint->record.update_all_owed) {
        endpoint->record.update_all_owed = true;
        store(endpoint);
        endpoint->host.partner_forgot(endpoint->host.context); /* once, however often it asks */
    }
    endpoint->partner_request = true;
    endpoint->partner_request_xid = message->xid;
    uint32_t count = endpoint->host.updates_requested(endpoint->host.context, all);
    snprintf(detail, sizeof detail, "%s %u", fo_message_name(message->type), count);
    note(endpoint, FO_NOTE_REQUEST_RECEIVED, detail);
    fo_endpoint_pump(endpoint, now);
}

static struct fo_in_flight *find_in_flight(struct fo_endpoint *endpoint, uint32_t xid)
{
    for (size_t i = 0; i < FO_WINDOW_MAX; i++)
        if (endpoint->in_flight[i].xid == xid)
            return &endpoint->in_flight[i];
    return NULL;
}

/* 7.2.2. "every BNDACK message contains exactly the same assigned-IP-address options" (6.3). */
static void take_bndack(struct fo_endpoint *endpoint, const struct fo_message *message,
                        const struct fo_now *now)
{
    struct fo_in_flight *sent = message->xid ? find_in_flight(endpoint, message->xid) : NULL;
    if (sent == NULL || message->update_count != sent->count) {
        fo_session_close(&endpoint->session, FO_REJECT_OTHER,
                         sent ? "BNDACK answers another number of bindings than were sent"
                              : "BNDACK answers no BNDUPD that is outstanding",
                         now);
        return;
    }
    struct fo_in_flight taken = *sent;
    sent->xid = 0;
    endpoint->in_flight_count--;
    for (size_t i = 0; i < message->update_count; i++) {
        const struct fo_update *update = &message->updates[i];
        size_t k = 0;
        while (k < taken.count && taken.items[k].address != update->address)
            k++;
        if (k == taken.count) {
            fo_session_close(&endpoint->session, FO_REJECT_OTHER,
                             "BNDACK names an address that its BNDUPD did not", now);
            return;
        }
        struct fo_acknowledgement acknowledgement = {
            .address = update->address,
            .generation = taken.items[k].generation,
            .potential_expiration = taken.items[k].potential,
            .reject_reason =
                (update->present & FO_HAS(FO_OPT_REJECT_REASON)) ? update->reject_reason : 0,
            .text = update->message,
        };
        taken.items[k] = taken.items[--taken.count];
        if (acknowledgement.reject_reason != FO_REJECT_NONE)
            endpoint->updates_rejected++;
        endpoint->host.acknowledged(endpoint->host.context, &acknowledgement);
    }
    fo_endpoint_pump(endpoint, now);
}

static void take_bndupd(struct fo_endpoint *endpoint, const struct fo_message *message,
                        const struct fo_now *now)
{
    if (endpoint->inbound >= endpoint->session.settings.max_unacked) {
        fo_session_close(&endpoint->session, FO_REJECT_OTHER,
                         "more BNDUPDs than max-unacked-bndupd allows", now);
        return;
    }
    endpoint->inbound++;
    endpoint->updates_received += message->update_count;
    if (endpoint->request_deadline != 0)
        endpoint->request_deadline = now->ms + FO_UPDATE_REQUEST_MS;
    endpoint->host.received(endpoint->host.context, message);
}

static void take_poolreq(struct fo_endpoint *endpoint, const struct fo_message *message,
                         const struct fo_now *now)
{
    uint32_t moved = 0; /* a secondary reports an error and moves nothing (7.6.2) */
    if (endpoint->settings.session.primary)
        moved = endpoint->host.pool_requested(endpoint->host.context);
    else
        note(endpoint, FO_NOTE_PROTOCOL, "the primary sent POOLREQ, which is the secondary's");
    fo_message_begin(&endpoint->outgoing, FO_MSG_POOLRESP);
    endpoint->outgoing.xid = message->xid;
    endpoint->outgoing.present = FO_HAS(FO_OPT_ADDRESSES_TRANSFERRED);
    endpoint->outgoing.addresses_transferred = moved;
    fo_session_send(&endpoint->session, &endpoint->outgoing, true, now);
    fo_endpoint_pump(endpoint, now);
}

static void take_poolresp(struct fo_endpoint *endpoint, const struct fo_message *message,
                          const struct fo_now *now)
{
    if (endpoint->pool_request_xid == 0 || message->xid != endpoint->pool_request_xid)
        return;
    endpoint->pool_request_xid = 0;
    if (message->addresses_transferred > 0) { /* 7.7.2: "it SHOULD send another" */
        endpoint->pool_request_due = true;
        endpoint->pool_request_at = now->ms + FO_POOLREQ_MS;
    }
}

static void on_message(void *context, const struct fo_message *message, const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    endpoint->record.last_contact = now->seconds;
    if (message->type == FO_MSG_CONTACT) {
        note(endpoint, FO_NOTE_POOLS, "");
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
        take_bndupd(endpoint, message, now);
        break;
    case FO_MSG_BNDACK:
        take_bndack(endpoint, message, now);
        break;
    case FO_MSG_UPDREQ:
    case FO_MSG_UPDREQALL:
        take_update_request(endpoint, message, now);
        break;
    case FO_MSG_UPDDONE:
        take_upddone(endpoint, message, now);
        break;
    case FO_MSG_POOLREQ:
        take_poolreq(endpoint, message, now);
        break;
    case FO_MSG_POOLRESP:
        take_poolresp(endpoint, message, now);
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------ sending updates */

static bool window_open(const struct fo_endpoint *endpoint)
{
    uint32_t window = endpoint->session.partner.max_unacked;
    if (window > FO_WINDOW_MAX)
        window = FO_WINDOW_MAX;
    return endpoint->in_flight_count < window;
}

/* Packs one BNDUPD; false where there is nothing to send. */
static bool send_updates(struct fo_endpoint *endpoint, bool requested, const struct fo_now *now)
{
    struct fo_message *message = &endpoint->outgoing;
    struct fo_in_flight *slot = find_in_flight(endpoint, 0);
    size_t most = endpoint->session.settings.dialect->several_updates ? FO_UPDATES_SENT_MAX : 1;
    size_t room = FO_MESSAGE_MAX - FO_HEADER_SIZE;
    struct fo_outgoing next;

    fo_message_begin(message, FO_MSG_BNDUPD);
    slot->count = 0;
    while (message->update_count < most &&
           endpoint->host.next_update(endpoint->host.context, requested, room, &next)) {
        room -= fo_update_size(&next.update);
        slot->items[slot->count].address = next.update.address;
        slot->items[slot->count].generation = next.generation;
        slot->items[slot->count].potential =
            (next.update.present & FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME))
                ? next.update.potential_expiration
                : 0;
        slot->count++;
        message->updates[message->update_count++] = next.update;
    }
    if (message->update_count == 0)
        return false;
    endpoint->in_flight_count++;
    endpoint->updates_sent += message->update_count;
    slot->xid = UINT32_MAX; /* taken, should sending end the session */
    uint32_t xid = fo_session_send(&endpoint->session, message, false, now);
    if (xid == 0)
        return false;
    slot->xid = xid;
    return true;
}

void fo_endpoint_pump(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (!endpoint->communicating || endpoint->state_unsaid || endpoint->stopping)
        return;
    if (endpoint->pools_unsaid) {
        endpoint->pools_unsaid = false;
        fo_session_tell_pools(&endpoint->session, &endpoint->settings.session.pools, now);
    }
    bool normal = endpoint->record.state == FO_STATE_NORMAL;
    if (normal || endpoint->partner_request)
        while (endpoint->communicating && window_open(endpoint) &&
               send_updates(endpoint, !normal, now))
            continue;
    if (endpoint->communicating && endpoint->partner_request &&
        !endpoint->host.requested_left(endpoint->host.context)) {
        endpoint->partner_request = false;
        if (endpoint->record.update_all_owed) {
            endpoint->record.update_all_owed = false;
            store(endpoint);
        }
        fo_message_begin(&endpoint->outgoing, FO_MSG_UPDDONE);
        endpoint->outgoing.xid = endpoint->partner_request_xid;
        fo_session_send(&endpoint->session, &endpoint->outgoing, true, now);
    }
    if (endpoint->communicating && normal && endpoint->pool_request_due &&
        endpoint->pool_request_xid == 0 && now->ms >= endpoint->pool_request_at) {
        endpoint->pool_request_due = false;
        endpoint->pool_request_sent = now->ms;
        endpoint->pool_request_xid = send_bare(endpoint, FO_MSG_POOLREQ, now);
    }
}

void fo_endpoint_acknowledge(struct fo_endpoint *endpoint, uint32_t xid,
                             const struct fo_verdict *verdicts, size_t count,
                             const struct fo_now *now)
{
    struct fo_message *message = &endpoint->outgoing;
    if (endpoint->inbound > 0)
        endpoint->inbound--;
    fo_message_begin(message, FO_MSG_BNDACK);
    message->xid = xid;
    message->update_count = count;
    for (size_t i = 0; i < count; i++) {
        struct fo_update *update = &message->updates[i];
        memset(update, 0, sizeof *update);
        update->present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
        update->address = verdicts[i].address;
        if (verdicts[i].reject != FO_REJECT_NONE) {
            update->present |= FO_HAS(FO_OPT_REJECT_REASON);
            update->reject_reason = (uint8_t)verdicts[i].reject;
            /* The text goes along where there is room for it beside a full frame of bindings. */
            if (count <= FO_UPDATES_SENT_MAX) {
                const char *text = fo_reject_name((uint8_t)verdicts[i].reject);
                update->present |= FO_HAS(FO_OPT_MESSAGE);
                update->message =
                    (struct fo_bytes){(const uint8_t *)text,
                                      (uint16_t)(strlen(text) > 40 ? 40 : strlen(text))};
            }
        }
    }
    fo_session_send(&endpoint->session, message, true, now);
}

void fo_endpoint_request_pool(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (endpoint->settings.session.primary || endpoint->pool_request_xid != 0)
        return;
    int64_t soonest = endpoint->pool_request_sent + FO_POOLREQ_LEAST_MS;
    if (soonest < now->ms)
        soonest = now->ms;
    if (!endpoint->pool_request_due || endpoint->pool_request_at > soonest)
        endpoint->pool_request_at = soonest;
    endpoint->pool_request_due = true;
    fo_endpoint_pump(endpoint, now);
}

/* ------------------------------------------------------------------ connections */

static void plan_attempt(struct fo_endpoint *endpoint, int64_t delay, const struct fo_now *now)
{
    endpoint->attempt_at = endpoint->stopping ? INT64_MAX : now->ms + delay;
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

static void forget_connection(struct fo_endpoint *endpoint)
{
    endpoint->communicating = false;
    endpoint->partner_request = false;
    endpoint->request_xid = 0;
    endpoint->request_deadline = 0;
    endpoint->pool_request_xid = 0;
    endpoint->inbound = 0;
    endpoint->in_flight_count = 0;
    memset(endpoint->in_flight, 0, sizeof endpoint->in_flight);
    endpoint->host.updates_lost(endpoint->host.context);
}

static void interrupted(struct fo_endpoint *endpoint, const char *why, const struct fo_now *now)
{
    if (endpoint->starting || endpoint->stopping)
        return;
    set_state(endpoint, fo_state_on_interruption((enum fo_state)endpoint->record.state), why, now);
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
    enum fo_note what = !established && end->by_partner ? FO_NOTE_REJECTED
                        : !established                  ? FO_NOTE_ATTEMPT_FAILED
                        : end->reason == FO_REJECT_NONE || end->by_partner || endpoint->closing ||
                                end->reason == FO_REJECT_NO_TRAFFIC || endpoint->stopping
                            ? FO_NOTE_LOST
                            : FO_NOTE_PROTOCOL;
    endpoint->last_end = *end;
    endpoint->pools_unsaid = false; /* the next handshake tells them */
    plan_attempt(endpoint, delay_after(endpoint, end, communicating, established), now);
    note(endpoint, what, end->text);
    endpoint->host.disconnect(endpoint->host.context, false);
    forget_connection(endpoint);
    interrupted(endpoint, end->text, now);
}

static void on_established(void *context, const struct fo_now *now)
{
    struct fo_endpoint *endpoint = context;
    struct fo_endpoint_record *record = &endpoint->record;
    const struct fo_session_partner *partner = &endpoint->session.partner;
    if (record->connections == 0 && record->state == FO_STATE_RECOVER)
        /* Sticky: this store remembers it, should the connection break before NORMAL. */
        record->first_time = record->first_time ||
                             (partner->counts_connections && partner->partner_connections == 0);
    record->last_contact = now->seconds;
    endpoint->state_unsaid = true;
    store(endpoint);
    note(endpoint, FO_NOTE_CONNECTED, "");
    if (partner->tells_pools)
        note(endpoint, FO_NOTE_POOLS, "");
}

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct fo_endpoint *endpoint = context;
    return endpoint->host.send(endpoint->host.context, frame, length);
}

static struct fo_session_host session_host(struct fo_endpoint *endpoint)
{
    return (struct fo_session_host){endpoint, on_send, on_established, on_message, on_ended};
}

static const struct fo_session_settings *session_settings(struct fo_endpoint *endpoint)
{
    endpoint->settings.session.own_connections = endpoint->record.connections;
    endpoint->settings.session.partner_connections = endpoint->record.partner_connections;
    return &endpoint->settings.session;
}

void fo_endpoint_connected(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->attempting = false;
    if (!endpoint->settings.session.primary || endpoint->stopping) {
        /* A stimulus (8.2): the primary now makes a connection of its own. */
        endpoint->host.disconnect(endpoint->host.context, true);
        if (endpoint->attempt_at <= now->ms + FO_HANDSHAKE_MS) /* later: it has just refused */
            plan_attempt(endpoint, next_delay(endpoint), now);
        return;
    }
    struct fo_session_host host = session_host(endpoint);
    fo_session_connect(&endpoint->session, session_settings(endpoint), &host, now);
}

/* 7.8.2 steps 7 and 8: the primary's MCLT and division are ours from now on. */
static void adopt_primary(struct fo_endpoint *endpoint)
{
    const struct fo_session_partner *partner = &endpoint->session.partner;
    struct fo_endpoint_record *record = &endpoint->record;
    bool differs = partner->mclt != endpoint->settings.session.mclt;
    record->mclt = partner->mclt;
    if (differs)
        note(endpoint, FO_NOTE_MCLT, "");
    differs = memcmp(partner->secondary_buckets, endpoint->settings.session.secondary_buckets,
                     FO_HBA_SIZE) != 0;
    memcpy(record->secondary_buckets, partner->secondary_buckets, FO_HBA_SIZE);
    if (differs)
        note(endpoint, FO_NOTE_BUCKETS, "");
}

bool fo_endpoint_accept(struct fo_endpoint *endpoint, const struct fo_message *connect,
                        const struct fo_now *now)
{
    struct fo_session_host host = session_host(endpoint);
    struct fo_session_end end;
    if (!fo_session_accept(&endpoint->session, session_settings(endpoint), &host, connect, now,
                           &end)) {
        endpoint->last_end = end;
        note(endpoint, FO_NOTE_REFUSED, end.text);
        plan_attempt(endpoint, FO_REJECT_BACK_OFF_MS, now);
        return false;
    }
    adopt_primary(endpoint);
    plan_attempt(endpoint, 0, now);
    on_established(endpoint, now);
    return true;
}

void fo_endpoint_stimulated(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (!endpoint->settings.session.primary || endpoint->stopping || endpoint->attempting)
        return;
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        /* It would not ask if it had our connection: a probe finds out whether that is dead. */
        send_bare(endpoint, FO_MSG_CONTACT, now);
    else if (endpoint->attempt_at > now->ms + 100)
        endpoint->attempt_at = now->ms + 100;
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

void fo_endpoint_attempt_failed(struct fo_endpoint *endpoint, const char *reason,
                                const struct fo_now *now)
{
    endpoint->attempting = false;
    if (endpoint->session.phase != FO_SESSION_CLOSED)
        return; /* a stimulus that was not needed any more */
    snprintf(endpoint->last_end.text, sizeof endpoint->last_end.text, "%s", reason);
    plan_attempt(endpoint, next_delay(endpoint), now);
    note(endpoint, FO_NOTE_ATTEMPT_FAILED, reason);
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
    endpoint->starting = true;
    endpoint->started = now->seconds;
    endpoint->startup_deadline = now->ms + (int64_t)settings->startup_delay * 1000;
    endpoint->attempt_at = now->ms;
    if (record->state == FO_STATE_NONE) {
        endpoint->record.need_all = true;
        endpoint->record.state_since = now->seconds;
    }
    endpoint->record.state = (uint8_t)fo_state_at_start((enum fo_state)record->state);
    if (settings->session.primary || record->mclt == 0) {
        endpoint->record.mclt = settings->session.mclt;
        memcpy(endpoint->record.secondary_buckets, settings->session.secondary_buckets,
               FO_HBA_SIZE);
    }
    store(endpoint);
}

void fo_endpoint_set(struct fo_endpoint *endpoint, const struct fo_endpoint_settings *settings)
{
    struct fo_ranges pools = endpoint->settings.session.pools;
    endpoint->settings = *settings;
    endpoint->settings.session.pools = pools;
    if (settings->session.primary && endpoint->session.phase == FO_SESSION_CLOSED) {
        endpoint->record.mclt = settings->session.mclt;
        memcpy(endpoint->record.secondary_buckets, settings->session.secondary_buckets,
               FO_HBA_SIZE);
        store(endpoint);
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
        note(endpoint, FO_NOTE_POOLS, "");
}

void fo_endpoint_stored(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (endpoint->session.phase == FO_SESSION_ESTABLISHED && endpoint->state_unsaid &&
        !endpoint->stopping)
        say_state(endpoint, now);
    act_in_state(endpoint, now);
    fo_endpoint_pump(endpoint, now);
}

void fo_endpoint_pause(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->stopping = true;
    endpoint->attempt_at = INT64_MAX;
    if (endpoint->session.phase == FO_SESSION_ESTABLISHED) {
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
    if (endpoint->starting && now->ms >= endpoint->startup_deadline) {
        endpoint->starting = false;
        endpoint->state_unsaid = true;
        store(endpoint);
        note(endpoint, FO_NOTE_STATE, "no contact with the partner during startup");
        endpoint->host.entered(endpoint->host.context, FO_STATE_STARTUP);
    }
    if (endpoint->record.state == FO_STATE_RECOVER_WAIT &&
        now->seconds >= endpoint->record.wait_until) {
        set_state(endpoint, FO_STATE_RECOVER_DONE, "MCLT has passed", now);
        follow_partner(endpoint, "the partner's state", now);
    }
    if (endpoint->request_deadline != 0 && now->ms >= endpoint->request_deadline)
        fo_session_close(&endpoint->session, FO_REJECT_NO_TRAFFIC,
                         "neither BNDUPD nor UPDDONE came for 120 s after UPDREQ", now);
    if (endpoint->session.phase == FO_SESSION_CLOSED && !endpoint->attempting &&
        now->ms >= endpoint->attempt_at) {
        endpoint->attempting = true;
        endpoint->attempt_at = now->ms + FO_HANDSHAKE_MS; /* a TCP attempt is given up then */
        endpoint->host.connect(endpoint->host.context);
    } else if (endpoint->attempting && now->ms >= endpoint->attempt_at) {
        endpoint->host.disconnect(endpoint->host.context, true);
        fo_endpoint_attempt_failed(endpoint, "no answer to the TCP connection within 15 s", now);
    }
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
    if (endpoint->request_deadline != 0)
        deadline = earlier(deadline, endpoint->request_deadline);
    if (endpoint->session.phase == FO_SESSION_CLOSED || endpoint->attempting)
        deadline = earlier(deadline, endpoint->attempt_at);
    if (endpoint->communicating && !endpoint->state_unsaid && endpoint->pool_request_due &&
        endpoint->record.state == FO_STATE_NORMAL && endpoint->pool_request_xid == 0)
        deadline = earlier(deadline, endpoint->pool_request_at);
    if (endpoint->record.state == FO_STATE_RECOVER_WAIT) {
        int64_t wait = endpoint->record.wait_until > now->seconds
                           ? (int64_t)(endpoint->record.wait_until - now->seconds) * 1000
                           : 0;
        deadline = earlier(deadline, now->ms + wait);
    }
    return deadline;
}
