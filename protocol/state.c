/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two tables. Transitions: own state x the partner's, with communications OK. A change of the
 * partner's state while connected goes "through the communications-failed transition" and then
 * takes the transition for the new state (9.2): so NORMAL's row is that of
 * COMMUNICATIONS-INTERRUPTED. Service: state x kind of query.
 */
#include "protocol/state.h"

/* RECOVER-WAIT is 254 on the wire; in the tables it follows the last of 12.24. */
enum { ROW_RECOVER_WAIT = FO_STATE_CONFLICT_DONE + 1, ROWS };

static unsigned row_of(enum fo_state state)
{
    return state == FO_STATE_RECOVER_WAIT                ? (unsigned)ROW_RECOVER_WAIT
           : (unsigned)state <= FO_STATE_CONFLICT_DONE ? (unsigned)state
                                                       : (unsigned)FO_STATE_NONE;
}

#define STAY 0
#define NRML FO_STATE_NORMAL
#define C_I FO_STATE_COMMUNICATIONS_INTERRUPTED
#define PDWN FO_STATE_PARTNER_DOWN
#define P_C FO_STATE_POTENTIAL_CONFLICT

static const uint8_t transitions[ROWS][ROWS] = {
#define ROW(nrml, ci, pdwn, pc, rec, paus, shut, rdone, ri, cdone, rwait)                       \
    {[FO_STATE_NORMAL] = nrml, [FO_STATE_COMMUNICATIONS_INTERRUPTED] = ci,                      \
     [FO_STATE_PARTNER_DOWN] = pdwn, [FO_STATE_POTENTIAL_CONFLICT] = pc,                        \
     [FO_STATE_RECOVER] = rec, [FO_STATE_PAUSED] = paus, [FO_STATE_SHUTDOWN] = shut,            \
     [FO_STATE_RECOVER_DONE] = rdone, [FO_STATE_RESOLUTION_INTERRUPTED] = ri,                   \
     [FO_STATE_CONFLICT_DONE] = cdone, [ROW_RECOVER_WAIT] = rwait}
    /* the partner:  NORMAL  C-INT PDOWN POTCON RECOV PAUSED SHUTDN RDONE  RESINT CDONE  RWAIT */
    /* 9.8.4 */
    [FO_STATE_NORMAL] =
        ROW(NRML, NRML, P_C, P_C, C_I, C_I, PDWN, NRML, P_C, P_C, C_I),
    /* 9.9.3 */
    [FO_STATE_COMMUNICATIONS_INTERRUPTED] =
        ROW(NRML, NRML, P_C, P_C, STAY, STAY, PDWN, NRML, P_C, P_C, STAY),
    /* 9.4.3 */
    [FO_STATE_PARTNER_DOWN] =
        ROW(P_C, P_C, P_C, P_C, STAY, STAY, STAY, NRML, P_C, P_C, STAY),
    /* 9.10.3: left by UPDDONE or by losing the connection */
    [FO_STATE_POTENTIAL_CONFLICT] =
        ROW(STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY),
    /* 9.5.2 */
    [FO_STATE_RECOVER] =
        ROW(STAY, STAY, STAY, P_C, STAY, STAY, STAY, STAY, P_C, P_C, STAY),
    /* 9.6.2: left by its timer */
    [ROW_RECOVER_WAIT] =
        ROW(STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY),
    /* 9.7.2 and the figure */
    [FO_STATE_RECOVER_DONE] =
        ROW(NRML, STAY, STAY, P_C, STAY, STAY, STAY, NRML, P_C, P_C, STAY),
    /* 9.11.3 */
    [FO_STATE_RESOLUTION_INTERRUPTED] =
        ROW(P_C, P_C, P_C, P_C, P_C, P_C, P_C, P_C, P_C, P_C, P_C),
    /* 9.12.3 */
    [FO_STATE_CONFLICT_DONE] =
        ROW(NRML, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY),
#undef ROW
};

enum fo_state fo_state_on_partner(enum fo_state own, enum fo_state partner)
{
    uint8_t next = transitions[row_of(own)][row_of(partner)];
    return next == STAY ? own : (enum fo_state)next;
}

enum fo_state fo_state_on_interruption(enum fo_state own)
{
    switch (own) {
    case FO_STATE_NORMAL: /* 9.8.4 */
        return FO_STATE_COMMUNICATIONS_INTERRUPTED;
    case FO_STATE_POTENTIAL_CONFLICT: /* 9.10.3 */
        return FO_STATE_RESOLUTION_INTERRUPTED;
    default:
        return own;
    }
}

enum fo_state fo_state_at_start(enum fo_state stored)
{
    /* PAUSED and SHUTDOWN are never stored: the state before them is (9.13.1, 9.14.1). */
    return stored == FO_STATE_NONE ? FO_STATE_RECOVER : fo_state_on_interruption(stored);
}

/* ------------------------------------------------------------------ service */

#define NONE FO_SERVE_NONE
#define BAL FO_SERVE_BALANCED
#define ALL FO_SERVE_ALL

struct service_rule {
    uint8_t answer[FO_QUERY_KINDS]; /* DISCOVER SELECTING INIT-REBOOT RENEW REBIND INFORM RELEASE
                                       DECLINE */
    uint8_t free_from;
    const char *meaning;
};

static const struct service_rule services[ROWS] = {
    [FO_STATE_NONE] = {{NONE}, FO_FREE_FROM_NONE, "nothing is known yet"},
    [FO_STATE_STARTUP] = {{NONE}, FO_FREE_FROM_NONE,
                          "just started: looks for its partner before it serves clients"},
    [FO_STATE_NORMAL] = {{BAL, BAL, BAL, ALL, ALL, BAL, BAL, BAL}, FO_FREE_FROM_OWN,
                         "both servers work and share the clients between them"},
    [FO_STATE_COMMUNICATIONS_INTERRUPTED] =
        {{ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL}, FO_FREE_FROM_OWN,
         "no connection to the partner, which may well be alive (not partner-down): every client "
         "is served, new ones from this server's own addresses, load balancing is off"},
    [FO_STATE_PARTNER_DOWN] =
        {{ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL}, FO_FREE_FROM_ALL_AFTER_MCLT,
         "the partner is known to be down: this server is the only one"},
    [FO_STATE_POTENTIAL_CONFLICT] = {{NONE}, FO_FREE_FROM_NONE,
                                     "both servers ran on their own and compare their bindings"},
    [FO_STATE_RECOVER] = {{NONE}, FO_FREE_FROM_NONE,
                          "gets its bindings from the partner before it serves clients"},
    [FO_STATE_PAUSED] = {{NONE}, FO_FREE_FROM_NONE, "stops for a short time"},
    [FO_STATE_SHUTDOWN] = {{NONE}, FO_FREE_FROM_NONE,
                           "shut down by command for a long time: the partner serves the clients"},
    [FO_STATE_RECOVER_DONE] =
        {{NONE, NONE, NONE, ALL, ALL, NONE, NONE, NONE}, FO_FREE_FROM_NONE,
         "has its bindings again and waits for the partner to agree; leases are renewed"},
    [FO_STATE_RESOLUTION_INTERRUPTED] =
        {{ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL}, FO_FREE_FROM_OWN,
         "the connection was lost while bindings were compared with the partner"},
    [FO_STATE_CONFLICT_DONE] =
        {{ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL}, FO_FREE_FROM_OWN,
         "has the partner's bindings and waits for the partner to have its own"},
    [ROW_RECOVER_WAIT] = {{NONE}, FO_FREE_FROM_NONE,
                          "has its bindings again and waits for leases it may have forgotten"},
};

enum fo_service_answer fo_state_service(enum fo_state state, enum fo_query_kind kind)
{
    return (enum fo_service_answer)services[row_of(state)].answer[kind];
}

enum fo_free_from fo_state_free_from(enum fo_state state)
{
    return (enum fo_free_from)services[row_of(state)].free_from;
}

const char *fo_state_meaning(enum fo_state state)
{
    return services[row_of(state)].meaning;
}
