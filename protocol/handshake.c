/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * How a connection is established (draft sections 7.8, 7.9): the primary's CONNECT, the secondary's
 * CONNECTACK, and what one of us tells another by vendor-specific options.
 *
 * The steps of receiving CONNECT (7.8.2) and CONNECTACK (7.9.2) are in the draft's order, and
 * every check that can refuse a connection is in fo_session_accept and fo_session_take_connectack,
 * nowhere else.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/session_internal.h"
#include "protocol/wire.h"

/* Sub-options of vendor-specific-options between two of us (12.29). */
enum {
    VENDOR_OWN_CONNECTIONS = 1,
    VENDOR_PARTNER_CONNECTIONS = 2,
    VENDOR_POOLS = 3, /* ranges.h */
    VENDOR_MAX = 2 * 8 + 4 + FO_RANGES_MAX * FO_RANGE_SIZE, /* bytes of all of them */
};

/* ------------------------------------------------------------------ what each says of itself */

static void put_number(struct fo_writer *writer, uint16_t code, uint32_t number)
{
    fo_write_u16(writer, code);
    fo_write_u16(writer, 4);
    fo_write_u32(writer, number);
}

static void put_pools(struct fo_writer *writer, const struct fo_ranges *pools)
{
    uint8_t bytes[FO_RANGES_MAX * FO_RANGE_SIZE];
    size_t length = fo_ranges_write(pools, bytes);
    fo_write_u16(writer, VENDOR_POOLS);
    fo_write_u16(writer, (uint16_t)length);
    fo_write_bytes(writer, bytes, length);
}

/* 12.29: never without the vendor class. */
static void put_vendor_options(struct fo_message *message, const char *vendor_class,
                               const struct fo_writer *writer)
{
    message->present |=
        FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) | FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS);
    message->vendor_class = fo_bytes_of(vendor_class);
    message->vendor_options =
        (struct fo_bytes){writer->data, (uint16_t)fo_writer_length(writer)};
}

/* What one of us tells another at the handshake; `space` holds it until the message is sent. */
static void introduce(const struct fo_session_settings *settings, struct fo_message *message,
                      uint8_t space[VENDOR_MAX])
{
    struct fo_writer writer;
    if (!settings->dialect->vendor_options)
        return;
    fo_writer_init(&writer, space, VENDOR_MAX);
    put_number(&writer, VENDOR_OWN_CONNECTIONS, settings->own_connections);
    put_number(&writer, VENDOR_PARTNER_CONNECTIONS, settings->partner_connections);
    put_pools(&writer, &settings->pools);
    put_vendor_options(message, settings->vendor_class, &writer);
}

static bool vendor_number(const struct fo_message *message, uint16_t code, uint32_t *number)
{
    struct fo_bytes value;
    if (!fo_vendor_option(message, code, &value) || value.length != 4)
        return false;
    *number = (uint32_t)value.data[0] << 24 | (uint32_t)value.data[1] << 16 |
              (uint32_t)value.data[2] << 8 | value.data[3];
    return true;
}

/* False where the message says nothing (usable) of its sender's pools. */
bool fo_session_take_pools(struct fo_session *session, const struct fo_message *message)
{
    struct fo_session_partner *partner = &session->partner;
    struct fo_bytes value;
    if (!partner->own_kind || !fo_vendor_option(message, VENDOR_POOLS, &value))
        return false;
    partner->tells_pools = fo_ranges_read(&partner->pools, value.data, value.length);
    return partner->tells_pools;
}

/* What both handshake messages say of their sender. Vendor options count only from our own kind. */
static void take_common(struct fo_session *session, const struct fo_message *message)
{
    struct fo_session_partner *partner = &session->partner;
    size_t ours = strcspn(session->settings.vendor_class, " ");
    partner->own_kind =
        message->vendor_class.length >= ours &&
        memcmp(message->vendor_class.data, session->settings.vendor_class, ours) == 0;
    partner->max_unacked = message->max_unacked;
    partner->receive_timer = message->receive_timer;
    if (partner->receive_timer > FO_RECEIVE_TIMER_MAX)
        partner->receive_timer = FO_RECEIVE_TIMER_MAX;
    partner->counts_connections =
        partner->own_kind &&
        vendor_number(message, VENDOR_OWN_CONNECTIONS, &partner->own_connections) &&
        vendor_number(message, VENDOR_PARTNER_CONNECTIONS, &partner->partner_connections);
    fo_session_take_pools(session, message);
}

/* ------------------------------------------------------------------ the two messages, and their judgement */

/* The options that 7.8 and 7.9 demand of both. NULL, or the name of the missing one. */
static const char *missing_option(const struct fo_message *message, const uint8_t *options,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(message->present & FO_HAS(options[i])))
            return fo_option_name(options[i]);
    return NULL;
}

static bool clock_acceptable(const struct fo_session_settings *settings, uint32_t time,
                             const struct fo_now *now)
{
    int64_t difference = (int64_t)now->seconds - (int64_t)time;
    if (difference < 0)
        difference = -difference;
    return settings->max_clock_skew == 0 || difference <= (int64_t)settings->max_clock_skew;
}

static void establish(struct fo_session *session, const struct fo_now *now)
{
    session->phase = FO_SESSION_ESTABLISHED;
    session->heard = now->seconds;
    session->receive_deadline = now->ms + (int64_t)session->settings.receive_timer * 1000;
    fo_session_start_send_timer(session, now);
}

static void reset(struct fo_session *session, const struct fo_session_settings *settings,
                  const struct fo_session_host *host)
{
    memset(session, 0, offsetof(struct fo_session, buffer));
    session->settings = *settings;
    session->host = *host;
    session->next_xid = 1;
}

void fo_session_connect(struct fo_session *session, const struct fo_session_settings *settings,
                        const struct fo_session_host *host, const struct fo_now *now)
{
    struct fo_message message;
    uint8_t vendor[VENDOR_MAX];
    reset(session, settings, host);
    session->phase = FO_SESSION_CONNECT_SENT;
    session->handshake_deadline = now->ms + FO_HANDSHAKE_MS;

    fo_message_begin(&message, FO_MSG_CONNECT);
    message.time = now->seconds;
    message.xid = session->connect_xid = session->next_xid++;
    message.present = FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                      FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) |
                      FO_HAS(FO_OPT_PROTOCOL_VERSION) | FO_HAS(FO_OPT_TLS_REQUEST) |
                      FO_HAS(FO_OPT_MCLT) | FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT);
    message.relationship_name = fo_bytes_of(settings->relationship_name);
    message.max_unacked = settings->max_unacked;
    message.receive_timer = settings->receive_timer;
    message.vendor_class = fo_bytes_of(settings->vendor_class);
    message.protocol_version = FO_PROTOCOL_VERSION;
    message.mclt = settings->mclt;
    for (size_t i = 0; i < FO_HBA_SIZE; i++)
        message.hash_buckets[i] = settings->dialect->buckets_are_secondarys
                                      ? settings->secondary_buckets[i]
                                      : (uint8_t)~settings->secondary_buckets[i];
    introduce(settings, &message, vendor);
    fo_session_send_frame(session, &message, now);
}

size_t fo_session_refuse(const struct fo_dialect *dialect, const struct fo_message *connect,
                         enum fo_reject_reason reason, const char *text, uint32_t seconds,
                         uint8_t *frame)
{
    struct fo_message message;
    fo_message_begin(&message, FO_MSG_CONNECTACK);
    message.time = seconds;
    message.xid = connect->xid;
    message.present = FO_HAS(FO_OPT_PROTOCOL_VERSION) | FO_HAS(FO_OPT_REJECT_REASON) |
                      FO_HAS(FO_OPT_MESSAGE);
    if (connect->present & FO_HAS(FO_OPT_RELATIONSHIP_NAME)) {
        message.present |= FO_HAS(FO_OPT_RELATIONSHIP_NAME);
        message.relationship_name = connect->relationship_name;
    }
    if (connect->present & FO_HAS(FO_OPT_TLS_REQUEST))
        message.present |= FO_HAS(FO_OPT_TLS_REPLY);
    message.protocol_version = FO_PROTOCOL_VERSION;
    message.reject_reason = (uint8_t)reason;
    message.message = fo_bytes_of(text);
    return fo_encode(dialect, &message, frame, FO_MESSAGE_MAX);
}

/* 7.8.2, steps 2 to 8. */
static enum fo_reject_reason judge_connect(const struct fo_session_settings *settings,
                                           const struct fo_message *connect,
                                           const struct fo_now *now, struct fo_session_end *end)
{
    static const uint8_t must[] = {FO_OPT_MAX_UNACKED_BNDUPD, FO_OPT_RECEIVE_TIMER,
                                   FO_OPT_PROTOCOL_VERSION, FO_OPT_MCLT,
                                   FO_OPT_HASH_BUCKET_ASSIGNMENT};
    const char *missing = missing_option(connect, must, sizeof must);
    size_t room = sizeof end->text;
    /* The version first: another one may do without some of the options. */
    if ((connect->present & FO_HAS(FO_OPT_PROTOCOL_VERSION)) &&
        connect->protocol_version != FO_PROTOCOL_VERSION) {
        snprintf(end->text, room, "protocol version %u, this server speaks %u",
                 connect->protocol_version, FO_PROTOCOL_VERSION);
        return FO_REJECT_VERSION_MISMATCH;
    }
    if (missing != NULL) {
        snprintf(end->text, room, "CONNECT lacks the option %s", missing);
        return FO_REJECT_UNKNOWN;
    }
    if ((connect->present & FO_HAS(FO_OPT_TLS_REQUEST)) && connect->tls_request == 2) {
        snprintf(end->text, room, "the primary requires TLS, which this server does not have");
        return FO_REJECT_TLS_NOT_SUPPORTED;
    }
    if (connect->present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) {
        snprintf(end->text, room, "the primary signs its messages, no secret is configured here");
        return FO_REJECT_DIGEST_NOT_CONFIGURED;
    }
    if (settings->primary) {
        snprintf(end->text, room, "CONNECT came from a server that has the role of secondary here");
        return FO_REJECT_INVALID_PARTNER;
    }
    if (!clock_acceptable(settings, connect->time, now)) {
        snprintf(end->text, room, "the clocks differ by %lld s, max-clock-skew is %u s",
                 (long long)now->seconds - (long long)connect->time, settings->max_clock_skew);
        return FO_REJECT_TIME_MISMATCH;
    }
    if (connect->mclt == 0 || connect->mclt > FO_MCLT_MAX) {
        snprintf(end->text, room, "an MCLT of %u s is not between 1 and %d s", connect->mclt,
                 FO_MCLT_MAX);
        return FO_REJECT_INVALID_MCLT;
    }
    if (connect->max_unacked == 0 || connect->receive_timer == 0) {
        snprintf(end->text, room, "max-unacked-bndupd and receive-timer must not be 0");
        return FO_REJECT_UNKNOWN;
    }
    return FO_REJECT_NONE;
}

bool fo_session_accept(struct fo_session *session, const struct fo_session_settings *settings,
                       const struct fo_session_host *host, const struct fo_message *connect,
                       const struct fo_now *now, struct fo_session_end *end)
{
    struct fo_message message;
    uint8_t vendor[VENDOR_MAX];
    reset(session, settings, host);
    memset(end, 0, sizeof *end);
    end->reason = judge_connect(settings, connect, now, end);
    if (end->reason != FO_REJECT_NONE) {
        uint8_t frame[FO_MESSAGE_MAX];
        size_t length = fo_session_refuse(settings->dialect, connect, end->reason, end->text,
                                          now->seconds, frame);
        host->send(host->context, frame, length);
        return false;
    }
    fo_session_measure_clock(session, connect, now);
    take_common(session, connect);
    session->partner.mclt = connect->mclt;
    for (size_t i = 0; i < FO_HBA_SIZE; i++)
        session->partner.secondary_buckets[i] = settings->dialect->buckets_are_secondarys
                                                    ? connect->hash_buckets[i]
                                                    : (uint8_t)~connect->hash_buckets[i];
    establish(session, now);

    fo_message_begin(&message, FO_MSG_CONNECTACK);
    message.xid = connect->xid;
    message.present = FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                      FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) |
                      FO_HAS(FO_OPT_PROTOCOL_VERSION);
    if (connect->present & FO_HAS(FO_OPT_TLS_REQUEST))
        message.present |= FO_HAS(FO_OPT_TLS_REPLY);
    message.relationship_name = fo_bytes_of(settings->relationship_name);
    message.max_unacked = settings->max_unacked;
    message.receive_timer = settings->receive_timer;
    message.vendor_class = fo_bytes_of(settings->vendor_class);
    message.protocol_version = FO_PROTOCOL_VERSION;
    introduce(settings, &message, vendor);
    fo_session_send(session, &message, true, now);
    return session->phase == FO_SESSION_ESTABLISHED;
}

/* A CONNECTACK that accepts has established the connection (7.12), though it does not suit us: the
   partner learns why by DISCONNECT (8.6). */
static void drop_accepted(struct fo_session *session, enum fo_reject_reason reason,
                          const char *text, const struct fo_now *now)
{
    session->phase = FO_SESSION_ESTABLISHED;
    fo_session_close(session, reason, text, now);
}

/* 7.9.2, steps 2 to 8. */
void fo_session_take_connectack(struct fo_session *session, const struct fo_message *ack,
                                const struct fo_now *now)
{
    static const uint8_t must[] = {FO_OPT_MAX_UNACKED_BNDUPD, FO_OPT_RECEIVE_TIMER};
    char text[192];
    if (ack->xid != session->connect_xid)
        return; /* "it SHOULD be ignored" */
    if (ack->present & FO_HAS(FO_OPT_REJECT_REASON)) {
        snprintf(text, sizeof text, "%s%s%.*s", fo_reject_name(ack->reject_reason),
                 ack->message.length ? ": " : "", (int)ack->message.length,
                 ack->message.length ? (const char *)ack->message.data : "");
        fo_session_end_with(session, (enum fo_reject_reason)ack->reject_reason, true, text, now);
        return;
    }
    const char *missing = missing_option(ack, must, sizeof must);
    if (missing != NULL || ack->max_unacked == 0 || ack->receive_timer == 0) {
        snprintf(text, sizeof text, "CONNECTACK without a usable %s",
                 missing ? missing : "max-unacked-bndupd and receive-timer");
        drop_accepted(session, FO_REJECT_UNKNOWN, text, now);
        return;
    }
    if ((ack->present & FO_HAS(FO_OPT_PROTOCOL_VERSION)) &&
        ack->protocol_version != FO_PROTOCOL_VERSION) {
        snprintf(text, sizeof text, "the partner speaks protocol version %u, this server %u",
                 ack->protocol_version, FO_PROTOCOL_VERSION);
        drop_accepted(session, FO_REJECT_VERSION_MISMATCH, text, now);
        return;
    }
    if (ack->present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) {
        drop_accepted(session, FO_REJECT_DIGEST_NOT_CONFIGURED,
                      "the partner signs its messages, no secret is configured here", now);
        return;
    }
    if (!clock_acceptable(&session->settings, ack->time, now)) {
        snprintf(text, sizeof text, "the clocks differ by %lld s, max-clock-skew is %u s",
                 (long long)now->seconds - (long long)ack->time, session->settings.max_clock_skew);
        drop_accepted(session, FO_REJECT_TIME_MISMATCH, text, now);
        return;
    }
    fo_session_measure_clock(session, ack, now);
    take_common(session, ack);
    establish(session, now);
    session->host.established(session->host.context, now);
}

void fo_session_tell_pools(struct fo_session *session, const struct fo_ranges *pools,
                           const struct fo_now *now)
{
    struct fo_message message;
    struct fo_writer writer;
    uint8_t space[VENDOR_MAX];
    session->settings.pools = *pools;
    if (!session->settings.dialect->vendor_options || !session->partner.own_kind)
        return;
    fo_message_begin(&message, FO_MSG_CONTACT);
    fo_writer_init(&writer, space, sizeof space);
    put_pools(&writer, pools);
    put_vendor_options(&message, session->settings.vendor_class, &writer);
    fo_session_send(session, &message, false, now);
}
