/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The clients of a scenario: who they are, and what they ask.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <string.h>

#include "protocol/hash_bucket.h"

/* ------------------------------------------------------------------ who they are */

static bool client_exists(const uint8_t hardware[6])
{
    for (size_t i = 0; i < stage.client_count; i++)
        if (memcmp(stage.clients[i].hardware, hardware, 6) == 0)
            return true;
    return false;
}

/* Its bucket is one of the primary's half, 0 to 127, or one of the secondary's. */
static void add_client(const char *name, bool primarys, const char *kind)
{
    const bool identified = strcmp(kind, "identified") == 0;
    if (stage.client_count == CLIENTS_MAX)
        fail("more than %d clients", CLIENTS_MAX);
    uint8_t bucket;
    struct client new = {.hardware = {2}, .identifier = {1, 2}, .has_identifier = identified};
    snprintf(new.name, sizeof new.name, "%s", name);
    if (strcmp(kind, "named") == 0 || strcmp(kind, "in-dns") == 0)
        snprintf(new.host_name, sizeof new.host_name, "%s%s", name, *kind == 'i' ? ".example." : "");
    do {
        if (++new.hardware[5] == 0)
            new.hardware[4]++;
        memcpy(new.identifier + 1, new.hardware, 6);
        bucket = identified ? fo_hash_bucket(new.identifier, 7) : fo_hash_bucket(new.hardware, 6);
    } while (client_exists(new.hardware) || (bucket < 128) != primarys);
    stage.clients[stage.client_count++] = new;
}

/* clients primary A B [identified|named|in-dns]; a-z stands for as many: `clients primary C1-C20`. The host name
   of A is A where it is named, A.example. where Kea enters it in DNS. */
void do_clients(struct server *server, const struct line *line, size_t at)
{
    const bool primarys = word_is(line, at, "primary");
    static const char *const kinds[] = {"identified", "named", "in-dns"};
    const char *kind = "";
    (void)server;
    if (!primarys && !word_is(line, at, "secondary"))
        fail("clients primary NAMES, or clients secondary NAMES");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (word_is(line, line->count - 1, kinds[i]))
            kind = kinds[i];
    for (at++; at < line->count - (*kind != '\0'); at++) {
        char letter[8], name[16];
        unsigned first, last;
        if (sscanf(line->words[at], "%7[A-Z]%u-%*[A-Z]%u", letter, &first, &last) != 3) {
            add_client(line->words[at], primarys, kind);
            continue;
        }
        for (unsigned i = first; i <= last; i++) {
            snprintf(name, sizeof name, "%s%u", letter, i);
            add_client(name, primarys, kind);
        }
    }
}

/* ------------------------------------------------------------------ what they do */

static void ask(struct server *server, struct client *client, const struct fo_query *query, bool half)
{
    if (server->service == NULL)
        return;
    if (server->dhcp_disabled) { /* Kea drops it before any callout */
        server->answer = (struct answer){.kind = SILENCE, .client = client, .reason = "Kea serves nobody"};
        return;
    }
    engine_query(server, client, query, half);
    tell("client %s %s: %s", client->name, server->primary ? "asks the primary" : "asks the secondary",
         server->answer.kind == SILENCE ? server->answer.reason : "answered");
}

static bool query_of(const char *kind, struct client *client, uint32_t which, struct fo_query *query)
{
    *query = (struct fo_query){.client = identity_of(client), .reserved_address = client->reserved};
    if (strcmp(kind, "DISCOVER") == 0) {
        query->message_type = DISCOVER;
        return true;
    }
    if (which == 0)
        which = client->address;
    const bool selects = strcmp(kind, "SELECTING") == 0, reboots = strcmp(kind, "INIT-REBOOT") == 0;
    if (selects || reboots) {
        query->message_type = REQUEST;
        query->asks_address = true;
        query->names_server = selects;
        query->asked_address = which;
    } else if (strcmp(kind, "RENEW") == 0 || strcmp(kind, "REBIND") == 0) {
        query->message_type = REQUEST;
        query->ciaddr = which;
    } else if (strcmp(kind, "INFORM") == 0) {
        query->message_type = INFORM;
        query->ciaddr = which;
    } else if (strcmp(kind, "RELEASE") == 0) {
        query->message_type = RELEASE;
        query->names_server = true;
        query->ciaddr = which;
    } else if (strcmp(kind, "DECLINE") == 0) {
        query->message_type = DECLINE;
        query->names_server = query->asks_address = true;
        query->asked_address = which;
    } else {
        return false;
    }
    return true;
}

/* The whole dialogue of a client that has nothing, or has had it. */
static void lease(struct server *server, struct client *client, const struct line *line, size_t at)
{
    struct fo_query query;
    struct server *chosen = NULL;
    uint32_t first = 0, last = UINT32_MAX; /* where it is to be */
    int64_t length = -1;
    if (at < line->count && address_of_word(line->words[at], &first, &last))
        at++;
    if (word_is(line, at, "lease") && !number_of(word_at(line, at + 1, "its length"), &length))
        fail("lease: a number of seconds");
    query_of("DISCOVER", client, 0, &query);
    for (size_t i = 0; i < stage.server_count; i++) {
        struct server *one = &stage.servers[i];
        if (server != NULL && server != one)
            continue;
        ask(one, client, &query, false);
        if (one->answer.kind == OFFER && chosen == NULL)
            chosen = one;
        else if (one->answer.kind == OFFER)
            client->address = chosen->answer.address;
        else if (one->answer.kind == SILENCE && chosen == NULL && i + 1 == stage.server_count)
            fail("expected OFFER to client %s, came silence: %s", client->name, one->answer.reason);
    }
    if (chosen == NULL)
        fail("expected OFFER to client %s, came silence", client->name);
    settle();
    query_of("SELECTING", client, chosen->answer.address, &query);
    ask(chosen, client, &query, false);
    for (int i = 0; i < 2; i++)
        if (&stage.servers[i] != chosen)
            stage.servers[i].answer.kind = NO_ANSWER;
    const struct answer came = chosen->answer;
    chosen->answer.kind = NO_ANSWER;
    settle();
    char text[16];
    if (came.kind != ACK)
        fail("expected ACK to client %s, came %s", client->name,
             came.kind == SILENCE ? came.reason : "NAK");
    if (came.address < first || came.address > last)
        fail("expected a lease of %s, came %s", line->words[at - 1], fo_address_text(came.address, text));
    if (length >= 0 && came.length != length)
        fail("expected a lease of %lld s, came %u s", (long long)length, came.length);
}

/* client NAME leases [ADDRESS] [lease SECONDS]
   client NAME QUERY [ADDRESS] [secs SECONDS] [asks ADDRESS] [half-way] */
void do_client(struct server *server, const struct line *line, size_t at)
{
    struct client *client = client_of_word(word_at(line, at, "its name"));
    const char *kind = word_at(line, at + 1, "what it does");
    struct fo_query query;
    bool half = false;
    const bool named = stage.server_count == 1 || server != NULL;
    if (strcmp(kind, "leases") == 0) {
        lease(named ? server : NULL, client, line, at + 2);
        return;
    }
    if (!query_of(kind, client, 0, &query))
        fail("\"%s\" is no query: DISCOVER SELECTING INIT-REBOOT RENEW REBIND INFORM RELEASE DECLINE, "
             "or leases", kind);
    at += 2;
    if (at < line->count && (strchr(line->words[at], '.') || line->words[at][0] == '@'))
        query_of(kind, client, address_at(line, at++), &query);
    for (; at < line->count; at++) {
        int64_t seconds;
        if (word_is(line, at, "half-way")) {
            half = true;
        } else if (word_is(line, at, "asks")) {
            query.asks_address = true;
            query.asked_address = address_at(line, ++at);
        } else if (word_is(line, at, "secs") && number_of(word_at(line, at + 1, "seconds"), &seconds)) {
            query.secs = (uint16_t)seconds;
            at++;
        } else {
            fail("\"%s\": say an address, asks ADDRESS, secs SECONDS, or half-way", line->words[at]);
        }
    }
    /* Who is named is the only one to whom Kea shows it. */
    for (size_t i = 0; i < stage.server_count; i++)
        if (named ? server == &stage.servers[i] : !query.names_server || client->server == (int)i)
            ask(&stage.servers[i], client, &query, half);
    settle();
}
