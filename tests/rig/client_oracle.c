/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The oracle of the simulated clients, see client_oracle.h.  An index from address to clients
 * (chained through the holds themselves) makes each question cheap with 20,000 clients.
 */
#include "client_oracle.h"
#include "client_packet.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#define INDEX_SIZE 65536

static struct hold *(*get)(uint32_t client);
static uint32_t heads[INDEX_SIZE];

void oracle_init(struct hold *(*hold_of)(uint32_t client))
{
    get = hold_of;
}

static uint32_t *chain_of(uint32_t address)
{
    return &heads[(address ^ address >> 16) % INDEX_SIZE];
}

static void leave_index(uint32_t client)
{
    struct hold *h = get(client);
    uint32_t *link = chain_of(h->address);

    while (*link && *link != client + 1)
        link = &get(*link - 1)->next;
    if (*link)
        *link = h->next;
    h->next = 0;
}

/* The holder of the address other than `except` (client number + 1; 0 for nobody). */
static bool find(uint32_t address, double now, uint32_t except, uint32_t *client)
{
    for (uint32_t at = *chain_of(address); at; at = get(at - 1)->next) {
        const struct hold *h = get(at - 1);

        if (h->address == address && at != except && h->end > now) {
            *client = at - 1;
            return true;
        }
    }
    return false;
}

bool oracle_holder(uint32_t address, double now, uint32_t *client)
{
    return find(address, now, 0, client);
}

bool oracle_holds(uint32_t client, uint32_t address, double now)
{
    const struct hold *h = get(client);

    return address && h->address == address && h->end > now;
}

bool oracle_acknowledged(uint32_t client, uint32_t address, uint32_t server, double now, double end,
                         bool extra, uint32_t *other)
{
    struct hold *h = get(client);
    uint32_t *head = chain_of(address);

    if (find(address, now + HOLD_GUARD, client + 1, other))
        return false;
    if (extra && h->address == address && h->end >= end)
        return true;
    oracle_given_back(client);
    *h = (struct hold){.address = address, .end = end, .server = server, .next = *head};
    *head = client + 1;
    return true;
}

void oracle_given_back(uint32_t client)
{
    struct hold *h = get(client);

    if (h->address)
        leave_index(client);
    *h = (struct hold){.address = 0};
}

void oracle_print(double now)
{
    const char *comma = "";

    printf("{\"status\":[");
    for (uint32_t i = 0; i < INDEX_SIZE; i++)
        for (uint32_t at = heads[i]; at; at = get(at - 1)->next) {
            const struct hold *h = get(at - 1);

            if (h->end <= now)
                continue;
            printf("%s{\"client\":%u,\"address\":\"%s\",\"end\":%.3f,\"server\":\"%s\","
                   "\"forgotten\":%s}",
                   comma, at - 1, ip_text(h->address), fmin(h->end, 1e12), ip_text(h->server),
                   h->forgotten ? "true" : "false");
            comma = ",";
        }
    puts("]}");
    fflush(stdout);
}
