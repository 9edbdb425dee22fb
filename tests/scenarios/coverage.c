/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What of the draft's tables was played. The linker puts this file's functions between the service
 * and the tables (--wrap), so what counts is what the service asked, not what a scenario says of
 * itself. What there is to be played comes from the tables, too: a new cell needs a scenario.
 *
 * A scenario expects every message in its order, so what a table answered has shown in it. That this is
 * so is tested, too: a cell can be planted wrong, and must be found by the scenarios.
 */
#include "tests/scenarios/coverage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/binding.h"
#include "protocol/state.h"

enum { STATES = 256, STATUSES = FO_BACKUP + 1, REASONS = 32 };

/* Shared by the processes in which the files are played. */
static struct played {
    bool transitions[STATES][STATES]; /* own state, the partner's */
    bool interruptions[STATES];
    bool arrows[STATES][STATES];      /* from, to */
    bool answers[STATES][FO_QUERY_KINDS];
    bool acceptance[STATUSES][STATUSES][REASONS];
} *played;

static char missing[4000];
static struct coverage_cell planted; /* answers wrongly */

void coverage_begin(void)
{
    played = mmap(NULL, sizeof *played, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (played == MAP_FAILED)
        abort();
}

void coverage_plant(struct coverage_cell cell)
{
    planted = cell;
}

static bool is_planted(enum coverage_table table, unsigned row, unsigned column)
{
    return planted.table == table && planted.row == row && planted.column == column;
}

/* ------------------------------------------------------------------ what the service asks */

enum fo_state __real_fo_state_on_partner(enum fo_state own, enum fo_state partner);
enum fo_state __wrap_fo_state_on_partner(enum fo_state own, enum fo_state partner);
enum fo_state __real_fo_state_on_interruption(enum fo_state own);
enum fo_state __wrap_fo_state_on_interruption(enum fo_state own);
enum fo_service_answer __real_fo_state_service(enum fo_state state, enum fo_query_kind kind);
enum fo_service_answer __wrap_fo_state_service(enum fo_state state, enum fo_query_kind kind);
enum fo_reject_reason __real_fo_binding_judge(const struct fo_judgement *judgement);
enum fo_reject_reason __wrap_fo_binding_judge(const struct fo_judgement *judgement);

enum fo_state __wrap_fo_state_on_partner(enum fo_state own, enum fo_state partner)
{
    if (played != NULL)
        played->transitions[own][partner] = true;
    const enum fo_state next = __real_fo_state_on_partner(own, partner);
    if (!is_planted(COVERAGE_TRANSITIONS, own, partner))
        return next;
    return next != own                ? own
           : own == FO_STATE_NORMAL ? FO_STATE_COMMUNICATIONS_INTERRUPTED
                                    : FO_STATE_NORMAL;
}

enum fo_state __wrap_fo_state_on_interruption(enum fo_state own)
{
    if (played != NULL)
        played->interruptions[own] = true;
    return __real_fo_state_on_interruption(own);
}

enum fo_service_answer __wrap_fo_state_service(enum fo_state state, enum fo_query_kind kind)
{
    if (played != NULL)
        played->answers[state][kind] = true;
    const enum fo_service_answer answer = __real_fo_state_service(state, kind);
    if (!is_planted(COVERAGE_SERVICE, state, kind))
        return answer;
    return answer == FO_SERVE_NONE ? FO_SERVE_ALL : FO_SERVE_NONE;
}

enum fo_reject_reason __wrap_fo_binding_judge(const struct fo_judgement *judgement)
{
    const enum fo_reject_reason reason = __real_fo_binding_judge(judgement);
    if (played != NULL && (unsigned)reason < REASONS)
        played->acceptance[judgement->own_status][judgement->received_status][reason] = true;
    if (!is_planted(COVERAGE_ACCEPTANCE, judgement->own_status, judgement->received_status))
        return reason;
    return reason == FO_REJECT_NONE ? FO_REJECT_OUTDATED : FO_REJECT_NONE;
}

void coverage_state_changed(enum fo_state from, enum fo_state to)
{
    if (played != NULL)
        played->arrows[from][to] = true;
}

/* ------------------------------------------------------------------ what is missing */

static void begin(void)
{
    missing[0] = '\0';
}

static void lack(const char *a, const char *between, const char *b)
{
    const size_t used = strlen(missing);
    snprintf(missing + used, sizeof missing - used, "%s%s%s%s", used ? "; " : "", a, between, b);
}

static const char *lacking(void)
{
    return missing[0] != '\0' ? missing : NULL;
}

/* Every state that a STATE message can name, and that a server can be in (but STARTUP). */
static const enum fo_state states[] = {
    FO_STATE_NORMAL, FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_STATE_PARTNER_DOWN,
    FO_STATE_POTENTIAL_CONFLICT, FO_STATE_RECOVER, FO_STATE_PAUSED, FO_STATE_SHUTDOWN,
    FO_STATE_RECOVER_DONE, FO_STATE_RESOLUTION_INTERRUPTED, FO_STATE_CONFLICT_DONE,
    FO_STATE_RECOVER_WAIT};
#define EACH(state) (size_t state = 0; state < sizeof states / sizeof states[0]; state++)

/* In these no STATE of the partner's is looked up in the table: the connection is closed when PAUSED has been
   said, and after SHUTDOWN only PARTNER-DOWN means anything (9.14.2). Queries come all the same. */
static bool leaves(enum fo_state state)
{
    return state == FO_STATE_PAUSED || state == FO_STATE_SHUTDOWN;
}

static bool known(unsigned state)
{
    for EACH(i)
        if (states[i] == (enum fo_state)state)
            return true;
    return false;
}

/* REBIND's column apart: the service asks for RENEW's. */
static bool exists(const struct coverage_cell *cell)
{
    const bool status = cell->row >= FO_FREE && cell->row <= FO_BACKUP;
    switch (cell->table) {
    case COVERAGE_TRANSITIONS:
        return known(cell->row) && !leaves((enum fo_state)cell->row) && known(cell->column);
    case COVERAGE_ACCEPTANCE:
        return status && cell->column >= FO_FREE && cell->column <= FO_BACKUP;
    case COVERAGE_SERVICE:
        return (known(cell->row) || cell->row == FO_STATE_STARTUP) &&
               cell->column < FO_QUERY_KINDS && cell->column != FO_QUERY_REBIND;
    default:
        return false;
    }
}

static const char *name(enum fo_state state)
{
    return fo_state_name((uint8_t)state);
}

const char *coverage_of_transitions(void)
{
    begin();
    for EACH(own)
        for EACH(partner)
            if (!leaves(states[own]) && !played->transitions[states[own]][states[partner]])
                lack(name(states[own]), ", the partner in ", name(states[partner]));
    for EACH(own)
        if (!leaves(states[own]) && !played->interruptions[states[own]])
            lack(name(states[own]), ", ", "interrupted");
    return lacking();
}

/* Figure 9.2-1 once more, by its arrows; those that start from STARTUP are the transitions of the state
   before (9.3.2). */
const char *coverage_of_arrows(void)
{
    static const enum fo_state arrows[][2] = {
        {FO_STATE_RECOVER, FO_STATE_RECOVER_WAIT},
        {FO_STATE_RECOVER, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_RECOVER, FO_STATE_PARTNER_DOWN},
        {FO_STATE_RECOVER_WAIT, FO_STATE_RECOVER_DONE},
        {FO_STATE_RECOVER_DONE, FO_STATE_NORMAL},
        {FO_STATE_RECOVER_DONE, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_NORMAL, FO_STATE_COMMUNICATIONS_INTERRUPTED},
        {FO_STATE_NORMAL, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_NORMAL, FO_STATE_PARTNER_DOWN},
        {FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_STATE_NORMAL},
        {FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_STATE_PARTNER_DOWN},
        {FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_PARTNER_DOWN, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_PARTNER_DOWN, FO_STATE_NORMAL},
        {FO_STATE_POTENTIAL_CONFLICT, FO_STATE_CONFLICT_DONE},
        {FO_STATE_POTENTIAL_CONFLICT, FO_STATE_NORMAL},
        {FO_STATE_POTENTIAL_CONFLICT, FO_STATE_RESOLUTION_INTERRUPTED},
        {FO_STATE_RESOLUTION_INTERRUPTED, FO_STATE_POTENTIAL_CONFLICT},
        {FO_STATE_RESOLUTION_INTERRUPTED, FO_STATE_PARTNER_DOWN},
        {FO_STATE_CONFLICT_DONE, FO_STATE_NORMAL},
        {FO_STATE_NORMAL, FO_STATE_SHUTDOWN}, /* "not represented in the following figure" (9.2) */
        /* Ours: asked anew (architecture.md), and a server that was down while the partner was alone. */
        {FO_STATE_RECOVER_WAIT, FO_STATE_RECOVER},
        {FO_STATE_RECOVER_DONE, FO_STATE_RECOVER},
        {FO_STATE_COMMUNICATIONS_INTERRUPTED, FO_STATE_RECOVER},
        {FO_STATE_PARTNER_DOWN, FO_STATE_RECOVER},
        {FO_STATE_RESOLUTION_INTERRUPTED, FO_STATE_RECOVER},
    };
    begin();
    for (size_t i = 0; i < sizeof arrows / sizeof arrows[0]; i++)
        if (!played->arrows[arrows[i][0]][arrows[i][1]])
            lack(name(arrows[i][0]), " -> ", name(arrows[i][1]));
    return lacking();
}

/* All cells of the three tables, in their order. */
bool coverage_next(struct coverage_cell *cell)
{
    do {
        if (cell->column++ == 255) {
            cell->column = 0;
            if (cell->row++ == 255) {
                cell->row = 0;
                cell->table++;
            }
        }
        if (cell->table > COVERAGE_SERVICE)
            return false;
    } while (!exists(cell));
    return true;
}

/* Every answer that the table of 7.1.3 can give in a cell, found by asking it in all ways. */
static void acceptance_of(enum fo_binding_status own, enum fo_binding_status received)
{
    bool looked[REASONS] = {false};
    for (unsigned way = 0; way < 64; way++) {
        const struct fo_judgement judgement = {
            .own_status = own,
            .received_status = received,
            .own_has_client = true,
            .same_client = (way & 1) != 0,
            .we_are_secondary = (way & 2) != 0,
            .received_has_transaction = true,
            .received_reserved = (way & 16) != 0,
            .own_reserved = (way & 32) != 0,
            .now = 1000,
            .own_lease_expiration = way & 4 ? 500 : 1500,
            .own_transaction = 800,
            .own_start_of_state = 800,
            .received_transaction = way & 8 ? 700 : 900,
        };
        const enum fo_reject_reason reason = __real_fo_binding_judge(&judgement);
        char text[64];
        if (looked[reason] || played->acceptance[own][received][reason])
            continue;
        looked[reason] = true;
        snprintf(text, sizeof text, "%s: %s", fo_status_name((uint8_t)received),
                 reason == FO_REJECT_NONE ? "accepted" : fo_reject_name((uint8_t)reason));
        lack(fo_status_name((uint8_t)own), " receives ", text);
    }
}

const char *coverage_of_acceptance(void)
{
    begin();
    for (unsigned own = FO_FREE; own <= FO_BACKUP; own++)
        for (unsigned received = FO_FREE; received <= FO_BACKUP; received++)
            acceptance_of((enum fo_binding_status)own, (enum fo_binding_status)received);
    return lacking();
}

const char *coverage_of_service(void)
{
    static const char *const kinds[] = {"DISCOVER", "SELECTING", "INIT-REBOOT", "RENEW",
                                        "REBIND",   "INFORM",    "RELEASE",     "DECLINE"};
    begin();
    for (size_t i = 0; i <= sizeof states / sizeof states[0]; i++) {
        const enum fo_state state = i == 0 ? FO_STATE_STARTUP : states[i - 1];
        /* The service cannot tell REBIND from RENEW (9.8.2 treats them alike): their columns agree. */
        if (__real_fo_state_service(state, FO_QUERY_REBIND) !=
            __real_fo_state_service(state, FO_QUERY_RENEW))
            lack(name(state), ": REBIND differs from ", "RENEW");
        for (int kind = 0; kind < FO_QUERY_KINDS; kind++)
            if (kind != FO_QUERY_REBIND && !played->answers[state][kind])
                lack(name(state), ": ", kinds[kind]);
    }
    return lacking();
}
