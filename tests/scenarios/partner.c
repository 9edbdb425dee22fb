/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The partner that a scenario plays. What the server says is kept until the scenario expects it, a
 * message with several bindings as so many transactions; what the scenario says is sent with the
 * transaction id that the draft asks for. It keeps the connection alive by CONTACT, and where it
 * `agrees`, it answers by itself: BNDUPDs are acknowledged, requests granted.
 */
#include "tests/scenarios/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/dialect.h"

enum { UNANSWERED_MAX = 128, SAID_MAX = 512, CONTACT_MS = 20000, STALE_XID = 99999 };

struct unanswered { /* a BNDUPD of the server's */
    uint32_t xid;   /* 0: none */
    size_t count;
    struct {
        uint32_t address;
        bool given, rejects;
        uint8_t reason;
    } verdicts[FO_UPDATES_MAX];
};

static struct {
    struct heard *first, **last;
    struct heard *told; /* while it agrees: the last of each address */
    bool agrees, deaf, silent, established;
    int32_t clock;
    uint8_t state; /* that it said last */
    uint32_t next_xid, connect_xid, request_xid, pool_xid; /* the server's */
    uint32_t said_connect, said_request, said_pool;        /* its own */
    struct {
        uint32_t xid, address;
    } said[SAID_MAX]; /* its transactions that the server has not acknowledged */
    struct unanswered unanswered[UNANSWERED_MAX];
    int64_t contact_at;
    uint32_t watches;
    struct line handshake; /* words that its CONNECT or CONNECTACK has */
    char words[400];
} partner;

static struct fo_message built;

static uint32_t clock_now(void)
{
    return (uint32_t)((int64_t)seconds_now() + partner.clock);
}

void partner_reset(void)
{
    struct heard *lists[2] = {partner.first, partner.told};
    for (int i = 0; i < 2; i++)
        while (lists[i] != NULL) {
            struct heard *next = lists[i]->next;
            free(lists[i]);
            lists[i] = next;
        }
    memset(&partner, 0, sizeof partner);
    partner.last = &partner.first;
    partner.state = FO_STATE_NORMAL;
    partner.next_xid = 1;
}

/* ------------------------------------------------------------------ hearing */

static struct heard *new_heard(int from)
{
    struct heard *heard = malloc(sizeof *heard);
    if (heard == NULL)
        abort();
    heard->next = NULL;
    heard->from = from;
    heard->closes = false;
    heard->left = 0;
    memset(&heard->message, 0, offsetof(struct fo_message, updates) + sizeof heard->message.updates[0]);
    return heard;
}

static void append(struct heard *heard)
{
    *partner.last = heard;
    partner.last = &heard->next;
}

/* Transaction `index` of a message; its strings point into a copy of the frame. */
static struct heard *part_of(int from, const uint8_t *data, size_t length, size_t index)
{
    static struct fo_message message;
    struct fo_decode_error error;
    struct heard *heard = new_heard(from);
    memcpy(heard->frame, data, length);
    if (!fo_decode(&fo_dialect_draft, heard->frame, length, &message, &error)) {
        free(heard);
        fail("what the server says is no message of the draft: %s", error.text);
    }
    memcpy(&heard->message, &message, offsetof(struct fo_message, updates));
    if (index < message.update_count) {
        heard->message.updates[0] = message.updates[index];
        heard->left = message.update_count - 1 - index;
    }
    return heard;
}

static void note_told(struct heard *heard)
{
    struct heard **place = &partner.told;
    while (*place != NULL &&
           (*place)->message.updates[0].address != heard->message.updates[0].address)
        place = &(*place)->next;
    struct heard *old = *place;
    heard->next = old != NULL ? old->next : NULL;
    *place = heard;
    free(old);
}

const struct heard *partner_told(uint32_t address)
{
    struct heard *told = partner.told;
    while (told != NULL && told->message.updates[0].address != address)
        told = told->next;
    return told;
}

/* The server answers with the transaction id that it was asked with. */
static void check_response(const struct fo_message *message)
{
    const uint32_t due = message->type == FO_MSG_CONNECTACK ? partner.said_connect
                         : message->type == FO_MSG_UPDDONE  ? partner.said_request
                         : message->type == FO_MSG_POOLRESP ? partner.said_pool
                                                            : message->xid;
    if (message->xid != due)
        fail("%s has the transaction id %u, not %u", fo_message_name(message->type), message->xid, due);
    if (message->type != FO_MSG_BNDACK)
        return;
    for (size_t i = 0; i < SAID_MAX; i++)
        if (partner.said[i].xid == message->xid &&
            partner.said[i].address == message->updates[0].address) {
            partner.said[i].xid = 0;
            return;
        }
    fail("BNDACK answers nothing that was said");
}

static void note_update(const struct fo_message *message)
{
    struct unanswered *place = partner.unanswered;
    while (place < partner.unanswered + UNANSWERED_MAX && place->xid != message->xid)
        place++;
    if (place == partner.unanswered + UNANSWERED_MAX)
        for (place = partner.unanswered; place->xid != 0; place++)
            if (place == partner.unanswered + UNANSWERED_MAX - 1)
                fail("too many BNDUPDs without an answer");
    if (place->xid == 0) {
        memset(place, 0, sizeof *place);
        place->xid = message->xid;
    }
    place->verdicts[place->count++].address = message->updates[0].address;
}

static void say(struct fo_message *message)
{
    uint8_t frame[FO_MESSAGE_MAX];
    char text[400];
    const uint32_t now = clock_now();
    if (message->time == 0)
        message->time = now;
    const size_t length = fo_encode(&fo_dialect_draft, message, frame, sizeof frame);
    if (length == 0)
        fail("this is no message that the draft allows");
    fields_tell(message, now, text, sizeof text);
    tell("partner -> %s%s", text, message->update_count > 1 ? " and more" : "");
    wire_say(frame, length);
}

static void say_bare(uint8_t type, uint32_t xid)
{
    memset(&built, 0, offsetof(struct fo_message, updates));
    built.type = type;
    built.xid = xid;
    if (type == FO_MSG_POOLRESP)
        built.present = FO_HAS(FO_OPT_ADDRESSES_TRANSFERRED);
    say(&built);
}

static void answer_updates(struct unanswered *update)
{
    memset(&built, 0, offsetof(struct fo_message, updates));
    built.type = FO_MSG_BNDACK;
    built.xid = update->xid;
    built.update_count = update->count;
    for (size_t i = 0; i < update->count; i++)
        built.updates[i] = (struct fo_update){
            .present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) |
                       (update->verdicts[i].rejects ? FO_HAS(FO_OPT_REJECT_REASON) : 0),
            .address = update->verdicts[i].address,
            .reject_reason = update->verdicts[i].reason};
    update->xid = 0;
    say(&built);
}

void partner_says_words(const char *type, const char *state)
{
    struct line line = {.number = stage.line->number, .count = 1, .words = {type}};
    if (state != NULL)
        line.words[line.count++] = state;
    for (size_t i = 0; state == NULL && i < partner.handshake.count; i++)
        line.words[line.count++] = partner.handshake.words[i];
    partner_says(&line, 0);
}

/* By itself. */
static void agree(const struct heard *heard)
{
    switch (heard->message.type) {
    case FO_MSG_BNDUPD:
        for (size_t i = 0; heard->left == 0 && i < UNANSWERED_MAX; i++)
            if (partner.unanswered[i].xid == heard->message.xid)
                answer_updates(&partner.unanswered[i]);
        break;
    case FO_MSG_UPDREQ:
    case FO_MSG_UPDREQALL:
        say_bare(FO_MSG_UPDDONE, heard->message.xid);
        break;
    case FO_MSG_POOLREQ:
        say_bare(FO_MSG_POOLRESP, heard->message.xid);
        break;
    case FO_MSG_CONNECT:
        partner_says_words("CONNECTACK", NULL);
        partner_says_words("STATE", fo_state_name(partner.state));
        break;
    default:
        break;
    }
}

static void take(struct heard *heard)
{
    const struct fo_message *message = &heard->message;
    check_response(message);
    if (message->type == FO_MSG_CONNECT)
        partner.connect_xid = message->xid;
    else if (message->type == FO_MSG_UPDREQ || message->type == FO_MSG_UPDREQALL)
        partner.request_xid = message->xid;
    else if (message->type == FO_MSG_POOLREQ)
        partner.pool_xid = message->xid;
    else if (message->type == FO_MSG_BNDUPD)
        note_update(message);
    else if (message->type == FO_MSG_CONNECTACK && !(message->present & FO_HAS(FO_OPT_REJECT_REASON)))
        partner.established = true;
    if (!partner.agrees && !partner.deaf) {
        append(heard);
        return;
    }
    if (partner.deaf) {
        free(heard);
        return;
    }
    agree(heard);
    if (message->type == FO_MSG_BNDUPD)
        note_told(heard);
    else
        free(heard);
}

void partner_hears(int from, const uint8_t *data, size_t length)
{
    char text[600];
    size_t left = 0;
    for (size_t i = 0; i == 0 || left > 0; i++) {
        struct heard *heard = part_of(from, data, length, i);
        const bool pair = stage.server_count == 2;
        left = heard->left;
        if (stage.trace) {
            fields_tell(&heard->message, heard->message.time, text, sizeof text);
            tell("%s -> %s", stage.servers[from].primary ? "primary" : "secondary", text);
        }
        if (pair && (partner.watches >> heard->message.type & 1))
            append(heard);
        else if (pair || heard->message.type == FO_MSG_CONTACT)
            free(heard);
        else
            take(heard);
    }
}

void partner_hears_close(bool present)
{
    struct heard *heard = new_heard(0);
    heard->closes = true;
    if (partner.agrees || partner.deaf)
        free(heard);
    else
        append(heard);
    tell("the server closes the connection");
    if (present)
        partner_loses_connection();
}

void partner_loses_connection(void)
{
    partner.established = false;
    memset(partner.unanswered, 0, sizeof partner.unanswered);
    memset(partner.said, 0, sizeof partner.said);
}

struct heard *partner_next(void)
{
    for (int i = 0; i < 10 && partner.first == NULL; i++)
        advance(100);
    struct heard *heard = partner.first;
    if (heard == NULL)
        return NULL;
    partner.first = heard->next;
    if (partner.first == NULL)
        partner.last = &partner.first;
    return heard;
}

const struct heard *partner_waiting(void)
{
    return partner.first;
}

/* ------------------------------------------------------------------ saying */

/* The answers to several BNDUPDs may come in one statement; each goes out when it is complete. */
static void give_verdicts(const struct fo_message *message)
{
    for (size_t i = 0; i < message->update_count; i++) {
        const struct fo_update *verdict = &message->updates[i];
        bool found = false;
        for (struct unanswered *u = partner.unanswered;
             !found && u < partner.unanswered + UNANSWERED_MAX; u++)
            for (size_t k = 0; u->xid != 0 && !found && k < u->count; k++)
                if (u->verdicts[k].address == verdict->address && !u->verdicts[k].given) {
                    found = u->verdicts[k].given = true;
                    u->verdicts[k].rejects = (verdict->present & FO_HAS(FO_OPT_REJECT_REASON)) != 0;
                    u->verdicts[k].reason = verdict->reject_reason;
                }
        char text[16];
        if (!found)
            fail("no BNDUPD of %s waits for an answer", fo_address_text(verdict->address, text));
    }
}

static void send_complete(bool all)
{
    for (struct unanswered *u = partner.unanswered; u < partner.unanswered + UNANSWERED_MAX; u++) {
        size_t given = 0;
        for (size_t k = 0; k < u->count; k++)
            given += u->verdicts[k].given;
        if (u->xid != 0 && (all || given == u->count))
            answer_updates(u);
    }
}

static void note_said(struct fo_message *message)
{
    size_t place = 0;
    for (size_t i = 0; message->type == FO_MSG_BNDUPD && i < message->update_count; i++) {
        while (partner.said[place].xid != 0)
            if (++place == SAID_MAX)
                fail("too many transactions without an answer");
        partner.said[place].xid = message->xid;
        partner.said[place].address = message->updates[i].address;
    }
    if (message->type == FO_MSG_CONNECT)
        partner.said_connect = message->xid;
    else if (message->type == FO_MSG_UPDREQ || message->type == FO_MSG_UPDREQALL)
        partner.said_request = message->xid;
    else if (message->type == FO_MSG_POOLREQ)
        partner.said_pool = message->xid;
    else if (message->type == FO_MSG_STATE)
        partner.state = message->server_state;
    else if (message->type == FO_MSG_CONNECTACK)
        partner.established = !(message->present & FO_HAS(FO_OPT_REJECT_REASON));
    partner.contact_at = stage.ms + CONTACT_MS;
}

void partner_says(const struct line *line, size_t from)
{
    struct line words = *line;
    const bool stale = words.count > from && strcmp(words.words[words.count - 1], "stale") == 0;
    words.count -= stale;
    const bool all = words.count == from + 2 && strcmp(words.words[from], "BNDACK") == 0 &&
                     strcmp(words.words[from + 1], "all") == 0;
    if (all) {
        send_complete(true);
        return;
    }
    fields_build(&words, from, &built, clock_now());
    if (built.type == FO_MSG_BNDACK && !stale) {
        give_verdicts(&built);
        send_complete(false);
        return;
    }
    if (built.type == FO_MSG_CONNECT && !wire_played_open())
        wire_open();
    built.xid = stale                            ? STALE_XID
                : built.type == FO_MSG_CONNECTACK ? partner.connect_xid
                : built.type == FO_MSG_UPDDONE    ? partner.request_xid
                : built.type == FO_MSG_POOLRESP   ? partner.pool_xid
                                                  : partner.next_xid++;
    note_said(&built);
    say(&built);
}

void partner_says_bytes(const char *text)
{
    uint8_t bytes[FO_MESSAGE_MAX];
    size_t length = 0;
    unsigned byte;
    for (; *text != '\0'; text += *text == ' ' ? 1 : 2)
        if (*text != ' ') {
            if (length == sizeof bytes || sscanf(text, "%2x", &byte) != 1 || text[1] == '\0')
                fail("these are no hexadecimal digits: %s", text);
            bytes[length++] = (uint8_t)byte;
        }
    wire_say(bytes, length);
}

/* ------------------------------------------------------------------ by itself */

bool partner_act(void)
{
    if (partner.agrees && stage.server_count == 1 && stage.servers[0].primary && wire_answer(true))
        return true;
    if (partner.established && !partner.silent && stage.ms >= partner.contact_at && wire_played_open()) {
        partner.contact_at = stage.ms + CONTACT_MS;
        say_bare(FO_MSG_CONTACT, partner.next_xid++);
        return true;
    }
    return false;
}

int64_t partner_deadline(void)
{
    return partner.established && !partner.silent && wire_played_open() ? partner.contact_at : INT64_MAX;
}

bool partner_mode(const char *word)
{
    static const char *const modes[] = {"insists", "agrees", "deaf"};
    for (int i = 0; i < 3; i++)
        if (strcmp(word, modes[i]) == 0) {
            partner.agrees = i == 1;
            partner.deaf = i == 2;
            return true;
        }
    partner.silent = strcmp(word, "silent") == 0;
    return partner.silent || strcmp(word, "alive") == 0;
}

bool partner_expects(void)
{
    return !partner.agrees && !partner.deaf;
}

bool partner_established(void)
{
    return partner.established;
}

void partner_clock(int32_t seconds)
{
    partner.clock = seconds;
}

void partner_watches(uint32_t types)
{
    partner.watches = types;
    while (partner.first != NULL) { /* what was noted before is of no interest now */
        struct heard *next = partner.first->next;
        free(partner.first);
        partner.first = next;
    }
    partner.last = &partner.first;
}

void partner_set(const struct line *line, size_t from)
{
    size_t used = 0;
    partner.handshake.count = 0;
    for (size_t i = from; i < line->count; i++) {
        const size_t length = strlen(line->words[i]) + 1;
        if (used + length > sizeof partner.words)
            fail("too many words");
        memcpy(partner.words + used, line->words[i], length);
        partner.handshake.words[partner.handshake.count++] = partner.words + used;
        used += length;
    }
}
