/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * A server that was away for longer than the MCLT, or shut down by command, and finds no partner (draft
 * 9.3.2 step 6, rule of safety 9): meanwhile the partner may have been declared to be the only one, and
 * have leased this server's free addresses. `startup-without-partner` says whom it serves until there is
 * contact, or an operator declares the partner down:
 *
 *   known   RENEW and REBIND of unexpired leases, to at most max(acknowledged, received) + MCLT
 *   all     as in COMMUNICATIONS-INTERRUPTED, also where it was in PARTNER-DOWN when it stopped
 *   none    nobody
 *   auto    all where nobody but a human can have declared this server down, and has not by
 *           failover-shutdown, else known
 *
 * Whichever it is, the server does not declare its partner down by itself. Contact that leads to
 * POTENTIAL-CONFLICT does not end it: should it be interrupted, the server still does not know what the
 * partner has leased. Nor does another restart, however short.
 */
#include "hook/service_internal.h"

#define AFTER_LONG_STOP "started alone after a stop longer than the MCLT, or by command: "
#define MAYBE_THE_ONLY_ONE "for the partner may have been declared the only one"

static bool stopped_for_long(const struct fo_endpoint *endpoint)
{
    return endpoint->record.shut_at != 0 || endpoint->record.away_since != 0 ||
           (endpoint->record.last_operational != 0 &&
            endpoint->started > endpoint->record.last_operational + endpoint->record.mclt);
}

bool fo_starts_after_long_stop(const struct fo_relationship *relationship)
{
    return !relationship->met && stopped_for_long(&relationship->endpoint);
}

/* In a potential conflict `auto` has no doubt any more. Where the state itself serves no new clients
   (RECOVER-DONE) there is nothing to be `all`. */
enum fo_without_partner fo_alone_rule(const struct fo_relationship *relationship)
{
    const struct fo_config_relationship *config = &relationship->config;
    const enum fo_state state = (enum fo_state)relationship->endpoint.record.state;
    enum fo_without_partner rule = (enum fo_without_partner)config->without_partner;
    if (rule == FO_WITHOUT_AUTO && config->auto_partner_down == 0 &&
        relationship->endpoint.record.shut_at == 0 && state != FO_STATE_POTENTIAL_CONFLICT &&
        state != FO_STATE_RESOLUTION_INTERRUPTED)
        rule = FO_WITHOUT_ALL;
    if (rule == FO_WITHOUT_AUTO ||
        (rule == FO_WITHOUT_ALL && fo_state_free_from(fo_serving_state(relationship)) == FO_FREE_FROM_NONE))
        rule = FO_WITHOUT_KNOWN;
    return rule;
}

bool fo_alone_serves(const struct fo_relationship *relationship, enum fo_query_kind kind)
{
    switch (fo_alone_rule(relationship)) {
    case FO_WITHOUT_ALL:
        return true;
    case FO_WITHOUT_NONE:
        return false;
    default: /* a RELEASE harms nobody */
        return kind == FO_QUERY_RENEW || kind == FO_QUERY_REBIND || kind == FO_QUERY_RELEASE ||
               kind == FO_QUERY_INFORM;
    }
}

const char *fo_alone_refusing(const struct fo_relationship *relationship)
{
    switch (fo_alone_rule(relationship)) {
    case FO_WITHOUT_ALL:
        return NULL;
    case FO_WITHOUT_NONE:
        return AFTER_LONG_STOP "nobody is served";
    default:
        return AFTER_LONG_STOP "only unexpired leases are renewed";
    }
}

const char *fo_alone_meaning(const struct fo_relationship *relationship)
{
    switch (fo_alone_rule(relationship)) {
    case FO_WITHOUT_ALL:
        return AFTER_LONG_STOP "every client is served as in communications-interrupted, although the "
                               "partner may have been declared the only one";
    case FO_WITHOUT_NONE:
        return AFTER_LONG_STOP "nobody is served, " MAYBE_THE_ONLY_ONE;
    default:
        return AFTER_LONG_STOP "only unexpired leases are renewed, " MAYBE_THE_ONLY_ONE
                               " and have given free addresses of both";
    }
}

/* All but `all`. */
static const char *served(enum fo_without_partner rule)
{
    return rule == FO_WITHOUT_NONE ? "nobody is served" : "only unexpired leases are renewed";
}

const char *fo_alone_words(const struct fo_relationship *relationship)
{
    const enum fo_without_partner rule = fo_alone_rule(relationship);
    return relationship->alone && rule != FO_WITHOUT_ALL ? served(rule) : NULL;
}

static void tell(const struct fo_relationship *relationship)
{
    const struct fo_endpoint *endpoint = &relationship->endpoint;
    const enum fo_without_partner rule = fo_alone_rule(relationship);
    char after[80];
    fo_print(after, sizeof after, "a stop of %u s, longer than the MCLT",
             endpoint->started - endpoint->record.away_since);
    fo_say(relationship->service, FAILOVER_ALONE_AFTER_LONG_STOP, relationship->config.name,
           relationship->config.partner.name,
           endpoint->record.shut_at != 0 ? "it was shut down by command" : after,
           rule == FO_WITHOUT_ALL ? "every client is served all the same" : served(rule),
           fo_config_without_partner_name(relationship->config.without_partner), NULL);
}

void fo_alone_begin(struct fo_relationship *relationship)
{
    if (!stopped_for_long(&relationship->endpoint))
        return;
    struct fo_endpoint_record *record = &relationship->endpoint.record;
    if (record->away_since == 0)
        record->away_since = record->last_operational;
    fo_relationship_store(relationship);
    relationship->alone = true;
    tell(relationship);
}

void fo_alone_end(struct fo_relationship *relationship)
{
    relationship->alone = false;
    if (relationship->endpoint.record.away_since != 0)
        fo_relationship_store(relationship);
    relationship->endpoint.record.away_since = 0;
}

/* Where it leads to POTENTIAL-CONFLICT, what the partner gave as the only one is not known here yet. */
void fo_alone_contact(struct fo_relationship *relationship)
{
    const struct fo_endpoint_record *record = &relationship->endpoint.record;
    const enum fo_state state = (enum fo_state)record->state;
    if (state == FO_STATE_NORMAL ||
        fo_state_on_partner(state, (enum fo_state)record->partner_state) != FO_STATE_POTENTIAL_CONFLICT)
        fo_alone_end(relationship);
}

void fo_alone_changed(const struct fo_relationship *relationship, enum fo_without_partner before)
{
    if (relationship->alone && fo_alone_rule(relationship) != before)
        tell(relationship);
}
