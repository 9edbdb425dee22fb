/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Section 9 as data: which state follows (figure 9.2-1 and the text, which goes before it), and
 * what each state means for clients. Who is served in each state is the one table in state.c.
 */
#ifndef FO_PROTOCOL_STATE_H
#define FO_PROTOCOL_STATE_H

#include "protocol/message.h"

/* What kind of query a client sends (RFC 2131 4.3). */
enum fo_query_kind {
    FO_QUERY_DISCOVER,
    FO_QUERY_SELECTING,   /* REQUEST that answers an offer: it names a server */
    FO_QUERY_INIT_REBOOT,
    FO_QUERY_RENEW,
    FO_QUERY_REBIND,
    FO_QUERY_INFORM,
    FO_QUERY_RELEASE,
    FO_QUERY_DECLINE,
    FO_QUERY_KINDS
};

enum fo_service_answer {
    FO_SERVE_NONE,
    FO_SERVE_BALANCED, /* those whose bucket is ours, and those that name us (9.8.2) */
    FO_SERVE_ALL,
};

/* From which free addresses a new client may get one. */
enum fo_free_from {
    FO_FREE_FROM_NONE,
    FO_FREE_FROM_OWN,
    FO_FREE_FROM_ALL_AFTER_MCLT, /* PARTNER-DOWN: the partner's too, MCLT after (9.4.2) */
};

/* With communications OK and the partner in state `partner`: the state that follows `own` (itself
   where it stays). */
enum fo_state fo_state_on_partner(enum fo_state own, enum fo_state partner);

/* Communications fail (figure 9.2-1). */
enum fo_state fo_state_on_interruption(enum fo_state own);

/* The "previous state" with which a server starts (9.3.2 steps 1 and 2); FO_STATE_NONE: no record. */
enum fo_state fo_state_at_start(enum fo_state stored);

enum fo_service_answer fo_state_service(enum fo_state state, enum fo_query_kind kind);
enum fo_free_from fo_state_free_from(enum fo_state state);

/* The state in one sentence, for an operator. */
const char *fo_state_meaning(enum fo_state state);

#endif
