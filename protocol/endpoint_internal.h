/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What the files of the endpoint (endpoint*.c) offer to each other. Whoever uses an endpoint includes
 * endpoint.h alone.
 *
 * Any of these functions may end the session, for sending may fail: the caller looks at the endpoint
 * again before it goes on.
 */
#ifndef FO_PROTOCOL_ENDPOINT_INTERNAL_H
#define FO_PROTOCOL_ENDPOINT_INTERNAL_H

#include "protocol/endpoint.h"

/* ------------------------------------------------------------------ endpoint.c */
void fo_endpoint_note(struct fo_endpoint *endpoint, enum fo_note what, const char *detail);
/* The record changed. */
void fo_endpoint_store(struct fo_endpoint *endpoint);
/* A message without options; its xid, 0 where it could not be sent. */
uint32_t fo_endpoint_send_bare(struct fo_endpoint *endpoint, enum fo_message_type type,
                               const struct fo_now *now);
/* This MCLT is in force. */
void fo_endpoint_set_mclt(struct fo_endpoint *endpoint, uint32_t mclt);
bool fo_endpoint_knows_mclt(const struct fo_endpoint *endpoint);
void fo_endpoint_take_lead_time(struct fo_endpoint *endpoint);
/* The session's call for each message after the handshake. */
void fo_endpoint_on_message(void *context, const struct fo_message *message,
                            const struct fo_now *now);

/* ------------------------------------------------------------------ endpoint_states.c */
void fo_endpoint_set_state(struct fo_endpoint *endpoint, enum fo_state state, const char *why,
                           const struct fo_now *now);
/* The state that follows where there is no connection (any more). */
enum fo_state fo_endpoint_state_alone(const struct fo_endpoint *endpoint);
/* A connection stands again after so long that the partner, declared to be alone meanwhile, may have given
   this server's addresses (9.4.2): then this one, on its way back, asks anew as well. */
void fo_endpoint_recover_again(struct fo_endpoint *endpoint, const struct fo_now *now);
/* What the partner's state means for ours; then, what our state asks for. */
void fo_endpoint_follow_partner(struct fo_endpoint *endpoint, const char *why,
                                const struct fo_now *now);
/* What a state does as long as the partner is there. */
void fo_endpoint_act(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_endpoint_say_state(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_take_state(struct fo_endpoint *endpoint, const struct fo_message *message,
                   const struct fo_now *now);
void fo_take_upddone(struct fo_endpoint *endpoint, const struct fo_message *message,
                     const struct fo_now *now);
/* Seconds: from when on what this server has leased and forgotten, its store being lost, is over (9.6.2). */
uint32_t fo_endpoint_past_over_at(const struct fo_endpoint *endpoint);

/* ------------------------------------------------------------------ endpoint_count.c */
/* The partner says whether it has ever spoken with this server (9.6.2). */
void fo_endpoint_note_first_time(struct fo_endpoint *endpoint);
/* Is it a new store? */
bool fo_endpoint_has_never_met(const struct fo_endpoint *endpoint);
/* Does the partner remember a later state of this store than there is? */
bool fo_endpoint_is_behind(const struct fo_endpoint *endpoint);
void fo_endpoint_move_past(struct fo_endpoint *endpoint);
/* It does, and is not behind itself. */
bool fo_endpoint_was_rolled_back(const struct fo_endpoint *endpoint);
/* If so, all is to be recovered. */
void fo_endpoint_look_for_rollback(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_endpoint_remember_count(struct fo_endpoint *endpoint);
void fo_endpoint_move_count(struct fo_endpoint *endpoint, const struct fo_now *now);

/* ------------------------------------------------------------------ endpoint_shutdown.c */
/* The partner's STATE while this server is shut down. False: it is not any more. */
bool fo_endpoint_shut_heard(struct fo_endpoint *endpoint, const struct fo_now *now);
void fo_endpoint_shut_timer(struct fo_endpoint *endpoint, const struct fo_now *now);

/* ------------------------------------------------------------------ endpoint_updates.c */
/* UPDREQ and UPDREQALL. */
void fo_take_update_request(struct fo_endpoint *endpoint, const struct fo_message *message,
                            const struct fo_now *now);
void fo_take_bndupd(struct fo_endpoint *endpoint, const struct fo_message *message,
                    const struct fo_now *now);
void fo_take_bndack(struct fo_endpoint *endpoint, const struct fo_message *message,
                    const struct fo_now *now);
void fo_take_poolreq(struct fo_endpoint *endpoint, const struct fo_message *message,
                     const struct fo_now *now);
void fo_take_poolresp(struct fo_endpoint *endpoint, const struct fo_message *message,
                      const struct fo_now *now);

#endif
