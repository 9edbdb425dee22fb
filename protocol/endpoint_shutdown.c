/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * SHUTDOWN (draft 9.14): a server goes for long, by an operator's command and by nothing else, and tells
 * its partner, which is PARTNER-DOWN at once. It is not a state of the record: the one before it is
 * ("MUST record the previous state"), with the time of the shutdown, and a restart begins from that;
 * from RECOVER, if the partner was heard to be PARTNER-DOWN (9.14.2).
 *
 *   fo_endpoint_shut_down   recorded; once that is durable STATE says SHUTDOWN
 *   the partner's STATE     PARTNER-DOWN: RECOVER is recorded, and the connection closed, for only without
 *                           one may the partner take all addresses
 *   5 s without it          closed, too (9.14.2: "SHOULD wait for a few seconds")
 *
 * There is no connection then until a restart, or fo_endpoint_come_back, which is one.
 */
#include "protocol/endpoint_internal.h"

enum { SHUTDOWN_WAIT_MS = 5000 };

void fo_endpoint_shut_down(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    endpoint->shut = true;
    endpoint->shut_deadline = now->ms + SHUTDOWN_WAIT_MS;
    endpoint->record.shut_at = now->seconds;
    endpoint->state_unsaid = true;
    fo_endpoint_store(endpoint);
    fo_endpoint_note(endpoint, FO_NOTE_STATE, "an operator's command");
    endpoint->host.entered(endpoint->host.context, (enum fo_state)endpoint->record.state);
}

bool fo_endpoint_shut_heard(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    struct fo_endpoint_record *record = &endpoint->record;
    if (record->partner_state == FO_STATE_SHUTDOWN && endpoint->settings.session.primary) {
        /* Both were told to go, and their words have crossed: somebody has to stay. */
        endpoint->shut = false;
        endpoint->shut_deadline = 0;
        record->shut_at = 0;
        endpoint->state_unsaid = true;
        fo_endpoint_note(endpoint, FO_NOTE_SHUTDOWN, "the partner shuts down, too; one stays");
        return false;
    }
    if (record->partner_state == FO_STATE_PARTNER_DOWN) {
        record->state = FO_STATE_RECOVER;
        record->state_since = now->seconds;
        endpoint->shut_deadline = 0;
        fo_endpoint_store(endpoint);
        fo_endpoint_note(endpoint, FO_NOTE_SHUTDOWN, "");
        fo_session_close(&endpoint->session, FO_REJECT_OTHER, "this server is shut down", now);
    }
    return true;
}

void fo_endpoint_shut_timer(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    if (endpoint->shut_deadline != 0 && now->ms >= endpoint->shut_deadline)
        fo_session_close(&endpoint->session, FO_REJECT_OTHER,
                         "the partner has not become PARTNER-DOWN for 5 s", now);
}

void fo_endpoint_come_back(struct fo_endpoint *endpoint, const struct fo_now *now)
{
    fo_endpoint_close(endpoint, FO_REJECT_OTHER, "this server comes back", now);
    if (endpoint->attempting)
        endpoint->host.disconnect(endpoint->host.context, true);
    const struct fo_endpoint_settings settings = endpoint->settings;
    const struct fo_endpoint_host host = endpoint->host;
    struct fo_endpoint_record record = endpoint->record;
    record.last_operational = record.shut_at;
    fo_endpoint_start(endpoint, &settings, &host, &record, now);
}
