/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the two files of the session offer to each other: session.c (its life, frames, timers) and
 * handshake.c (how it is established). Whoever uses a session includes session.h alone.
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
/* False where the message says nothing (usable) of its sender's pools. */
bool fo_session_take_pools(struct fo_session *session, const struct fo_message *message);
/* False where a CONTACT does not tell its sender's count of connections. */
bool fo_session_take_count(struct fo_session *session, const struct fo_message *message);

#endif
