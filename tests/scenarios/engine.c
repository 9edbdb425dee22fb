/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The Kea of a server of a scenario: its allocation engine as far as it matters which callout sees
 * what, one query after the other, and its lease rows. (With packets that interleave, rows that fail
 * and a Kea that is late: tests/sim/kea.c.)
 *
 * A query may stop half-way, when its binding is claimed and its lease not yet written.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ rows */

struct kea_row *engine_row(struct server *server, uint32_t address)
{
    for (size_t i = 0; i < server->pool_count; i++)
        if (address >= server->pools[i].first && address <= server->pools[i].last)
            return &server->rows[address - server->pools[0].first];
    return NULL;
}

struct fo_client identity_of(const struct client *client)
{
    if (client == NULL)
        return (struct fo_client){0};
    return (struct fo_client){.hardware = client->hardware, .hardware_type = 1, .hardware_length = 6,
                              .identifier = client->has_identifier ? client->identifier : NULL,
                              .identifier_length = client->has_identifier ? 7 : 0};
}

static const struct client *client_of(const struct fo_client *identity)
{
    for (size_t i = 0; i < stage.client_count; i++)
        if (identity->hardware_length == 6 &&
            memcmp(identity->hardware, stage.clients[i].hardware, 6) == 0)
            return &stage.clients[i];
    return NULL;
}

static uint32_t wall(const struct server *server)
{
    return (uint32_t)(seconds_now() + server->still.wall_step / 1000);
}

static bool over(const struct server *server, const struct kea_row *row)
{
    return row->length != UINT32_MAX && row->cltt + row->length < wall(server);
}

struct fo_details details_of_name(const char *name)
{
    const size_t length = strlen(name);
    const bool in_dns = length > 0 && name[length - 1] == '.';
    return (struct fo_details){.told = true, .forward = in_dns, .reverse = in_dns,
                               .name = (const uint8_t *)name, .name_length = (uint8_t)length};
}

static void do_job(struct server *server, const struct fo_row *job)
{
    struct kea_row *row = engine_row(server, job->address);
    struct fo_row found = *job;
    if (row == NULL) { /* its pool is gone, its row may stay */
        fo_rows_done(server->service, job, NULL, NULL);
        return;
    }
    if (job->job == FO_ROW_READ) {
        found.state = row->state;
        found.cltt = row->cltt;
        found.length = row->length;
        found.client = identity_of(row->client);
        found.details = details_of_name(row->name);
        fo_rows_done(server->service, job, &found, NULL);
        return;
    }
    *row = job->job == FO_ROW_DELETE
               ? (struct kea_row){0}
               : (struct kea_row){.state = job->state, .client = client_of(&job->client),
                                  .cltt = job->cltt, .length = job->length};
    if (job->job == FO_ROW_PUT)
        snprintf(row->name, sizeof row->name, "%.*s", (int)job->details.name_length,
                 job->details.name_length ? (const char *)job->details.name : "");
    fo_rows_done(server->service, job, NULL, NULL);
}

void engine_rows(struct server *server)
{
    struct fo_row job;
    while (fo_rows_next(server->service, &job))
        do_job(server, &job);
}

void engine_reconcile(struct server *server)
{
    fo_reconcile_begin(server->service);
    for (uint32_t i = 0; i < ADDRESSES_MAX; i++) {
        const struct kea_row *row = &server->rows[i];
        struct fo_row shown = {.state = row->state, .address = server->pools[0].first + i,
                               .subnet_id = SUBNET, .cltt = row->cltt, .length = row->length,
                               .client = identity_of(row->client),
                               .details = details_of_name(row->name)};
        if (row->state != FO_ROW_ABSENT)
            fo_reconcile_row(server->service, &shown);
    }
    fo_reconcile_end(server->service);
}

/* ------------------------------------------------------------------ the engine */

static uint32_t own_row(struct server *server, const struct client *client)
{
    for (uint32_t i = 0; i < ADDRESSES_MAX; i++)
        if (server->rows[i].state == FO_ROW_LEASED && server->rows[i].client == client)
            return server->pools[0].first + i;
    return 0;
}

static bool others(const struct client *client, uint32_t address)
{
    for (size_t i = 0; i < stage.client_count; i++)
        if (stage.clients[i].reserved == address && &stage.clients[i] != client)
            return true;
    return false;
}

static bool may_give(struct server *server, const struct client *client, uint32_t address)
{
    const struct kea_row *row = engine_row(server, address);
    return row != NULL && !others(client, address) &&
           (row->state == FO_ROW_ABSENT || (row->state != FO_ROW_DECLINED && over(server, row)));
}

static void answer(struct server *server, enum answer_kind kind, struct client *client,
                   uint32_t address, uint32_t length, const char *reason)
{
    server->answer = (struct answer){kind, address, length, reason, client};
    if (kind == OFFER || kind == ACK) {
        client->address = address;
        client->server = server->number;
    }
}

static void silence(struct server *server, struct client *client, const struct fo_decision *decision)
{
    answer(server, SILENCE, client, 0, 0,
           decision->answer == FO_DROP && decision->refusal.reason ? decision->refusal.reason
                                                                   : "Kea has no answer");
}

static void discover(struct server *server, struct client *client, const struct fo_query *query,
                     struct fo_decision *decision)
{
    uint32_t address = query->reserved_address, length = server->lease;
    if (address == 0)
        address = own_row(server, client);
    if (address == 0 && decision->steer && may_give(server, client, decision->address))
        address = decision->address;
    for (uint32_t i = 0; address == 0 && i < ADDRESSES_MAX; i++)
        if (may_give(server, client, server->pools[0].first + i))
            address = server->pools[0].first + i;
    if (address == 0 || fo_lease_offered(server->service, SUBNET, query, decision, &address,
                                         &length) == FO_DROP)
        silence(server, client, decision);
    else
        answer(server, OFFER, client, address, length, NULL);
}

/* As the shim: the client's rows at other addresses go first. */
static void leave_others(struct server *server, const struct fo_query *query,
                         struct fo_decision *decision)
{
    struct fo_claim left;
    uint32_t after = 0;
    while (fo_moved_from(server->service, query, decision, after, &left)) {
        after = left.address;
        *engine_row(server, after) = (struct kea_row){0};
        fo_claim_release(server->service, &left);
    }
}

static void grant(struct server *server, struct client *client, const struct fo_query *query,
                  struct fo_decision *decision, uint32_t wanted)
{
    uint32_t length = server->lease, row_length = 0;
    struct kea_row *row = engine_row(server, wanted);
    const bool renews = row->state == FO_ROW_LEASED && row->client == client;
    decision->claim.row_written = true;
    if (fo_lease_requested(server->service, SUBNET, query, decision, wanted, &length) == FO_DROP) {
        if (decision->nak && !renews)
            answer(server, NAK, client, 0, 0, NULL);
        else
            silence(server, client, decision);
        return;
    }
    *row = (struct kea_row){.state = FO_ROW_LEASED, .client = client, .cltt = wall(server),
                            .length = length};
    memcpy(row->name, client->host_name, sizeof row->name);
    const struct fo_details details = details_of_name(row->name);
    if (fo_committed(server->service, SUBNET, query, decision, row->cltt, length, server->lease,
                     &details, &row_length) == FO_DROP) {
        silence(server, client, decision);
        return;
    }
    row->length = row_length;
    decision->claim.row_written = false;
    answer(server, ACK, client, wanted, length, NULL);
}

static void request(struct server *server, struct client *client, const struct fo_query *query,
                    struct fo_decision *decision)
{
    const uint32_t wanted = query->asks_address ? query->asked_address : query->ciaddr;
    const uint32_t own = own_row(server, client);
    const bool reboots = query->asks_address && !query->names_server;
    if (reboots && own == 0 && decision->claim.address == 0 && !decision->nak)
        answer(server, SILENCE, client, 0, 0, "Kea knows nothing of this client");
    else if (own != wanted && !may_give(server, client, wanted))
        answer(server, NAK, client, 0, 0, NULL);
    else
        grant(server, client, query, decision, wanted);
}

static void give_back(struct server *server, struct client *client, const struct fo_query *query,
                      struct fo_decision *decision)
{
    const bool declines = query->message_type == DECLINE;
    const uint32_t address = declines ? query->asked_address : query->ciaddr;
    struct kea_row *row = engine_row(server, address);
    if (row == NULL || row->state != FO_ROW_LEASED || row->client != client) {
        answer(server, SILENCE, client, 0, 0, "Kea has no such lease");
        return;
    }
    if (declines) {
        *row = (struct kea_row){.state = FO_ROW_DECLINED, .cltt = wall(server),
                                .length = server->probation};
        fo_declined(server->service, decision, wall(server) + server->probation);
    } else {
        *row = (struct kea_row){0};
        fo_released(server->service, decision, true); /* Kea removes the names */
    }
    answer(server, PASSES, client, address, 0, NULL);
}

/* From the engine on. */
static void second_half(struct server *server, struct client *client, const struct fo_query *query,
                        struct fo_decision *decision)
{
    if (query->message_type == DISCOVER)
        discover(server, client, query, decision);
    else if (query->message_type == REQUEST)
        request(server, client, query, decision);
    else if (query->message_type == INFORM)
        answer(server, PASSES, client, 0, 0, NULL);
    else
        give_back(server, client, query, decision);
    fo_claim_release(server->service, &decision->claim);
}

void engine_query(struct server *server, struct client *client, const struct fo_query *query,
                  bool half)
{
    struct fo_decision *decision = &server->slow.decision;
    const bool gives_back = query->message_type == RELEASE || query->message_type == DECLINE;
    memset(&server->slow, 0, sizeof server->slow);
    fo_query_received(server->service, query, decision);
    if (decision->answer == FO_PASS && !gives_back) {
        fo_subnet_selected(server->service, SUBNET, query, NULL, NULL, decision);
        if (decision->answer == FO_PASS && !decision->steer)
            leave_others(server, query, decision);
    }
    if (decision->answer == FO_DROP) {
        silence(server, client, decision);
        fo_claim_release(server->service, &decision->claim);
    } else if (half) {
        server->slow.client = client;
        server->slow.query = *query;
    } else {
        second_half(server, client, query, decision);
    }
}

void engine_goes_on(struct server *server)
{
    if (server->slow.client == NULL)
        fail("no query has stopped half-way");
    second_half(server, server->slow.client, &server->slow.query, &server->slow.decision);
    server->slow.client = NULL;
}
