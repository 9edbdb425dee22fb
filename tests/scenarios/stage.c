/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Time and wire of a performance. What is sent waits in one list, and is delivered when all servers
 * have done what they had to: so nobody is called from within, and all happens in one order.
 */
#include "tests/scenarios/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_ADDRESS UINT32_C(0xC0000201) /* 192.0.2.1, and the next */

struct stage stage;
static jmp_buf failure;

struct link {
    fo_connection id[2]; /* as its two ends know it */
    bool open[2];
    unsigned number; /* the later the greater */
};

struct letter {
    struct letter *next;
    struct link *link;
    int to;
    enum letter_kind { CALL, STANDS, DATA, END, REFUSED } kind;
    size_t length;
    uint8_t data[];
};

static struct link links[LINKS_MAX];
static size_t link_count;
static struct letter *letters, **letters_end = &letters;
static fo_connection last_connection;
static unsigned last_link;
static struct link *calling; /* a server's call that the played partner has not answered */
static bool called;          /* there was one, though it may have been given up */

/* ------------------------------------------------------------------ words about it */

void fail(const char *format, ...)
{
    va_list arguments;
    char text[REPORT_MAX - 300], row[64] = "";
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (stage.row != NULL)
        snprintf(row, sizeof row, " (the row in line %d)", stage.row->number);
    snprintf(stage.report, REPORT_MAX, "%s:%d%s: %s", stage.script->file, stage.line->number, row, text);
    longjmp(failure, 1);
}

void tell(const char *format, ...)
{
    va_list arguments;
    if (!stage.trace)
        return;
    va_start(arguments, format);
    printf("%11.3f  ", (double)stage.ms / 1000);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

uint32_t seconds_now(void)
{
    return (uint32_t)(STILL_SECONDS + stage.ms / 1000);
}

/* ------------------------------------------------------------------ the wire */

static bool played(int end)
{
    return end == 1 && stage.server_count < 2;
}

static void post(struct link *link, int to, enum letter_kind kind, const uint8_t *data, size_t length)
{
    struct letter *letter = malloc(sizeof *letter + length);
    if (letter == NULL)
        abort();
    *letter = (struct letter){.link = link, .to = to, .kind = kind, .length = length};
    if (length > 0)
        memcpy(letter->data, data, length);
    *letters_end = letter;
    letters_end = &letter->next;
}

static struct link *find(int end, fo_connection connection)
{
    for (size_t i = 0; i < link_count; i++)
        if (links[i].id[end] == connection)
            return &links[i];
    return NULL;
}

static bool in_use(const struct link *link)
{
    const struct letter *letter = letters;
    while (letter != NULL && letter->link != link)
        letter = letter->next;
    return link->open[0] || link->open[1] || letter != NULL;
}

static struct link *new_link(int from)
{
    struct link *link = links;
    while (link < links + link_count && in_use(link))
        link++;
    if (link == links + LINKS_MAX)
        fail("more than %d connections at a time", LINKS_MAX);
    if (link == links + link_count)
        link_count++;
    *link = (struct link){.number = ++last_link};
    link->id[from] = ++last_connection;
    link->open[from] = true;
    return link;
}

fo_connection wire_call(int from)
{
    struct link *link = new_link(from);
    post(link, 1 - from, CALL, NULL, 0);
    return link->id[from];
}

void wire_send(int from, fo_connection connection, const uint8_t *data, size_t length)
{
    struct link *link = find(from, connection);
    if (link != NULL && link->open[from])
        post(link, 1 - from, DATA, data, length);
}

void wire_close(int from, fo_connection connection)
{
    struct link *link = find(from, connection);
    if (link == NULL || !link->open[from])
        return;
    link->open[from] = false;
    if (link == calling)
        calling = NULL;
    post(link, 1 - from, END, NULL, 0);
}

static struct link *played_link(void)
{
    struct link *last = NULL;
    for (size_t i = 0; i < link_count; i++)
        if (links[i].open[1] && (last == NULL || links[i].number > last->number))
            last = &links[i];
    return last;
}

bool wire_played_open(void)
{
    return played_link() != NULL;
}

bool wire_called(void)
{
    return called;
}

bool wire_answer(bool stands)
{
    struct link *link = calling;
    if (link == NULL)
        return false;
    calling = NULL;
    called = false;
    link->open[1] = stands;
    link->id[1] = ++last_connection;
    post(link, 0, stands ? STANDS : REFUSED, NULL, 0);
    return true;
}

static void accepted(struct server *server, fo_connection connection)
{
    fo_net_accepted(server->service, connection, SERVER_ADDRESS + !server->primary, 647,
                    SERVER_ADDRESS + server->primary);
}

void wire_open(void)
{
    struct server *server = &stage.servers[0];
    struct link *link = new_link(1);
    if (server->service == NULL || !server->listening)
        fail("the server does not listen");
    link->id[0] = ++last_connection;
    link->open[0] = true;
    accepted(server, link->id[0]);
}

void wire_say(const uint8_t *data, size_t length)
{
    struct link *link = played_link();
    if (link == NULL)
        fail("there is no connection");
    post(link, 0, DATA, data, length);
}

void wire_break(void)
{
    for (size_t i = 0; i < link_count; i++)
        for (int end = 0; end < 2; end++) {
            if (links[i].open[end] && played(end))
                partner_loses_connection();
            else if (links[i].open[end])
                fo_net_closed(stage.servers[end].service, links[i].id[end], "connection reset");
            links[i].open[end] = false;
        }
}

void wire_process_ends(int number)
{
    for (size_t i = 0; i < link_count; i++)
        if (links[i].open[number] && played(1 - number)) { /* nobody need expect it */
            links[i].open[0] = links[i].open[1] = false;
            partner_loses_connection();
        } else if (links[i].open[number]) {
            wire_close(number, links[i].id[number]);
        }
    calling = NULL;
}

static void take_call(struct letter *letter)
{
    struct link *link = letter->link;
    struct server *server = &stage.servers[letter->to];
    if (played(letter->to)) {
        calling = link->open[1 - letter->to] ? link : NULL;
        called = true;
        return;
    }
    if (server->service == NULL || !server->listening) {
        post(link, 1 - letter->to, REFUSED, NULL, 0);
        return;
    }
    link->id[letter->to] = ++last_connection;
    link->open[letter->to] = true;
    post(link, 1 - letter->to, STANDS, NULL, 0);
    accepted(server, link->id[letter->to]);
}

static void take_letter(struct letter *letter)
{
    struct link *link = letter->link;
    struct server *server = &stage.servers[letter->to];
    const fo_connection id = link->id[letter->to];
    if (letter->kind == CALL) {
        take_call(letter);
        return;
    }
    if (played(letter->to)) {
        if (letter->kind == DATA)
            partner_hears(0, letter->data, letter->length);
        else if (letter->kind == END && link->open[1])
            partner_hears_close(link == played_link());
        link->open[1] &= letter->kind != END;
        return;
    }
    if (!link->open[letter->to] || server->service == NULL)
        return;
    if (letter->kind == DATA) {
        if (stage.server_count == 2)
            partner_hears(1 - letter->to, letter->data, letter->length);
        fo_net_received(server->service, id, letter->data, letter->length);
    } else if (letter->kind == STANDS) {
        fo_net_connected(server->service, id);
    } else {
        link->open[letter->to] = false;
        fo_net_closed(server->service, id,
                      letter->kind == END ? "closed by partner" : "connection refused");
    }
}

static bool deliver(void)
{
    struct letter *letter = letters;
    if (letter == NULL || stage.cut)
        return false;
    letters = letter->next;
    if (letters == NULL)
        letters_end = &letters;
    take_letter(letter);
    free(letter);
    return true;
}

/* ------------------------------------------------------------------ time */

void settle(void)
{
    for (int i = 0; i < 100000; i++) {
        bool acted = false;
        for (size_t k = 0; k < stage.server_count; k++)
            acted |= server_act(&stage.servers[k]);
        if (!deliver() && !partner_act() && !acted)
            return;
    }
    fail("the servers do not come to rest");
}

void advance(int64_t ms)
{
    const int64_t end = stage.ms + ms;
    settle();
    while (stage.ms < end) {
        int64_t next = partner_deadline() < end ? partner_deadline() : end;
        for (size_t i = 0; i < stage.server_count; i++)
            if (stage.servers[i].service != NULL && stage.servers[i].deadline - 100000 < next)
                next = stage.servers[i].deadline - 100000;
        stage.ms = next > stage.ms ? next : stage.ms + 1;
        for (size_t i = 0; i < 2; i++)
            stage.servers[i].still.ms = stage.ms;
        settle();
    }
}

/* ------------------------------------------------------------------ a performance */

void stage_reset(void)
{
    for (size_t i = 0; i < 2; i++)
        server_free(&stage.servers[i]);
    while (letters != NULL) {
        struct letter *letter = letters;
        letters = letter->next;
        free(letter);
    }
    letters_end = &letters;
    link_count = 0;
    last_connection = 0;
    calling = NULL;
    called = false;
    partner_reset();
}

bool script_perform(const struct script *script, const struct scenario *scenario,
                    const struct row *row, bool trace, char report[REPORT_MAX])
{
    static struct line line;
    static char space[4000];
    memset(&stage, 0, sizeof stage);
    stage_reset();
    stage.script = script;
    stage.scenario = scenario;
    stage.row = row;
    stage.trace = trace;
    stage.report = report;
    stage.line = &scenario->lines[0];
    if (trace)
        printf("---- %s:%d: %s%s", script->file, scenario->number, scenario->title, row ? "" : "\n");
    for (size_t i = 0; trace && row != NULL && i < scenario->column_count; i++)
        printf(" | %s%s", row->values[i], i + 1 < scenario->column_count ? "" : "\n");
    if (setjmp(failure) != 0) {
        stage_reset();
        return false;
    }
    for (size_t i = 0; i < scenario->count; i++) {
        stage.line = &scenario->lines[i];
        if (!script_fill(scenario, row, stage.line, &line, space, sizeof space))
            fail("too many words");
        perform(&line);
    }
    no_unexpected_answer();
    advance(1000);
    nothing_unexpected();
    for (size_t i = 0; i < 2; i++) {
        server_free(&stage.servers[i]);
        if (stage.servers[i].still.blocks != 0)
            fail("the server leaves %ld blocks of memory", stage.servers[i].still.blocks);
    }
    stage_reset();
    return true;
}

bool script_play(const struct script *script, bool trace, char report[REPORT_MAX])
{
    for (size_t i = 0; i < script->count; i++) {
        const struct scenario *scenario = &script->scenarios[i];
        for (size_t k = 0; k < (scenario->row_count ? scenario->row_count : 1); k++)
            if (!script_perform(script, scenario, scenario->row_count ? &scenario->rows[k] : NULL, trace,
                                report))
                return false;
    }
    return true;
}
