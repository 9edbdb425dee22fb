/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The statements of a scenario that expect something. What a server says to its partner is expected
 * message by message, in its order; an answer to a client before anything else happens.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void words_from(const struct line *line, size_t at, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (; at < line->count && used < size; at++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", line->words[at]);
}

static uint32_t clock_of(const struct server *server)
{
    return (uint32_t)(seconds_now() + server->still.wall_step / 1000);
}

/* ------------------------------------------------------------------ messages */

static void came(const struct heard *heard, char *text, size_t size)
{
    if (heard == NULL)
        snprintf(text, size, "nothing");
    else if (heard->closes)
        snprintf(text, size, "the end of the connection");
    else
        fields_tell(&heard->message, heard->message.time, text, size);
    if (heard != NULL && stage.server_count == 2 && strlen(text) + 30 < size)
        strcat(text, heard->from == 0 ? " from the primary" : " from the secondary");
}

static _Noreturn void differs(const struct line *line, size_t from, struct heard *heard,
                              const char *where)
{
    char expected[500], text[600];
    words_from(line, from, expected, sizeof expected);
    came(heard, text, sizeof text);
    free(heard);
    if (where != NULL)
        fail("expected %s, came %s: it differs at \"%s\"", expected, text, where);
    fail("expected %s, came %s", expected, text);
}

/* One message, or one transaction of it. `address`: 0 where it has none. */
static void expect_one(struct server *server, const struct line *line, size_t from, size_t fields,
                       uint8_t type, uint32_t address, uint8_t status)
{
    struct heard *heard = partner_next();
    const char *where = NULL;
    if (heard == NULL || heard->closes || heard->message.type != type ||
        (server != NULL && heard->from != server->number))
        differs(line, from, heard, NULL);
    const struct fo_update *update = &heard->message.updates[0];
    if (address != 0 && (update->address != address || (status != 0 && update->status != status)))
        differs(line, from, heard, NULL);
    if (type == FO_MSG_STATE && heard->message.server_state != state_of_word(line->words[fields - 1]))
        differs(line, from, heard, NULL);
    if (!fields_match(line, fields, &heard->message, heard->message.time, &where))
        differs(line, from, heard, where);
    free(heard);
}

static void expect_message(struct server *server, const struct line *line, size_t from, uint8_t type)
{
    size_t at = from + 1;
    uint32_t first = 0, last = 0;
    uint8_t status = 0;
    if (type == FO_MSG_STATE && at++ == line->count)
        fail("expect STATE: which one?");
    if (type == FO_MSG_BNDUPD || type == FO_MSG_BNDACK) {
        if (at == line->count || !address_of_word(line->words[at++], &first, &last))
            fail("%s: of which address?", line->words[from]);
        if (at < line->count && (status = status_of_word(line->words[at])) != 0)
            at++;
    }
    if (type == FO_MSG_CONNECT && partner_waiting() == NULL)
        partner_called();
    for (uint32_t address = first; address <= last; address++)
        expect_one(server, line, from, at, type, address, status);
}

/* ------------------------------------------------------------------ answers */

static const char *const answers[] = {
    [NO_ANSWER] = "nothing", [SILENCE] = "silence", [OFFER] = "OFFER", [ACK] = "ACK", [NAK] = "NAK",
    [PASSES] = "passes"};

static void tell_answer(const struct answer *answer, char *text, size_t size)
{
    char address[16];
    if (answer->kind == OFFER || answer->kind == ACK)
        snprintf(text, size, "%s %s lease %u", answers[answer->kind],
                 fo_address_text(answer->address, address), answer->length);
    else if (answer->kind == SILENCE)
        snprintf(text, size, "silence reason \"%s\"", answer->reason);
    else
        snprintf(text, size, "%s", answers[answer->kind]);
}

static struct server *answering(struct server *server, enum answer_kind kind)
{
    if (server != NULL)
        return server;
    for (size_t i = 0; i < 2; i++)
        if (stage.servers[i].answer.kind == kind)
            return &stage.servers[i];
    return &stage.servers[0];
}

/* OFFER, ACK [ADDRESS] [lease SECONDS], NAK, passes, silence [reason TEXT] */
static void expect_answer(struct server *server, const struct line *line, size_t from,
                          enum answer_kind kind)
{
    char expected[300], text[300];
    server = answering(server, kind);
    const struct answer answer = server->answer;
    bool fits = answer.kind == kind;
    size_t at = from + 1;
    uint32_t first, last;
    int64_t length;
    if (at < line->count && address_of_word(line->words[at], &first, &last)) {
        fits = fits && answer.address >= first && answer.address <= last;
        at++;
    }
    for (; at < line->count; at += 2) {
        const char *value = at + 1 < line->count ? line->words[at + 1] : "";
        if (word_is(line, at, "lease") && number_of(value, &length))
            fits = fits && answer.length == length;
        else if (word_is(line, at, "reason") && *value != '\0')
            fits = fits && answer.reason != NULL && strstr(answer.reason, value) != NULL;
        else
            fail("\"%s\": say lease SECONDS, or reason \"words of it\"", line->words[at]);
    }
    server->answer.kind = NO_ANSWER;
    words_from(line, from, expected, sizeof expected);
    tell_answer(&answer, text, sizeof text);
    if (!fits)
        fail("expected %s, came %s", expected, text);
}

void no_unexpected_answer(void)
{
    char text[300];
    for (size_t i = 0; i < stage.server_count; i++) {
        struct server *server = &stage.servers[i];
        const struct answer answer = server->answer;
        const bool order = server->order_answered;
        server->answer.kind = NO_ANSWER;
        server->order_answered = false;
        tell_answer(&answer, text, sizeof text);
        if (answer.kind != NO_ANSWER && answer.kind != PASSES &&
            (answer.kind != SILENCE || stage.server_count == 1))
            fail("came %s before this, which nothing expected", text);
        if (order)
            fail("came \"%s\" before this, which nothing expected", server->ordered);
    }
}

void nothing_unexpected(void)
{
    char text[600];
    no_unexpected_answer();
    if (partner_waiting() == NULL)
        return;
    came(partner_waiting(), text, sizeof text);
    fail("came %s, which nothing expected", text);
}

/* done [TEXT], refused [TEXT] */
static void expect_order(struct server *server, const struct line *line, size_t from)
{
    const bool done = word_is(line, from, "done");
    if (server == NULL)
        server = stage.servers[0].order_answered ? &stage.servers[0] : &stage.servers[1];
    if (!server->order_answered)
        fail("no order was given");
    server->order_answered = false;
    if (server->order_done != done ||
        (from + 1 < line->count && strstr(server->ordered, line->words[from + 1]) == NULL))
        fail("expected %s%s%s, came %s: %s", line->words[from], from + 1 < line->count ? " " : "",
             from + 1 < line->count ? line->words[from + 1] : "", server->order_done ? "done" : "refused",
             server->ordered);
}

void expect(struct server *server, const struct line *line, size_t from)
{
    if (from == line->count)
        fail("expect: what?");
    const uint8_t type = type_of_word(line->words[from]);
    if (type != 0) {
        expect_message(server, line, from, type);
        return;
    }
    for (size_t i = SILENCE; i <= PASSES; i++)
        if (strcmp(line->words[from], answers[i]) == 0) {
            expect_answer(server, line, from, (enum answer_kind)i);
            return;
        }
    if (word_is(line, from, "done") || word_is(line, from, "refused")) {
        expect_order(server, line, from);
    } else if (word_is(line, from, "nothing") || word_is(line, from, "close")) {
        struct heard *heard = partner_next();
        if ((heard != NULL && heard->closes) != word_is(line, from, "close") ||
            (heard != NULL && word_is(line, from, "nothing")))
            differs(line, from, heard, NULL);
        free(heard);
    } else if (word_is(line, from, "no") && word_is(line, from + 1, "call")) {
        if (wire_called()) /* the server has tried to connect, since the partner last answered that */
            fail("expected no call, came one");
    } else {
        fail("expect \"%s\": a message, OFFER, ACK, NAK, silence, passes, done, refused, close, nothing "
             "or no call", line->words[from]);
    }
}

/* ------------------------------------------------------------------ states and bindings */

void check_state(struct server *server, const struct line *line, size_t at)
{
    if (at >= line->count)
        fail("state: which one?");
    const uint8_t due = state_of_word(line->words[at]);
    const enum fo_state is_in = server_state(server);
    if (is_in != (enum fo_state)due)
        fail("expected state %s, the server is in %s", line->words[at], fo_state_name((uint8_t)is_in));
}

static const char *tell_binding(struct server *server, uint32_t address, char *text, size_t size)
{
    struct fo_table *table = &server->service->table;
    struct fo_pool *pool = fo_table_pool(table, address);
    const struct fo_binding *binding = fo_table_find(table, address);
    const long long now = seconds_now() + server->still.wall_step / 1000;
    size_t at = (size_t)snprintf(text, size, "%s",
                                 pool ? fo_status_name((uint8_t)fo_table_status(table, pool, address))
                                      : "in no pool");
    for (size_t i = 0; binding != NULL && i < stage.client_count; i++) {
        struct fo_client client = identity_of(&stage.clients[i]);
        if (fo_table_has_client(binding) && fo_table_same_client(binding, &client))
            at += (size_t)snprintf(text + at, size - at, " client %s", stage.clients[i].name);
    }
    if (binding != NULL)
        snprintf(text + at, size - at, " lease %+lld acknowledged %+lld received %+lld",
                 (long long)binding->times.lease_expiration - now,
                 (long long)binding->times.acked_potential - now,
                 (long long)binding->times.received_potential - now);
    return text;
}

static bool near_moment(const char *word, uint32_t time, uint32_t now)
{
    uint32_t due;
    if (!moment_of(word, now, &due))
        fail("\"%s\" is no moment", word);
    return due == 0 ? time == 0 : time + 2 >= due && time <= due + 2;
}

static bool has(struct server *server, uint32_t address, const char *word, const char *value)
{
    const struct fo_binding *binding = fo_table_find(&server->service->table, address);
    const uint32_t now = clock_of(server);
    if (strcmp(word, "client") == 0 && strcmp(value, "none") == 0)
        return binding == NULL || !fo_table_has_client(binding);
    if (strcmp(word, "client") == 0) {
        struct fo_client client = identity_of(client_of_word(value));
        return binding != NULL && fo_table_same_client(binding, &client);
    }
    static const struct fo_times none;
    const struct fo_times *times = binding != NULL ? &binding->times : &none;
    if (strcmp(word, "lease") == 0)
        return near_moment(value, times->lease_expiration, now);
    if (strcmp(word, "acknowledged") == 0)
        return near_moment(value, times->acked_potential, now);
    if (strcmp(word, "received") == 0)
        return near_moment(value, times->received_potential, now);
    fail("\"%s\": client, lease, acknowledged or received", word);
}

/* binding ADDRESS STATUS [client NAME] [lease MOMENT] [acknowledged MOMENT] [received MOMENT] */
void check_binding(struct server *server, const struct line *line, size_t from)
{
    char expected[300], text[300];
    uint32_t first, last;
    server_relationship(server);
    if (from + 1 >= line->count || !address_of_word(line->words[from], &first, &last))
        fail("binding ADDRESS STATUS ...");
    const uint8_t status = status_of_word(line->words[from + 1]);
    if (status == 0)
        fail("\"%s\" is no status", line->words[from + 1]);
    for (uint32_t address = first; address <= last; address++) {
        struct fo_pool *pool = fo_table_pool(&server->service->table, address);
        bool fits = pool != NULL &&
                    (uint8_t)fo_table_status(&server->service->table, pool, address) == status;
        for (size_t at = from + 2; at + 1 < line->count; at += 2)
            fits = has(server, address, line->words[at], line->words[at + 1]) && fits;
        words_from(line, from, expected, sizeof expected);
        if (!fits)
            fail("expected binding %s, it is %s", expected,
                 tell_binding(server, address, text, sizeof text));
    }
}

/* row ADDRESS absent|declined|client NAME [lease MOMENT] [name NAME|no name]: Kea's row, its end, its
   host name. */
void check_row(struct server *server, const struct line *line, size_t from)
{
    uint32_t first, last;
    if (from + 1 >= line->count || !address_of_word(line->words[from], &first, &last) ||
        engine_row(server, first) == NULL)
        fail("row ADDRESS absent, declined, or client NAME");
    const struct kea_row *row = engine_row(server, first);
    const bool leased = word_is(line, from + 1, "client") && from + 2 < line->count;
    bool fits = leased ? row->state == FO_ROW_LEASED && row->client == client_of_word(line->words[from + 2])
                : word_is(line, from + 1, "declined") ? row->state == FO_ROW_DECLINED
                                                 : word_is(line, from + 1, "absent") && row->state == FO_ROW_ABSENT;
    for (size_t at = from + 3; leased && at + 1 < line->count; at += 2) {
        const char *value = line->words[at + 1];
        if (word_is(line, at, "lease"))
            fits = fits && near_moment(value, row->cltt + row->length, clock_of(server));
        else if (word_is(line, at, "name") || word_is(line, at, "no"))
            fits = fits && strcmp(row->name, word_is(line, at, "no") ? "" : value) == 0;
        else
            fail("\"%s\": row ADDRESS client NAME [lease MOMENT] [name NAME|no name]", line->words[at]);
    }
    if (!fits)
        fail("expected row %s %s, there is %s%s%s%s until %+lld", line->words[from], line->words[from + 1],
             row->state == FO_ROW_ABSENT     ? "none"
             : row->state == FO_ROW_DECLINED ? "a declined one"
                                             : "one of client ",
             row->state == FO_ROW_LEASED && row->client ? row->client->name : "",
             row->name[0] ? " name " : "", row->name,
             (long long)row->cltt + row->length - clock_of(server));
}

/* told ADDRESS STATUS FIELDS: the last that a partner that agrees was told of it. */
void check_told(struct server *server, const struct line *line, size_t from)
{
    uint32_t first, last;
    const char *where = NULL;
    char text[600] = "nothing";
    (void)server;
    if (from >= line->count || !address_of_word(line->words[from], &first, &last))
        fail("told ADDRESS STATUS, or told ADDRESS nothing");
    advance(1000);
    for (uint32_t address = first; address <= last; address++) {
        const struct heard *heard = partner_told(address);
        const uint8_t status = from + 1 < line->count ? status_of_word(line->words[from + 1]) : 0;
        if (heard != NULL)
            fields_tell(&heard->message, heard->message.time, text, sizeof text);
        if (word_is(line, from + 1, "nothing") ? heard == NULL
                                          : heard != NULL && heard->message.updates[0].status == status &&
                                                fields_match(line, from + 2, &heard->message,
                                                             heard->message.time, &where))
            continue;
        fail("expected that %s was told as %s, it was told %s", line->words[from],
             from + 1 < line->count ? line->words[from + 1] : "something", text);
    }
}

/* addresses free N backup N available N ... */
void check_addresses(struct server *server, const struct line *line, size_t from)
{
    struct fo_pool_status status;
    server_relationship(server);
    fo_pool_status(server->service, 0, 0, &status);
    const struct { const char *name; uint64_t count; } counts[] = {
        {"free", status.free}, {"backup", status.backup}, {"active", status.active},
        {"expired", status.expired}, {"released", status.released}, {"abandoned", status.abandoned},
        {"available", status.available}, {"reserved", status.reserved}, {"offered", status.offered}};
    for (size_t at = from; at + 1 < line->count; at += 2) {
        size_t i = 0;
        int64_t number;
        while (i < sizeof counts / sizeof counts[0] && strcmp(counts[i].name, line->words[at]) != 0)
            i++;
        if (i == sizeof counts / sizeof counts[0] || !number_of(line->words[at + 1], &number))
            fail("\"%s\": addresses free N backup N active N available N ...", line->words[at]);
        if (counts[i].count != (uint64_t)number)
            fail("expected %s %s addresses, there are %llu", line->words[at + 1], line->words[at],
                 (unsigned long long)counts[i].count);
    }
}

/* log NAME [TEXT] or log no NAME: since it was last asked for. */
void check_log(struct server *server, const struct line *line, size_t from)
{
    const bool no = word_is(line, from, "no");
    from += no;
    for (int i = 0; from < line->count && i < FAILOVER_MESSAGE_COUNT; i++) {
        if (strcmp(fo_log_texts[i].name, line->words[from]) != 0)
            continue;
        const unsigned said = server->still.said[i];
        server->still.said[i] = 0;
        if ((said == 0) != no)
            fail("expected %s%s in the log, it came %u times", no ? "no " : "", line->words[from], said);
        if (!no && from + 1 < line->count && strstr(server->still.words[i], line->words[from + 1]) == NULL)
            fail("expected \"%s\" in %s, came \"%s\"", line->words[from + 1], line->words[from],
                 server->still.words[i]);
        return;
    }
    fail("log: a message of hook/messages.def, FAILOVER_...");
}
