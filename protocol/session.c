/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One connection's life: TCP stands -> CONNECT -> CONNECTACK -> established -> over.
 *
 * How it is established, and what can refuse it, is in handshake.c. After that a session only frames,
 * keeps the two timers (8.3) and measures the clock difference; what messages mean is the endpoint's.
 */
#include "protocol/session_internal.h"

#include <stdio.h>
#include <string.h>

#include "protocol/faults.h"
#include "protocol/lease_time.h"

void fo_message_begin(struct fo_message *message, uint8_t type)
{
    memset(message, 0, offsetof(struct fo_message, updates));
    message->type = type;
}

struct fo_bytes fo_bytes_of(const char *text)
{
    return (struct fo_bytes){(const uint8_t *)text, (uint16_t)strlen(text)};
}

static void end_session(struct fo_session *session, const struct fo_session_end *end,
                        const struct fo_now *now)
{
    if (session->phase == FO_SESSION_CLOSED)
        return;
    session->phase = FO_SESSION_CLOSED;
    session->host.ended(session->host.context, end, now);
}

void fo_session_end_with(struct fo_session *session, enum fo_reject_reason reason, bool by_partner,
                         const char *text, const struct fo_now *now)
{
    struct fo_session_end end = {.reason = reason, .by_partner = by_partner};
    snprintf(end.text, sizeof end.text, "%s", text);
    end_session(session, &end, now);
}

/* ------------------------------------------------------------------ sending */

void fo_session_start_send_timer(struct fo_session *session, const struct fo_now *now)
{
    uint32_t timer = session->partner.receive_timer;
    int64_t ms = (int64_t)timer * 1000 / 3; /* 7.9.1: "approximately 33 percent" */
    if (session->settings.contact_interval != 0 &&
        (int64_t)session->settings.contact_interval * 1000 < ms)
        ms = (int64_t)session->settings.contact_interval * 1000;
    session->send_deadline = now->ms + ms;
}

/* What is hashed before a frame: which of the two has sent it, and the connection's nonces. So nothing
   signed by the same secret counts here that belongs to another connection, or is our own coming back.
   Towards a partner that gave no nonce there is but the draft's digest. */
static struct fo_bytes bond(const struct fo_session *session, bool by_primary,
                            uint8_t bytes[FO_BOND_SIZE])
{
    bytes[0] = by_primary ? 1 : 2;
    memcpy(bytes + 1, session->nonces, sizeof session->nonces);
    return (struct fo_bytes){bytes, session->bound ? FO_BOND_SIZE : 0};
}

bool fo_session_send_frame(struct fo_session *session, struct fo_message *message,
                           const struct fo_now *now)
{
    uint8_t frame[FO_MESSAGE_MAX], bytes[FO_BOND_SIZE];
    const struct fo_digest *digest = session->settings.digest;
    if (digest != NULL)
        fo_digest_prepare(digest, message);
    size_t length = fo_encode(session->settings.dialect, message, frame, sizeof frame);
    if (length != 0 && digest != NULL &&
        !fo_digest_sign(digest, bond(session, session->settings.primary, bytes), frame, length)) {
        fo_session_end_with(session, FO_REJECT_OTHER, false,
                            "the digest of a message could not be computed", now);
        return false;
    }
    if (length == 0 || !session->host.send(session->host.context, frame, length)) {
        fo_session_end_with(
            session, FO_REJECT_OTHER, false,
            length == 0 ? "a message did not fit into a frame" : "the partner does not read", now);
        return false;
    }
    fo_session_start_send_timer(session, now);
    return true;
}

uint32_t fo_session_send(struct fo_session *session, struct fo_message *message, bool response,
                         const struct fo_now *now)
{
    if (session->phase != FO_SESSION_ESTABLISHED)
        return 0;
    message->time = now->seconds;
    if (!response) {
        message->xid = session->next_xid++;
        if (session->next_xid == 0)
            session->next_xid = 1;
    }
    uint32_t xid = message->xid;
    return fo_session_send_frame(session, message, now) ? xid : 0;
}

void fo_session_close(struct fo_session *session, enum fo_reject_reason reason, const char *text,
                      const struct fo_now *now)
{
    if (session->phase == FO_SESSION_ESTABLISHED) {
        struct fo_message message;
        fo_message_begin(&message, FO_MSG_DISCONNECT);
        message.present = FO_HAS(FO_OPT_REJECT_REASON) | FO_HAS(FO_OPT_MESSAGE);
        message.reject_reason = (uint8_t)reason;
        message.message = fo_bytes_of(text);
        fo_session_send(session, &message, false, now);
    }
    fo_session_end_with(session, reason, false, text, now);
}

void fo_session_lost(struct fo_session *session, const char *text, const struct fo_now *now)
{
    fo_session_end_with(session, FO_REJECT_NONE, false, text, now);
}

/* ------------------------------------------------------------------ receiving */

static bool is_response(uint8_t type)
{
    return type == FO_MSG_BNDACK || type == FO_MSG_POOLRESP || type == FO_MSG_UPDDONE ||
           type == FO_MSG_CONNECTACK;
}

/* 11.1: the xid of every message "MUST be greater than that of the previous message". That can only be
   meant of those that are no response, whose xid is that of what they answer. */
static bool repeats(struct fo_session *session, const struct fo_message *message,
                    const struct fo_now *now)
{
    char text[160];
    if (session->settings.digest == NULL || is_response(message->type))
        return false;
    if (!session->last_xid_known || (int32_t)(message->xid - session->last_xid) > 0) {
        session->last_xid = message->xid;
        session->last_xid_known = true;
        return false;
    }
    snprintf(text, sizeof text,
             "the transaction id of %s is %u, above %u expected: somebody repeats messages",
             fo_message_name(message->type), message->xid, session->last_xid);
    fo_session_close(session, FO_REJECT_DIGEST_FAILED, text, now);
    return true;
}

static void take_message(struct fo_session *session, const struct fo_message *message,
                         const struct fo_now *now)
{
    char text[160];
    if (session->phase == FO_SESSION_CONNECT_SENT) {
        if (message->type == FO_MSG_CONNECTACK) {
            fo_session_take_connectack(session, message, now);
            return;
        }
        snprintf(text, sizeof text, "%s came before CONNECTACK", fo_message_name(message->type));
        fo_session_end_with(session, FO_REJECT_OTHER, false, text, now);
        return;
    }
    if (repeats(session, message, now))
        return;
    session->receive_deadline = now->ms + (int64_t)session->settings.receive_timer * 1000;
    session->heard = now->seconds;
    fo_session_measure_clock(session, message, now);
    switch (message->type) {
    case FO_MSG_CONNECT:
    case FO_MSG_CONNECTACK:
        snprintf(text, sizeof text, "%s on an established connection",
                 fo_message_name(message->type));
        fo_session_close(session, FO_REJECT_DUPLICATE_CONNECTION, text, now);
        break;
    case FO_MSG_CONTACT:
        fo_session_take_told(session, message);
        if (session->partner.told != 0)
            session->host.received(session->host.context, message, now);
        break;
    case FO_MSG_DISCONNECT:
        snprintf(text, sizeof text, "%s%s%.*s", fo_reject_name(message->reject_reason),
                 message->message.length ? ": " : "",
                 message->message.length > 100 ? 100 : message->message.length,
                 message->message.length ? (const char *)message->message.data : "");
        fo_session_end_with(session, (enum fo_reject_reason)message->reject_reason, true, text,
                            now);
        break;
    default:
        if (message->type < 128) /* above: "SHOULD ignore the message" (6.1) */
            session->host.received(session->host.context, message, now);
    }
}

/* Whether a frame comes from the partner, before anything in it is believed (11.1). */
static bool authentic(struct fo_session *session, const uint8_t *frame, size_t length,
                      const struct fo_now *now)
{
    uint8_t bytes[FO_BOND_SIZE];
    char text[160];
    enum fo_reject_reason reason =
        fo_digest_check(session->settings.digest, bond(session, !session->settings.primary, bytes),
                        frame, length, text, sizeof text);
    if (reason == FO_REJECT_NONE)
        return true;
    if (session->phase == FO_SESSION_CONNECT_SENT)
        fo_session_distrust(session, frame, length, reason, text, now);
    else
        fo_session_close(session, reason, text, now);
    return false;
}

/* Takes one whole frame; false where the session is over. */
static bool take_frame(struct fo_session *session, const uint8_t *frame, size_t length,
                       const struct fo_now *now)
{
    struct fo_decode_error error;
    if (!authentic(session, frame, length, now))
        return false;
    if (fo_decode(session->settings.dialect, frame, length, &session->incoming, &error))
        take_message(session, &session->incoming, now);
    else
        fo_session_close(session, error.reason, error.text, now);
    return session->phase != FO_SESSION_CLOSED;
}

void fo_session_receive(struct fo_session *session, const uint8_t *data, size_t length,
                        const struct fo_now *now)
{
    while (length > 0 && session->phase != FO_SESSION_CLOSED) {
        /* Whole frames are taken where they lie; a part waits in the buffer for its rest. */
        int whole = session->fill == 0 ? fo_frame_length(data, length) : 0;
        if (whole > 0 && (size_t)whole <= length) {
            if (!take_frame(session, data, (size_t)whole, now))
                return;
            data += whole;
            length -= (size_t)whole;
            continue;
        }
        whole = whole < 0 ? -1 : fo_frame_length(session->buffer, session->fill);
        size_t want = whole > 0 ? (size_t)whole - session->fill : session->fill < 2 ? 2 - session->fill : 0;
        size_t take = want < length ? want : length;
        if (whole >= 0) {
            memcpy(session->buffer + session->fill, data, take);
            session->fill += take;
            data += take;
            length -= take;
            whole = fo_frame_length(session->buffer, session->fill);
        }
        if (whole < 0) {
            fo_session_close(session, FO_REJECT_OTHER,
                             "a message length outside 12 to 2048 bytes", now);
            return;
        }
        if (whole > 0 && session->fill == (size_t)whole) {
            session->fill = 0;
            if (!take_frame(session, session->buffer, (size_t)whole, now))
                return;
        }
    }
}

/* ------------------------------------------------------------------ timers and clocks */

void fo_session_timer(struct fo_session *session, const struct fo_now *now)
{
    if (session->phase == FO_SESSION_CONNECT_SENT && now->ms >= session->handshake_deadline) {
        fo_session_end_with(session, FO_REJECT_NO_TRAFFIC, false, "no CONNECTACK within 15 s", now);
    } else if (session->phase == FO_SESSION_ESTABLISHED) {
        if (now->ms >= session->receive_deadline) {
            char text[96];
            snprintf(text, sizeof text, "no message from the partner for %u s",
                     session->settings.receive_timer);
            fo_session_close(session, FO_REJECT_NO_TRAFFIC, text, now);
        } else if (now->ms >= session->send_deadline) {
            struct fo_message message;
            fo_message_begin(&message, FO_MSG_CONTACT);
            fo_session_send(session, &message, false, now);
        }
    }
}

int64_t fo_session_deadline(const struct fo_session *session)
{
    switch (session->phase) {
    case FO_SESSION_CONNECT_SENT:
        return session->handshake_deadline;
    case FO_SESSION_ESTABLISHED:
        return session->send_deadline < session->receive_deadline ? session->send_deadline
                                                                  : session->receive_deadline;
    case FO_SESSION_CLOSED:
        break;
    }
    return INT64_MAX;
}

void fo_session_measure_clock(struct fo_session *session, const struct fo_message *message,
                              const struct fo_now *now)
{
    int32_t delta = (int32_t)(now->seconds - message->time);
    if (!session->delta_known) {
        session->delta_known = true;
        session->delta_least = session->window_least = delta;
        session->window_until = now->ms + FO_CLOCK_WINDOW_MS;
    } else if (now->ms >= session->window_until) {
        session->delta_lately = session->window_least;
        session->lately_known = true;
        session->window_least = delta;
        session->window_until = now->ms + FO_CLOCK_WINDOW_MS;
    }
    if (delta < session->delta_least)
        session->delta_least = delta;
    if (delta < session->window_least)
        session->window_least = delta;
    if (!session->lately_known)
        session->delta_lately = session->window_least;
}

static uint32_t convert(uint32_t time, int32_t delta)
{
    if (time == 0 || time >= FO_TIME_LAST)
        return time;
    int64_t converted = (int64_t)time + (FO_FAULTY(CLOCK_WRONG_WAY) ? -delta : delta);
    return converted < 1 ? 1 : converted > FO_TIME_LAST - 1 ? FO_TIME_LAST - 1 : (uint32_t)converted;
}

uint32_t fo_session_permits(const struct fo_session *session, uint32_t time)
{
    return convert(time, session->delta_least);
}

/* Clocks that are equal show -1 as often as 0, by the whole seconds of headers. That counts as none: what
   forbids only gets later, and is the same on both servers. */
uint32_t fo_session_forbids(const struct fo_session *session, uint32_t time)
{
    return convert(time, session->delta_lately == -1 ? 0 : session->delta_lately);
}
