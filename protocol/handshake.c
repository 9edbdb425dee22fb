/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * How a connection is established (draft sections 7.8, 7.9): the primary's CONNECT, the secondary's
 * CONNECTACK. What one of us tells another by vendor-specific options is in introduction.c.
 *
 * The steps of receiving CONNECT (7.8.2) and CONNECTACK (7.9.2) are in the draft's order, and
 * every check that can refuse a connection is in fo_session_accept and fo_session_take_connectack,
 * nowhere else; but whether the sender has the secret (11.1) is asked before, by fo_session_admit, for
 * who has not may not even end the connection that there is.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/session_internal.h"

/* ------------------------------------------------------------------ who has the secret */

/* The draft's digest does not say in which connection a message was sent, nor by which of the two: what
   was recorded yesterday is as good today (but for CONNECT, fo_endpoint_admit). So two of us give each
   other a nonce, and sign what follows the handshake together with both (session.c). CONNECTACK repeats
   the primary's: it cannot be one of before. Who has only recordings gets no further than that. */
enum fo_reject_reason fo_session_admit(const struct fo_session_settings *settings,
                                       const struct fo_message *connect, const uint8_t *frame,
                                       size_t length, char *text, size_t size)
{
    const struct fo_bytes no_bond = {NULL, 0};
    struct fo_bytes nonce;
    enum fo_reject_reason reason =
        fo_digest_check(settings->digest, no_bond, frame, length, text, size);
    if (reason != FO_REJECT_NONE || settings->digest == NULL || !settings->dialect->vendor_options ||
        !fo_is_own_kind(settings, connect) || fo_nonces_of(settings, connect, FO_NONCE_SIZE, &nonce))
        return reason;
    snprintf(text, size, "CONNECT is signed, but has no nonce");
    return FO_REJECT_DIGEST_FAILED;
}

/* Secondary: takes the primary's nonce; both go back with CONNECTACK, and count from then on. */
static void take_nonce(struct fo_session *session, const struct fo_message *connect)
{
    struct fo_bytes nonce;
    if (session->settings.digest == NULL ||
        !fo_nonces_of(&session->settings, connect, FO_NONCE_SIZE, &nonce))
        return;
    memcpy(session->nonces, nonce.data, FO_NONCE_SIZE);
    memcpy(session->nonces + FO_NONCE_SIZE, session->settings.nonce, FO_NONCE_SIZE);
    session->partner.gives_nonce = true;
}

/* Primary: takes both from CONNECTACK; false where one of us did not answer this very CONNECT. */
static bool take_nonces(struct fo_session *session, const struct fo_message *ack)
{
    struct fo_bytes both;
    if (session->settings.digest == NULL || !session->settings.dialect->vendor_options ||
        !fo_is_own_kind(&session->settings, ack))
        return true;
    if (!fo_nonces_of(&session->settings, ack, 2 * FO_NONCE_SIZE, &both) ||
        memcmp(both.data, session->nonces, FO_NONCE_SIZE) != 0)
        return false;
    memcpy(session->nonces, both.data, sizeof session->nonces);
    session->bound = true;
    return true;
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
                  const struct fo_session_host *host, const struct fo_now *now)
{
    const uint32_t next = session->next_xid;
    memset(session, 0, offsetof(struct fo_session, buffer));
    session->settings = *settings;
    session->host = *host;
    session->next_xid = 1;
    /* 11.1: greater than all before; so a CONNECTACK of before answers another CONNECT, too. */
    if (settings->digest != NULL)
        session->next_xid = next > now->seconds ? next : now->seconds;
}

void fo_session_connect(struct fo_session *session, const struct fo_session_settings *settings,
                        const struct fo_session_host *host, const struct fo_now *now)
{
    struct fo_message message;
    uint8_t vendor[FO_INTRODUCTION_MAX];
    reset(session, settings, host, now);
    memcpy(session->nonces, settings->nonce, FO_NONCE_SIZE);
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
    message.max_unacked = fo_window_told(settings);
    message.receive_timer = settings->receive_timer;
    message.vendor_class = fo_bytes_of(settings->vendor_class);
    message.protocol_version = FO_PROTOCOL_VERSION;
    message.mclt = settings->mclt;
    for (size_t i = 0; i < FO_HBA_SIZE; i++)
        message.hash_buckets[i] = settings->dialect->buckets_are_secondarys
                                      ? settings->secondary_buckets[i]
                                      : (uint8_t)~settings->secondary_buckets[i];
    fo_introduce(session, &message, vendor);
    fo_session_send_frame(session, &message, now);
}

size_t fo_session_refuse(const struct fo_dialect *dialect, const struct fo_digest *digest,
                         const struct fo_message *connect, enum fo_reject_reason reason,
                         const char *text, uint32_t seconds, uint8_t *frame)
{
    const struct fo_bytes no_bond = {NULL, 0};
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
    if (digest != NULL)
        fo_digest_prepare(digest, &message);
    size_t length = fo_encode(dialect, &message, frame, FO_MESSAGE_MAX);
    return digest == NULL || fo_digest_sign(digest, no_bond, frame, length) ? length : 0;
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
    if (settings->digest == NULL && (connect->present & FO_HAS(FO_OPT_MESSAGE_DIGEST))) {
        snprintf(end->text, room, "CONNECT is signed, but no secret is configured at the secondary: give "
                 "both servers the same secret, or none");
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
    uint8_t vendor[FO_INTRODUCTION_MAX];
    reset(session, settings, host, now);
    memset(end, 0, sizeof *end);
    end->reason = judge_connect(settings, connect, now, end);
    if (end->reason != FO_REJECT_NONE) {
        uint8_t frame[FO_MESSAGE_MAX];
        size_t length = fo_session_refuse(settings->dialect, settings->digest, connect,
                                          end->reason, end->text, now->seconds, frame);
        if (length > 0)
            host->send(host->context, frame, length);
        return false;
    }
    fo_session_measure_clock(session, connect, now);
    fo_take_introduction(session, connect);
    take_nonce(session, connect);
    session->last_xid = connect->xid;
    session->last_xid_known = true;
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
    message.max_unacked = fo_window_told(settings);
    message.receive_timer = settings->receive_timer;
    message.vendor_class = fo_bytes_of(settings->vendor_class);
    message.protocol_version = FO_PROTOCOL_VERSION;
    fo_introduce(session, &message, vendor);
    fo_session_send(session, &message, true, now);
    session->bound = session->partner.gives_nonce;
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

/* What an answer says that is not authentic is a hint to the operator, no more. */
void fo_session_distrust(struct fo_session *session, const uint8_t *frame, size_t length,
                         enum fo_reject_reason reason, const char *text, const struct fo_now *now)
{
    struct fo_message *ack = &session->incoming;
    struct fo_decode_error error;
    char both[320];
    if (!fo_decode(session->settings.dialect, frame, length, ack, &error) ||
        ack->type != FO_MSG_CONNECTACK || !(ack->present & FO_HAS(FO_OPT_REJECT_REASON))) {
        drop_accepted(session, reason, text, now);
        return;
    }
    /* Of digests the partner says the same as `text`, from its side. */
    bool words = ack->message.length > 0 &&
                 !fo_digest_is_about((enum fo_reject_reason)ack->reject_reason);
    snprintf(both, sizeof both, "%s (it refuses: %s%s%.*s)", text, fo_reject_name(ack->reject_reason),
             words ? ": " : "", words ? (int)ack->message.length : 0,
             words ? (const char *)ack->message.data : "");
    fo_session_end_with(session, reason, true, both, now);
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
    if (!take_nonces(session, ack)) {
        drop_accepted(session, FO_REJECT_DIGEST_FAILED,
                      "CONNECTACK answers another CONNECT: somebody repeats messages", now);
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
    if (!clock_acceptable(&session->settings, ack->time, now)) {
        snprintf(text, sizeof text, "the clocks differ by %lld s, max-clock-skew is %u s",
                 (long long)now->seconds - (long long)ack->time, session->settings.max_clock_skew);
        drop_accepted(session, FO_REJECT_TIME_MISMATCH, text, now);
        return;
    }
    fo_session_measure_clock(session, ack, now);
    fo_take_introduction(session, ack);
    establish(session, now);
    session->host.established(session->host.context, now);
}
