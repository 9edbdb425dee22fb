/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the three files of the session offer to each other: session.c (its life, frames, timers),
 * handshake.c (how it is established) and introduction.c (what two of us tell each other). Whoever uses
 * a session includes session.h alone.
 */
#ifndef FO_PROTOCOL_SESSION_INTERNAL_H
#define FO_PROTOCOL_SESSION_INTERNAL_H

#include "protocol/session.h"

/* ------------------------------------------------------------------ session.c */
struct fo_bytes fo_bytes_of(const char *text);
/* The session is over; says nothing to the partner. */
void fo_session_end_with(struct fo_session *session, enum fo_reject_reason reason, bool by_partner,
                         const char *text, const struct fo_now *now);
/* False where sending failed: the session is over. */
bool fo_session_send_frame(struct fo_session *session, struct fo_message *message,
                           const struct fo_now *now);
void fo_session_start_send_timer(struct fo_session *session, const struct fo_now *now);
void fo_session_measure_clock(struct fo_session *session, const struct fo_message *message,
                              const struct fo_now *now);

/* ------------------------------------------------------------------ handshake.c */
/* The answer to CONNECT is not authentic, for this reason. */
void fo_session_distrust(struct fo_session *session, const uint8_t *frame, size_t length,
                         enum fo_reject_reason reason, const char *text, const struct fo_now *now);
void fo_session_take_connectack(struct fo_session *session, const struct fo_message *ack,
                                const struct fo_now *now);

/* ------------------------------------------------------------------ introduction.c */
enum {
    /* Of all sub-options together, with their headers. */
    FO_INTRODUCTION_MAX =
        4 * 8 + 4 + FO_RANGES_MAX * FO_RANGE_SIZE + 4 + 2 + 4 + 2 * FO_NONCE_SIZE,
};
/* What one of us tells another at the handshake; `space` holds it until the message is sent. */
void fo_introduce(const struct fo_session *session, struct fo_message *message,
                  uint8_t space[FO_INTRODUCTION_MAX]);
/* What we say in max-unacked-bndupd. */
uint32_t fo_window_told(const struct fo_session_settings *settings);
/* What both handshake messages say of their sender. Vendor options count only from our own kind. */
void fo_take_introduction(struct fo_session *session, const struct fo_message *message);
/* What a CONTACT tells by the way: session->partner.told. */
void fo_session_take_told(struct fo_session *session, const struct fo_message *message);
bool fo_is_own_kind(const struct fo_session_settings *settings, const struct fo_message *message);
/* The nonces of a message of our own kind; false where they are not so long. */
bool fo_nonces_of(const struct fo_session_settings *settings, const struct fo_message *message,
                  uint16_t length, struct fo_bytes *value);

#endif
