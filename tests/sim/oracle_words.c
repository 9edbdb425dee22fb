/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Invariant 6: every wait and every refusal has a reason and a deadline that can be read from
 * outside. Whenever a query is dropped, the refusal names its relationship, whose client it is and why; and
 * where it is the state that refuses, the status says so, with what ends it, and with the moment
 * where a clock ends it.
 */
#include "tests/sim/oracle.h"

#include <string.h>

static bool empty(const char *text)
{
    return text == NULL || *text == '\0';
}

/* States that a clock ends: the status must tell when. */
static bool ends_by_itself(const struct server *server)
{
    const struct fo_endpoint *endpoint = &server->service->relationships[0]->endpoint;
    return endpoint->starting || endpoint->record.state == FO_STATE_RECOVER_WAIT;
}

void oracle_dropped(struct server *server, const struct fo_refusal *refusal)
{
    struct world *world = server->world;
    struct fo_relationship_status status;
    if (empty(refusal->relationship) || empty(refusal->owner) || empty(refusal->reason)) {
        world_break(world, INVARIANT_WORDS, "server %d drops a query and does not say why",
                   server->number);
        return;
    }
    if (server->service->relationship_count == 0 ||
        !fo_relationship_status(server->service, 0, &status) || status.refusing == NULL)
        return;
    if (empty(status.refusing) || empty(status.way_out))
        world_break(world, INVARIANT_WORDS, "server %d refuses clients in %s, and shows no way out (%s)",
                   server->number, status.state, status.refusing);
    else if (ends_by_itself(server) && status.deadline == 0)
        world_break(world, INVARIANT_WORDS, "server %d refuses clients in %s, and shows no deadline",
                   server->number, status.state);
}
