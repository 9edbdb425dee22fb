/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * The dialogue of the simulated clients, see client_dialogue.h: RFC 2131 sections 3.1, 3.2, 4.1
 * (retransmission) and 4.4.  With `retransmit` a client that gets no further (REQUEST unanswered,
 * or refused by DHCPNAK) starts over with a new DISCOVER, `secs` counting on from the first one,
 * until its patience (`timeout`) is over.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "client_dialogue.h"
#include "client_wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase {
    IDLE,
    OFFERS,
    ANSWER,
    RESTART
};

struct client {
    struct hold hold;
    struct order order;
    enum phase phase;
    bool settled;                  /* answered; later answers with this xid are extra */
    uint32_t xid, address, server; /* of the exchange: asked for, taken from */
    double started, sent, deadline, due;
    unsigned tries, sends;
    uint32_t giaddr;
    uint8_t client_id[ID_MAX], host_name[ID_MAX], option82[ID_MAX];
    size_t client_id_len, host_name_len, option82_len;
};

const char *const verb_names[VERB_COUNT] = {"discover", "discover-only", "select", "renew",
                                            "rebind",   "reboot",        "inform", "release",
                                            "decline",  "forget"};

static struct client *clients[CLIENTS_MAX];
static uint32_t default_servers[TARGETS_MAX];
static unsigned default_count;

/* ---- clients ---- */

static void *need(void *memory)
{
    if (!memory) {
        perror("memory");
        exit(1);
    }
    return memory;
}

static struct client *client_at(uint32_t n)
{
    if (!clients[n])
        clients[n] = need(calloc(1, sizeof(struct client)));
    return clients[n];
}

static struct hold *hold_of(uint32_t n)
{
    return &client_at(n)->hold;
}

void dialogue_init(void)
{
    oracle_init(hold_of);
}

void dialogue_default_servers(const uint32_t *servers, unsigned count)
{
    memcpy(default_servers, servers, count * sizeof(*servers));
    default_count = count;
}

/* ---- timers: a heap; an entry whose time is not the client's any more is stale ---- */

struct alarm {
    double at;
    uint32_t client;
};

static struct alarm *heap;
static size_t heap_count, heap_size;

static void heap_push(double at, uint32_t client)
{
    size_t i = heap_count++;

    if (heap_count > heap_size) {
        heap_size = heap_size ? heap_size * 2 : 1024;
        heap = need(realloc(heap, heap_size * sizeof(*heap)));
    }
    for (; i && heap[(i - 1) / 2].at > at; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = (struct alarm){at, client};
}

static struct alarm heap_pop(void)
{
    const struct alarm top = heap[0], last = heap[--heap_count];
    size_t i = 0;

    for (size_t kid = 1; kid < heap_count; i = kid, kid = 2 * kid + 1) {
        if (kid + 1 < heap_count && heap[kid + 1].at < heap[kid].at)
            kid++;
        if (heap[kid].at >= last.at)
            break;
        heap[i] = heap[kid];
    }
    heap[i] = last;
    return top;
}

static void set_alarm(uint32_t n, double at)
{
    struct client *c = client_at(n);

    c->due = fmin(at, c->deadline);
    heap_push(c->due, n);
}

/* ---- lines ---- */

static void line_start(uint32_t n, double t, const char *result)
{
    const struct client *c = client_at(n);

    printf("{\"t\":%.6f,\"client\":%u,\"verb\":\"%s\",\"id\":\"%s\",\"result\":\"%s\"", t, n,
           verb_names[c->order.verb], c->order.id, result);
}

static void line_end(void)
{
    puts("}");
    fflush(stdout);
}

static void line_timing(const struct client *c, double t)
{
    printf(",\"ms\":%.3f,\"total_ms\":%.3f,\"secs\":%u,\"tries\":%u", (t - c->sent) * 1e3,
           (t - c->started) * 1e3, (unsigned)(c->order.secs + (c->sent - c->started)), c->sends);
}

static void line_answer(const struct dhcp_in *in)
{
    printf(",\"address\":\"%s\",\"lease\":%u,\"t1\":%u,\"t2\":%u,\"server\":\"%s\",\"siaddr\":\"%"
           "s\",\"source\":\"%s\"",
           ip_text(in->yiaddr), in->lease, in->t1, in->t2, ip_text(in->server_id),
           ip_text(in->siaddr), ip_text(in->ip_src));
    if (in->message[0])
        printf(",\"message\":\"%s\"", in->message);
}

static void finish(uint32_t n, double t, const char *result, const struct dhcp_in *in)
{
    struct client *c = client_at(n);

    line_start(n, t, result);
    line_timing(c, t);
    if (in)
        line_answer(in);
    else if (c->address)
        printf(",\"address\":\"%s\"", ip_text(c->address));
    line_end();
    c->phase = IDLE;
    c->due = 0;
    c->settled = in != NULL;
}

static void violation(uint32_t n, double t, const char *what, uint32_t address, uint32_t other,
                      const struct dhcp_in *in)
{
    const struct hold *h = hold_of(other);

    printf("{\"oracle\":\"violation\",\"t\":%.6f,\"what\":\"%s\",\"address\":\"%s\",\"client\":%u,"
           "\"server\":\"%s\","
           "\"holder\":%u,\"holder_end\":%.3f,\"holder_server\":\"%s\",\"verb\":\"%s\"}\n",
           t, what, ip_text(address), n, ip_text(in->server_id ? in->server_id : in->ip_src), other,
           fmin(h->end, 1e12), ip_text(h->server), verb_names[client_at(n)->order.verb]);
    fflush(stdout);
    exit(3);
}

/* ---- speaking ---- */

static void choose_type(const struct client *c, struct dhcp_out *out)
{
    static const enum dhcp_type types[VERB_COUNT] = {
        DHCP_REQUEST, DHCP_DISCOVER, DHCP_REQUEST, DHCP_REQUEST, DHCP_REQUEST,
        DHCP_REQUEST, DHCP_INFORM,   DHCP_RELEASE, DHCP_DECLINE, DHCP_DISCOVER};
    const enum verb verb = c->order.verb;

    out->type = c->phase == OFFERS ? DHCP_DISCOVER : types[verb];
    if (verb == RENEW || verb == REBIND || verb == RELEASE || verb == INFORM)
        out->ciaddr = c->address;
    else
        out->requested = out->type == DHCP_DISCOVER ? c->order.ask : c->address;
    if (verb == RELEASE || verb == DECLINE || (out->type == DHCP_REQUEST && verb <= SELECT))
        out->server_id = c->server;
}

/* To everybody; to a server; or from a relay to each server that it knows. */
static void transmit(const struct client *c, struct dhcp_out *out, double now)
{
    const struct order *o = &c->order;
    const bool direct = o->verb == RENEW || o->verb == RELEASE;
    const uint32_t *targets = o->server_count ? o->servers : default_servers;
    const unsigned count = o->server_count ? o->server_count : default_count;

    out->port_src = 68;
    out->port_dst = 67;
    out->ip_src = out->ciaddr;
    out->ip_dst = 0xffffffff;
    if (c->giaddr)
        mac_of_relay(out->eth_src, c->giaddr);
    if (direct) { /* through a router, if there is a relay, and unchanged by it */
        out->ip_dst = o->server_count ? o->servers[0] : c->server;
        wire_send(out, now);
        return;
    }
    if (c->giaddr) {
        out->giaddr = out->ip_src = c->giaddr;
        out->port_src = 67;
        for (unsigned i = 0; i < count; i++) {
            out->ip_dst = targets[i];
            wire_send(out, now);
        }
        if (count)
            return;
    }
    wire_send(out, now);
}

static void say(uint32_t n, double now)
{
    struct client *c = client_at(n);
    struct dhcp_out out = {.xid = c->xid,
                           .broadcast = c->order.broadcast,
                           .want_lease = c->order.want,
                           .client_id = c->client_id,
                           .client_id_len = c->client_id_len,
                           .host_name = c->host_name,
                           .host_name_len = c->host_name_len,
                           .option82 = c->option82,
                           .option82_len = c->option82_len};
    const double secs = c->order.secs + (now - c->started);

    mac_of_client(out.chaddr, n);
    mac_of_client(out.eth_src, n);
    out.secs = (uint16_t)fmin(secs, 65535);
    choose_type(c, &out);
    transmit(c, &out, now);
    c->sent = now;
    c->tries++;
    c->sends++;
    /* RFC 2131, 4.1: 4, 8, 16, 32, 64 seconds, each plus or minus one. */
    if (c->order.retransmit)
        set_alarm(n, now + (2 << (c->tries < 5 ? c->tries : 5)) + 2 * drand48() - 1);
    else
        set_alarm(n, c->deadline);
}

static void say_first(uint32_t n, enum phase phase, double now)
{
    struct client *c = client_at(n);

    c->phase = phase;
    c->tries = 0;
    if (phase == OFFERS || c->order.verb >= SELECT)
        c->xid = (uint32_t)mrand48();
    say(n, now);
}

/* ---- orders ---- */

static void set_identity(struct client *c, const struct order *o)
{
    if (o->set_client_id) {
        memcpy(c->client_id, o->client_id, ID_MAX);
        c->client_id_len = o->client_id_len;
    }
    if (o->set_host_name) {
        memcpy(c->host_name, o->host_name, ID_MAX);
        c->host_name_len = o->host_name_len;
    }
    if (o->set_option82) {
        memcpy(c->option82, o->option82, ID_MAX);
        c->option82_len = o->option82_len;
    }
    if (o->set_giaddr) {
        c->giaddr = o->giaddr;
        if (c->giaddr)
            wire_relay_add(c->giaddr);
    }
}

/* The address and server that an order is about; NULL, or why it cannot be carried out. */
static const char *find_subject(struct client *c, double now)
{
    const struct order *o = &c->order;
    const bool holding = c->hold.address && c->hold.end > now && !c->hold.forgotten;

    if (o->verb <= DISCOVER_ONLY) {
        c->address = 0;
        return NULL;
    }
    if (o->verb == SELECT) { /* address and server were left by discover-only */
        if (o->ask)
            c->address = o->ask;
        if (o->server_count)
            c->server = o->servers[0];
        return c->address && c->server ? NULL : "no-offer";
    }
    c->address = o->ask ? o->ask : holding ? c->hold.address : 0;
    c->server = o->server_count ? o->servers[0] : c->hold.server;
    if (!c->address)
        return "no-lease";
    return c->server || o->verb == REBIND || o->verb == REBOOT || o->verb == INFORM ? NULL
                                                                                    : "no-server";
}

void dialogue_start(uint32_t n, const struct order *order, double now)
{
    struct client *c = client_at(n);
    const char *refusal;

    if (c->phase != IDLE)
        finish(n, now, "aborted", NULL);
    set_identity(c, order);
    c->order = *order;
    c->started = c->sent = now;
    c->deadline = now + order->timeout;
    c->sends = 0;
    refusal = find_subject(c, now);
    if (refusal) {
        finish(n, now, refusal, NULL);
    } else if (order->verb == FORGET) {
        c->hold.forgotten = true;
        finish(n, now, "forgotten", NULL);
    } else if (order->verb == RELEASE || order->verb == DECLINE) {
        /* Given up before the message leaves: from here on the address may be anybody's. */
        if (c->address == c->hold.address)
            oracle_given_back(n);
        say_first(n, ANSWER, now);
        finish(n, now, "sent", NULL);
    } else {
        say_first(n, order->verb <= DISCOVER_ONLY ? OFFERS : ANSWER, now);
    }
}

/* ---- hearing ---- */

static const char *result_of(enum dhcp_type type)
{
    return type == DHCP_OFFER ? "offer"
           : type == DHCP_ACK ? "ack"
           : type == DHCP_NAK ? "nak"
                              : "other";
}

static void note(uint32_t n, const struct dhcp_in *in, double t, const char *flag)
{
    const struct client *c = client_at(n);

    line_start(n, t, result_of(in->type));
    printf(",\"%s\":true", flag);
    line_timing(c, t);
    line_answer(in);
    line_end();
}

static void check_ack(uint32_t n, const struct dhcp_in *in, double t, bool extra)
{
    const double end = in->lease == 0xffffffff ? INFINITY : t + in->lease;
    uint32_t other;

    if (client_at(n)->order.verb == INFORM || !in->yiaddr)
        return;
    if (!oracle_acknowledged(n, in->yiaddr, in->server_id, t, end, extra, &other))
        violation(n, t, "two holders", in->yiaddr, other, in);
}

static void check_nak(uint32_t n, const struct dhcp_in *in, double t)
{
    const struct client *c = client_at(n);

    if (c->order.verb < RENEW || !c->address || c->address != c->hold.address)
        return;
    if (oracle_holds(n, c->address, t + HOLD_GUARD))
        violation(n, t, "holder refused", c->address, n, in);
    oracle_given_back(n);
}

static void take_offer(uint32_t n, const struct dhcp_in *in, double t)
{
    struct client *c = client_at(n);

    if (c->order.from && c->order.from != in->server_id) {
        note(n, in, t, "extra");
        return;
    }
    c->address = in->yiaddr;
    c->server = in->server_id;
    if (c->order.verb == DISCOVER_ONLY)
        finish(n, t, "offer", in);
    else
        say_first(n, ANSWER, unix_now());
}

/* Refused after an offer: start over, but not faster than once a second. */
static void start_over(uint32_t n, double at)
{
    client_at(n)->phase = RESTART;
    set_alarm(n, at);
}

static void take_answer(uint32_t n, const struct dhcp_in *in, double t)
{
    struct client *c = client_at(n);

    if (in->type == DHCP_ACK) {
        check_ack(n, in, t, false);
    } else {
        check_nak(n, in, t);
        if (c->order.retransmit && c->order.verb == DISCOVER) {
            note(n, in, t, "refused");
            start_over(n, t + 1);
            return;
        }
    }
    finish(n, t, result_of(in->type), in);
}

void dialogue_answer(const struct dhcp_in *in, uint32_t n, double t)
{
    struct client *c = n < CLIENTS_MAX ? clients[n] : NULL;

    if (!c)
        return;
    if (in->xid != c->xid || (c->phase == IDLE && !c->settled)) {
        note(n, in, t, "stray");
    } else if (c->phase == OFFERS && in->type == DHCP_OFFER) {
        take_offer(n, in, t);
    } else if (c->phase == ANSWER && (in->type == DHCP_ACK || in->type == DHCP_NAK)) {
        take_answer(n, in, t);
    } else {
        note(n, in, t, "extra");
        if (in->type == DHCP_ACK && c->phase == IDLE)
            check_ack(n, in, t, true);
        else if (in->type == DHCP_NAK && c->phase == IDLE)
            check_nak(n, in, t);
    }
}

/* ---- time ---- */

static void alarm_rings(uint32_t n, double now)
{
    struct client *c = client_at(n);

    if (now >= c->deadline)
        finish(n, now, "timeout", NULL);
    else if (c->phase == RESTART)
        say_first(n, OFFERS, now);
    else if (c->phase == ANSWER && c->order.verb == DISCOVER && c->tries >= 3)
        say_first(n, OFFERS, now);
    else
        say(n, now);
}

double dialogue_wait(double now, double limit)
{
    while (heap_count && heap[0].at != client_at(heap[0].client)->due)
        heap_pop();
    return heap_count ? fmax(0, fmin(limit, heap[0].at - now)) : limit;
}

void dialogue_timers(double now)
{
    while (heap_count && heap[0].at <= now) {
        const struct alarm a = heap_pop();

        if (client_at(a.client)->due == a.at)
            alarm_rings(a.client, now);
    }
}
