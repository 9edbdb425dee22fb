/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * BOOTP (draft 5.14). What a BOOTP client is given it may use for ever, without asking again: neither the
 * MCLT nor any wait of 9.4.2 means anything for it. So a BOOTP client has its reservation, which nobody
 * else gets on either server, or nothing. Its binding has no term, and its updates carry the B flag.
 */
#include "hook/service_internal.h"

void fo_refuse_bootp(struct fo_relationship *relationship, const struct fo_query *query,
                     struct fo_decision *decision)
{
    const int64_t now = fo_service_now(relationship->service).ms;
    char client[64];
    fo_refuse(relationship, decision, "dynamic BOOTP");
    if (relationship->bootp_logged != 0 && now - relationship->bootp_logged < FO_LOG_LIMIT_MS)
        return;
    relationship->bootp_logged = now;
    fo_say(relationship->service, FAILOVER_BOOTP_REFUSED, relationship->config.name,
           fo_hardware_text(&query->client, client), NULL);
}
