/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What a scenario says in one word because it is told at length elsewhere (startup.scn): the handshake,
 * and the way to NORMAL.
 */
#include "tests/scenarios/stage.h"

#include <stdlib.h>

void partner_called(void)
{
    for (int i = 0; i < 1200 && !wire_answer(true) && !wire_played_open(); i++)
        advance(100);
    if (!wire_played_open())
        fail("the server made no connection for two minutes");
    settle();
}

void partner_connects(void)
{
    const bool primary = stage.servers[0].primary, expects = partner_expects();
    if (primary)
        partner_called();
    else
        partner_says_words("CONNECT", NULL);
    struct heard *heard = expects ? partner_next() : NULL;
    const uint8_t due = primary ? FO_MSG_CONNECT : FO_MSG_CONNECTACK;
    const bool right = !expects || (heard != NULL && !heard->closes && heard->message.type == due);
    free(heard);
    if (right && primary && !partner_established())
        partner_says_words("CONNECTACK", NULL);
    settle();
    if (!right || !partner_established())
        fail("expected a connection, which did not come about");
}

/* The partner has been NORMAL all the time, and agrees to everything. */
void partner_to_normal(void)
{
    struct server *server = &stage.servers[0];
    const bool expects = partner_expects(), was = partner_established();
    partner_mode("agrees");
    if (!was)
        partner_connects();
    if (was || !server->primary) /* else it was said by agreement */
        partner_says_words("STATE", "NORMAL");
    const uint32_t mclt = server_relationship(server)->endpoint.record.mclt;
    for (uint32_t i = 0; i < mclt + 100 && server_state(server) != FO_STATE_NORMAL; i++)
        advance(1000);
    if (server_state(server) != FO_STATE_NORMAL)
        fail("expected state NORMAL, came state %s", fo_state_name((uint8_t)server_state(server)));
    advance(3000);
    if (expects)
        partner_mode("insists");
}
