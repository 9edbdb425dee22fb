/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The count of connections that each server keeps of itself and of its partner. By it a new server
 * knows whether its partner has ever spoken with it (9.6.2), and one whose store was restored from a
 * copy that it is behind (5.16, rule of safety 10).
 */
#include "protocol/endpoint_internal.h"

/* What a count becomes with a connection: it was `own`, the other server remembered that much of it. */
static uint32_t next_count(uint32_t own, uint32_t remembered)
{
    return (own > remembered ? own : remembered) + 1;
}

void fo_endpoint_note_first_time(struct fo_endpoint *endpoint)
{
    struct fo_endpoint_record *record = &endpoint->record;
    const struct fo_session_partner *partner = &endpoint->session.partner;
    if (record->partner_connections == 0 && record->state == FO_STATE_RECOVER)
        /* Sticky: this store remembers it, should the connection break before NORMAL. */
        record->first_time = record->first_time ||
                             (partner->counts_connections && partner->partner_connections == 0);
}

/* A new store, also one that a restart has found again: it knows no less than when it was made. So what it has
   given since, having been told to serve alone (9.4), counts; what it lacks it asks for (need_all). A copy of such
   a store, restored after the two have met, passes for it. */
bool fo_endpoint_has_never_met(const struct fo_endpoint *endpoint)
{
    const struct fo_endpoint_record *record = &endpoint->record;
    return record->need_all && record->connections == 0 && record->partner_connections == 0;
}

bool fo_endpoint_is_behind(const struct fo_endpoint *endpoint)
{
    const struct fo_session *session = &endpoint->session;
    return session->partner.counts_connections && !endpoint->fresh &&
           session->settings.own_connections < session->partner.partner_connections;
}

/* Past what the partner remembers, too: so one that was lost or rolled back is that only once. */
void fo_endpoint_move_past(struct fo_endpoint *endpoint)
{
    const struct fo_session_partner *partner = &endpoint->session.partner;
    endpoint->record.connections =
        next_count(endpoint->record.connections,
                               partner->counts_connections ? partner->partner_connections : 0);
}

/* Rule of safety 10: the partner has spoken with a later state of this store than there is, for somebody
   has restored it from a copy. Bindings have changed since, and free addresses have changed hands; what
   the copy says is worth less than nothing, and the partner's acknowledgements of what it knew are, too.
   So it is a lost store (5.16), in whose past nobody can tell when this server last ran. A restart goes on
   forgetting, for the record says so before anything is forgotten. Where both were restored, so that each
   knows more of the other than that does itself, the secondary yields. */
bool fo_endpoint_was_rolled_back(const struct fo_endpoint *endpoint)
{
    const struct fo_session *session = &endpoint->session;
    const bool theirs = session->partner.own_connections < session->settings.partner_connections;
    return fo_endpoint_is_behind(endpoint) && !(theirs && endpoint->settings.session.primary);
}

void fo_endpoint_look_for_rollback(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    struct fo_endpoint_record *record = &endpoint->record;
    const bool rolled_back = fo_endpoint_was_rolled_back(endpoint);
    if (fo_endpoint_is_behind(endpoint))
        fo_endpoint_move_past(endpoint);
    if (!rolled_back)
        return;
    record->need_all = record->forgetting = true;
    record->first_time = record->update_all_owed = false;
    record->last_operational = endpoint->starting ? 0 : now->seconds;
    fo_endpoint_note(endpoint, FO_NOTE_ROLLED_BACK, "");
    endpoint->host.forget(endpoint->host.context);
    fo_endpoint_set_state(endpoint, FO_STATE_RECOVER, "the state file is an older copy", now);
    fo_endpoint_store(endpoint);
}

/* Until now a query that was under way may have given a lease. */
void fo_endpoint_forgot(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->record.forgetting = false;
    if (endpoint->record.last_operational != 0 && !endpoint->starting)
        endpoint->record.last_operational = now->seconds;
    fo_endpoint_store(endpoint);
    fo_endpoint_follow_partner(endpoint, "the partner's state", now);
}

/* The first STATE of a connection: it was durable there before it was said, and so was the count. */
void fo_endpoint_remember_count(struct fo_endpoint *endpoint)
{
    const struct fo_session *session = &endpoint->session;
    if (session->partner.counts_connections)
        endpoint->record.partner_connections = next_count(
            session->partner.own_connections, session->settings.partner_connections);
    else
        endpoint->record.partner_connections++;
}

/* While a connection lasts the count moves, too, or a copy made in its time would pass for the store. */
void fo_endpoint_move_count(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (!endpoint->communicating || now->ms < endpoint->count_at)
        return;
    endpoint->count_at = now->ms + FO_COUNT_MS;
    endpoint->record.connections++;
    endpoint->count_unsaid = true;
    fo_endpoint_store(endpoint);
}
