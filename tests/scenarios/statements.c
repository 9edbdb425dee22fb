/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * What each statement of a scenario does; those that expect something are in checks.c. In a pair a
 * statement begins with the server that it is about, `primary kill`; what clients broadcast both hear.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ who there is */

static void do_server(struct server *server, const struct line *line, size_t at)
{
    const bool primary = word_is(line, at, "primary");
    if (!primary && !word_is(line, at, "secondary"))
        fail("server primary, or server secondary");
    if (stage.server_count == 2) {
        server_configure(&stage.servers[!primary], line, at + 1);
        return;
    }
    stage.server_count = 1;
    server->primary = primary;
    server_configure(server, line, at + 1);
}

static void do_pair(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    stage.server_count = 2;
    for (int i = 0; i < 2; i++) {
        stage.servers[i].number = i;
        stage.servers[i].primary = i == 0;
        server_configure(&stage.servers[i], line, at);
    }
}

/* reserve ADDRESS for CLIENT, or unreserve CLIENT: as the next start or reload finds it. */
static void do_reserve(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    client_of_word(word_at(line, at + 2, "the client"))->reserved = address_at(line, at);
}

static void do_unreserve(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    client_of_word(word_at(line, at, "the client"))->reserved = 0;
}

/* ------------------------------------------------------------------ life */

static void do_start(struct server *server, const struct line *line, size_t at)
{
    (void)line;
    (void)at;
    server_start(server);
}

static void do_reload(struct server *server, const struct line *line, size_t at)
{
    server_configure(server, line, at);
    server_reload(server);
}

static void do_stop(struct server *server, const struct line *line, size_t at)
{
    (void)line;
    (void)at;
    server_stop(server);
}

static void do_kill(struct server *server, const struct line *line, size_t at)
{
    (void)line;
    (void)at;
    server_kill(server);
}

static void do_restart(struct server *server, const struct line *line, size_t at)
{
    do_kill(server, line, at);
    server_start(server);
}

static void do_power_cut(struct server *server, const struct line *line, size_t at)
{
    (void)line;
    (void)at;
    server_kill(server);
    server->boot++;
}

/* reboot: the machine of a server that does not run; power-cut is that of one that does. */
static void do_reboot(struct server *server, const struct line *line, size_t at)
{
    (void)line;
    (void)at;
    if (server->service != NULL)
        fail("it runs: power-cut, or stop before");
    server->boot++;
}

/* lose store, lose rows, lose row ADDRESS: what a server that does not run has no more. */
static void do_lose(struct server *server, const struct line *line, size_t at)
{
    if (word_is(line, at, "store"))
        server_lose_store(server);
    else if (word_is(line, at, "rows"))
        memset(server->rows, 0, sizeof server->rows);
    else if (word_is(line, at, "row"))
        *engine_row(server, address_at(line, at + 1)) = (struct kea_row){0};
    else
        fail("lose store, lose rows, or lose row ADDRESS");
}

/* disk full, disk stalls, disk works; disk copied, and disk restored from that copy. */
static void do_disk(struct server *server, const struct line *line, size_t at)
{
    if (word_is(line, at, "full"))
        server->disk_full = true;
    else if (word_is(line, at, "stalls"))
        server->still.stuck = true;
    else if (word_is(line, at, "works"))
        server->disk_full = server->still.stuck = false;
    else if (word_is(line, at, "copied"))
        server_back_up(server);
    else if (word_is(line, at, "restored"))
        server_restore(server);
    else
        fail("disk full, stalls, works, copied or restored");
    settle();
}

/* rows wait, rows follow; rows reached the disk, and what a power cut leaves of them: rows of the disk. */
static void do_rows(struct server *server, const struct line *line, size_t at)
{
    if (word_is(line, at, "reached"))
        memcpy(server->rows_on_disk, server->rows, sizeof server->rows_on_disk);
    else if (word_is(line, at, "of") && server->service == NULL)
        memcpy(server->rows, server->rows_on_disk, sizeof server->rows);
    else if (word_is(line, at, "wait") || word_is(line, at, "follow"))
        server->rows_held = word_is(line, at, "wait");
    else
        fail("rows wait, rows follow, rows reached the disk, or, of a server that does not run, rows of the disk");
    settle();
}

/* A lease command: `command deletes ADDRESS`, `command writes ADDRESS for CLIENT`. */
static void do_command(struct server *server, const struct line *line, size_t at)
{
    const uint32_t which = address_at(line, at + 1);
    const bool deletes = word_is(line, at, "deletes");
    struct kea_row *row = engine_row(server, which);
    if (!deletes && !word_is(line, at, "writes"))
        fail("command deletes ADDRESS, or command writes ADDRESS for CLIENT");
    *row = deletes ? (struct kea_row){0}
                   : (struct kea_row){.state = FO_ROW_LEASED, .cltt = seconds_now(), .length = 600,
                                      .client = client_of_word(word_at(line, at + 3, "the client"))};
    if (server->service != NULL)
        fo_row_commanded(server->service, which, deletes ? "lease4-del" : "lease4-add", deletes);
    settle();
}

static void do_clock(struct server *server, const struct line *line, size_t at)
{
    int64_t seconds;
    if (!number_of(word_at(line, at, "how many seconds"), &seconds))
        fail("clock: a number of seconds");
    server->still.wall_step = seconds * 1000;
    settle();
}

static void do_pass(struct server *server, const struct line *line, size_t at)
{
    int64_t ms;
    (void)server;
    if (line->count != at + 2 || !span_of(line->words[at], line->words[at + 1], &ms))
        fail("pass: say `pass 61 s`, with ms, s, min, h or d");
    advance(ms);
}

/* ------------------------------------------------------------------ an operator */

/* partner-down [since MOMENT] [force] [dry-run] */
static void do_partner_down(struct server *server, const struct line *line, size_t at)
{
    struct fo_partner_down_order order = {0};
    server_relationship(server);
    for (; at < line->count; at++)
        if (word_is(line, at, "force"))
            order.force = true;
        else if (word_is(line, at, "dry-run"))
            order.dry_run = true;
        else if (word_is(line, at, "since") && at + 1 < line->count &&
                 moment_of(line->words[++at], seconds_now(), &order.since))
            order.has_since = true;
        else
            fail("partner-down [since MOMENT] [force] [dry-run]");
    server->order_done =
        fo_partner_down(server->service, &order, server->ordered, sizeof server->ordered);
    server->order_answered = true;
    settle();
}

/* shutdown, maintenance-start, maintenance-cancel: failover-shutdown and so on; each may be [dry-run] */
static void leave(struct server *server, const struct line *line, size_t at, struct fo_leave_order order,
                  bool (*obey)(struct fo_service *, const struct fo_leave_order *, char *, size_t))
{
    server_relationship(server);
    order.dry_run = word_is(line, at, "dry-run");
    if (line->count != at + order.dry_run)
        fail("%s [dry-run]", line->words[at - 1]);
    server->order_done = obey(server->service, &order, server->ordered, sizeof server->ordered);
    server->order_answered = true;
    settle();
}

static void do_shutdown(struct server *server, const struct line *line, size_t at)
{
    leave(server, line, at, (struct fo_leave_order){0}, fo_leave);
}

static void do_maintenance_start(struct server *server, const struct line *line, size_t at)
{
    leave(server, line, at, (struct fo_leave_order){.maintenance = true}, fo_leave);
}

static void do_maintenance_cancel(struct server *server, const struct line *line, size_t at)
{
    leave(server, line, at, (struct fo_leave_order){0}, fo_come_back);
}

/* dhcp-disable and dhcp-enable: Kea's own commands. Its main thread tells with its next sign of life, within
   3 s. */
static void do_dhcp(struct server *server, const struct line *line, size_t at)
{
    server_relationship(server);
    server->dhcp_disabled = word_is(line, at - 1, "dhcp-disable");
    settle();
}

/* ------------------------------------------------------------------ the partner */

static void do_partner(struct server *server, const struct line *line, size_t at)
{
    int64_t number;
    (void)server;
    if (line->count == at + 1 && partner_mode(line->words[at]))
        return;
    if (word_is(line, at, "clock") && at + 1 < line->count && number_of(line->words[at + 1], &number))
        partner_clock((int32_t)number);
    else if (word_is(line, at, "says") && at + 1 < line->count)
        partner_set(line, at + 1);
    else
        fail("partner agrees, insists, deaf, silent, alive, clock SECONDS, or says FIELDS OF THE HANDSHAKE");
}

static void played_only(const struct line *line)
{
    if (stage.server_count == 2)
        fail("%s: in a pair nobody plays the partner", line->words[0]);
}

/* receive MESSAGE FIELDS [stale], or receive bytes HEXADECIMAL */
static void do_receive(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    played_only(line);
    word_at(line, at, "what");
    if (word_is(line, at, "bytes")) {
        partner_says_bytes(word_at(line, at + 1, "the bytes"));
        settle();
        return;
    }
    partner_says(line, at);
    settle();
}

static void do_connect(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)at;
    played_only(line);
    partner_connects();
}

/* A TCP connection to the server, beside the one that there may be: what is said goes by this one. */
static void do_tcp(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)at;
    played_only(line);
    wire_open();
    settle();
}

static void do_normal(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)at;
    if (stage.server_count == 1) {
        partner_to_normal();
        return;
    }
    const uint32_t mclt = server_relationship(&stage.servers[0])->endpoint.record.mclt;
    for (uint32_t i = 0; i < mclt + 100 && (server_state(&stage.servers[0]) != FO_STATE_NORMAL ||
                                            server_state(&stage.servers[1]) != FO_STATE_NORMAL); i++)
        advance(1000);
    for (int i = 0; i < 2; i++)
        if (server_state(&stage.servers[i]) != FO_STATE_NORMAL)
            fail("expected both in state NORMAL, the %s is in %s", i ? "secondary" : "primary",
                 fo_state_name((uint8_t)server_state(&stage.servers[i])));
    advance(3000);
    (void)line;
}

static void do_refuse(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)at;
    played_only(line);
    for (int i = 0; i < 1200 && !wire_answer(false); i++)
        advance(100);
    settle();
}

static void do_disconnect(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)line;
    (void)at;
    wire_break();
    settle();
}

static void do_cut(struct server *server, const struct line *line, size_t at)
{
    (void)server;
    (void)at;
    if (stage.server_count != 2)
        fail("cut and mend: of a pair; else disconnect, or partner silent");
    stage.cut = word_is(line, at - 1, "cut");
    settle();
}

static void do_watch(struct server *server, const struct line *line, size_t at)
{
    uint32_t types = 0;
    (void)server;
    for (; at < line->count; at++) {
        if (type_of_word(line->words[at]) == 0)
            fail("\"%s\" is no message", line->words[at]);
        types |= UINT32_C(1) << type_of_word(line->words[at]);
    }
    partner_watches(types);
}

/* kea goes on, with the query that stopped half-way; kea hangs, its main thread, which neither writes rows nor
   shows that it lives, while packet threads work on what they have; kea runs again. */
static void do_kea(struct server *server, const struct line *line, size_t at)
{
    if (word_is(line, at, "goes"))
        engine_goes_on(server);
    else if (word_is(line, at, "hangs") || word_is(line, at, "runs"))
        server->hangs = word_is(line, at, "hangs");
    else
        fail("kea goes on, kea hangs, or kea runs");
    settle();
}

/* freeze 9 s: the process gets no time, nor has it had any yet when the next statement is done. */
static void do_freeze(struct server *server, const struct line *line, size_t at)
{
    int64_t ms;
    if (stage.server_count == 2)
        fail("freeze: of a pair the other would be frozen, too");
    if (line->count != at + 2 || !span_of(line->words[at], line->words[at + 1], &ms))
        fail("freeze: say `freeze 9 s`");
    stage.ms += ms;
    server->still.ms = stage.ms;
}

/* memory ends: every allocation fails; memory is there again. */
static void do_memory(struct server *server, const struct line *line, size_t at)
{
    if (!word_is(line, at, "ends") && !word_is(line, at, "is"))
        fail("memory ends, or memory is there");
    server->no_memory = word_is(line, at, "ends");
    settle();
}

static void do_expect(struct server *server, const struct line *line, size_t at)
{
    if (stage.server_count == 2 && (word_is(line, at, "primary") || word_is(line, at, "secondary")))
        server = &stage.servers[word_is(line, at++, "secondary")]; /* expect secondary UPDREQ */
    expect(server, line, at);
}

/* ------------------------------------------------------------------ all of them */

static const struct statement {
    const char *word;
    void (*perform)(struct server *server, const struct line *line, size_t at);
} statements[] = {
    {"server", do_server},       {"pair", do_pair},         {"clients", do_clients},
    {"reserve", do_reserve},     {"unreserve", do_unreserve}, {"start", do_start},
    {"reload", do_reload},       {"stop", do_stop},         {"kill", do_kill},
    {"restart", do_restart},     {"power-cut", do_power_cut}, {"reboot", do_reboot},
    {"lose", do_lose},           {"disk", do_disk},         {"rows", do_rows},
    {"command", do_command},     {"clock", do_clock},       {"pass", do_pass},
    {"partner-down", do_partner_down},
    {"shutdown", do_shutdown},   {"maintenance-start", do_maintenance_start},
    {"maintenance-cancel", do_maintenance_cancel},
    {"dhcp-disable", do_dhcp},   {"dhcp-enable", do_dhcp},  {"freeze", do_freeze},
    {"memory", do_memory},
    {"partner", do_partner},     {"receive", do_receive},   {"connect", do_connect},
    {"tcp", do_tcp},
    {"normal", do_normal},       {"refuse", do_refuse},     {"disconnect", do_disconnect},
    {"cut", do_cut},             {"mend", do_cut},          {"watch", do_watch},
    {"client", do_client},       {"kea", do_kea},           {"expect", do_expect},
    {"state", check_state},      {"binding", check_binding}, {"row", check_row},
    {"told", check_told},        {"addresses", check_addresses}, {"log", check_log},
};

void perform(const struct line *line)
{
    struct server *server = stage.server_count == 2 ? NULL : &stage.servers[0];
    size_t at = 0;
    if (stage.server_count == 2 && (word_is(line, 0, "primary") || word_is(line, 0, "secondary")))
        server = &stage.servers[word_is(line, at++, "secondary")];
    const char *what = word_at(line, at, "a statement");
    if (stage.trace) {
        printf("%11.3f  %d:", (double)stage.ms / 1000, line->number);
        for (size_t i = 0; i < line->count; i++)
            printf(" %s", line->words[i]);
        putchar('\n');
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        static const char *const of_none[] = {"server", "pair", "clients", "reserve", "unreserve", "pass",
                                              "normal", "disconnect", "cut", "mend", "watch", "client",
                                              "expect", "partner"};
        if (strcmp(what, statements[i].word) != 0)
            continue;
        bool none = false;
        for (size_t k = 0; k < sizeof of_none / sizeof of_none[0]; k++)
            none |= strcmp(what, of_none[k]) == 0;
        if (stage.server_count == 0 && strcmp(what, "server") != 0 && strcmp(what, "pair") != 0)
            fail("first say which server there is: server primary, server secondary, or pair");
        if (server == NULL && !none)
            fail("%s: of which server? begin with primary or secondary", what);
        if (strcmp(what, "expect") != 0)
            no_unexpected_answer();
        statements[i].perform(server, line, at + 1);
        return;
    }
    fail("\"%s\" is no statement", what);
}
