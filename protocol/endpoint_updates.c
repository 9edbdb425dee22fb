/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Binding updates and pools, both ways (draft sections 7.1 to 7.7).
 *
 * fo_endpoint_pump packs what the host wants to send into BNDUPDs within the partner's window (8.4).
 * In NORMAL everything unacknowledged goes; in other states only what the partner requested by UPDREQ
 * or UPDREQALL (7.3, 7.4), until UPDDONE says that all of it was answered. It looks anew for something
 * to send whenever an acknowledgement makes room.
 *
 * The host answers a BNDUPD when all of it is durable, by fo_endpoint_acknowledge.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/endpoint_internal.h"

/* ------------------------------------------------------------------ updates to the partner */

static struct fo_in_flight *find_in_flight(struct fo_endpoint *endpoint, uint32_t xid)
{
    for (size_t i = 0; i < FO_WINDOW_MAX; i++)
        if (endpoint->in_flight[i].xid == xid)
            return &endpoint->in_flight[i];
    return NULL;
}

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
    size_t room = FO_MESSAGE_MAX - FO_HEADER_SIZE -
                  (endpoint->session.settings.digest != NULL ? FO_DIGEST_OPTION_MAX : 0);
    struct fo_outgoing next;

    fo_message_begin(message, FO_MSG_BNDUPD);
    slot->count = 0;
    slot->sent = now->ms;
    while (message->update_count < most &&
           endpoint->host.next_update(endpoint->host.context, requested, room, &next)) {
        room -= fo_update_size(&next.update);
        slot->items[slot->count].address = next.update.address;
        slot->items[slot->count].generation = next.generation;
        slot->items[slot->count].forgotten = false;
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
    if (!endpoint->communicating || endpoint->state_unsaid || endpoint->stopping || endpoint->shut ||
        endpoint->marking)
        return;
    if (endpoint->pools_unsaid) {
        endpoint->pools_unsaid = false;
        fo_session_tell_pools(&endpoint->session, &endpoint->settings.session.pools, now);
    }
    if (endpoint->serving_unsaid && endpoint->communicating) {
        endpoint->serving_unsaid = false;
        fo_session_tell_serving(&endpoint->session, &endpoint->settings.session.serving, now);
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
            fo_endpoint_store(endpoint);
        }
        fo_message_begin(&endpoint->outgoing, FO_MSG_UPDDONE);
        endpoint->outgoing.xid = endpoint->partner_request_xid;
        fo_session_send(&endpoint->session, &endpoint->outgoing, true, now);
    }
    if (endpoint->communicating && normal && endpoint->pool_request_due &&
        endpoint->pool_request_xid == 0 && now->ms >= endpoint->pool_request_at) {
        endpoint->pool_request_due = false;
        endpoint->pool_request_sent = now->ms;
        endpoint->pool_request_xid = fo_endpoint_send_bare(endpoint, FO_MSG_POOLREQ, now);
    }
}

void fo_endpoint_sift(struct fo_endpoint *endpoint,
                      bool (*known)(void *context, uint32_t address))
{
    for (size_t i = 0; i < FO_WINDOW_MAX; i++)
        for (size_t k = 0; endpoint->in_flight[i].xid != 0 && k < endpoint->in_flight[i].count; k++)
            if (!endpoint->in_flight[i].items[k].forgotten)
                endpoint->in_flight[i].items[k].forgotten =
                    !known(endpoint->host.context, endpoint->in_flight[i].items[k].address);
}

/* 7.2.2. "every BNDACK message contains exactly the same assigned-IP-address options" (6.3). */
void fo_take_bndack(struct fo_endpoint *endpoint, const struct fo_message *message,
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
    endpoint->ack_ms = (uint32_t)(now->ms - taken.sent);
    if (endpoint->ack_ms > endpoint->ack_longest_ms)
        endpoint->ack_longest_ms = endpoint->ack_ms;
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
            .sent = taken.sent,
            .reject_reason =
                (update->present & FO_HAS(FO_OPT_REJECT_REASON)) ? update->reject_reason : 0,
            .text = update->message,
        };
        bool forgotten = taken.items[k].forgotten;
        taken.items[k] = taken.items[--taken.count];
        if (acknowledgement.reject_reason != FO_REJECT_NONE)
            endpoint->updates_rejected++;
        if (!forgotten)
            endpoint->host.acknowledged(endpoint->host.context, &acknowledgement);
    }
    fo_endpoint_pump(endpoint, now);
}

/* ------------------------------------------------------------------ updates from the partner */

void fo_take_bndupd(struct fo_endpoint *endpoint, const struct fo_message *message,
                    const struct fo_now *now)
{
    if (endpoint->inbound >= fo_session_window(&endpoint->session)) {
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

void fo_endpoint_acknowledge(struct fo_endpoint *endpoint, uint32_t xid,
                             const struct fo_verdict *verdicts, size_t count,
                             const struct fo_now *now)
{
    struct fo_message *message = &endpoint->outgoing;
    if (endpoint->inbound > 0)
        endpoint->inbound--;
    if (endpoint->request_deadline != 0)
        endpoint->request_deadline = now->ms + FO_UPDATE_REQUEST_MS;
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
            if (count <= FO_UPDATES_SENT_MAX) { /* 32 of 57 bytes, and the digest */
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

/* ------------------------------------------------------------------ requests of the partner's, and pools */

/* 7.3.2, 7.4.2. An UPDREQALL that was never completed makes every UPDREQ one (7.4.2). */
void fo_take_update_request(struct fo_endpoint *endpoint, const struct fo_message *message,
                            const struct fo_now *now)
{
    bool all = message->type == FO_MSG_UPDREQALL || endpoint->record.update_all_owed ||
               endpoint->marking_all;
    if (all && !endpoint->record.update_all_owed && !endpoint->marking_all) {
        endpoint->marking_all = true;
        endpoint->host.partner_forgot(endpoint->host.context); /* once, however often it asks */
    }
    endpoint->partner_request = true;
    endpoint->partner_request_xid = message->xid;
    endpoint->partner_request_type = message->type;
    endpoint->marking = true;
    uint32_t count = endpoint->host.updates_requested(endpoint->host.context, all);
    if (count != FO_MARKED_LATER)
        fo_endpoint_marked(endpoint, count, now);
}

/* The connection may be another by now, or none: then the partner asks again. That all is owed to it is
   stored with, not before, what the host has made of its bindings because the partner forgot: a crash in
   between must not make it forgo that. */
void fo_endpoint_marked(struct fo_endpoint *endpoint, uint32_t count, const struct fo_now *now)
{
    char detail[48];
    if (endpoint->marking_all) {
        endpoint->record.update_all_owed = true;
        fo_endpoint_store(endpoint);
    }
    endpoint->marking = endpoint->marking_all = false;
    if (!endpoint->partner_request)
        return;
    snprintf(detail, sizeof detail, "%s %u", fo_message_name(endpoint->partner_request_type), count);
    fo_endpoint_note(endpoint, FO_NOTE_REQUEST_RECEIVED, detail);
    fo_endpoint_pump(endpoint, now);
}

void fo_take_poolreq(struct fo_endpoint *endpoint, const struct fo_message *message,
                     const struct fo_now *now)
{
    uint32_t moved = 0; /* a secondary reports an error and moves nothing (7.6.2) */
    if (endpoint->settings.session.primary)
        moved = endpoint->host.pool_requested(endpoint->host.context);
    else
        fo_endpoint_note(endpoint, FO_NOTE_PROTOCOL,
                         "the primary sent POOLREQ, which is the secondary's");
    fo_message_begin(&endpoint->outgoing, FO_MSG_POOLRESP);
    endpoint->outgoing.xid = message->xid;
    endpoint->outgoing.present = FO_HAS(FO_OPT_ADDRESSES_TRANSFERRED);
    endpoint->outgoing.addresses_transferred = moved;
    fo_session_send(&endpoint->session, &endpoint->outgoing, true, now);
    fo_endpoint_pump(endpoint, now);
}

void fo_take_poolresp(struct fo_endpoint *endpoint, const struct fo_message *message,
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
