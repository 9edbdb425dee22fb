/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/* See two_endpoints.h. */
#include "tests/unit/two_endpoints.h"

#include <check.h>
#include <string.h>

struct server p, s;
struct fo_now now;
bool wire;

static struct server *partner_of(const struct server *one)
{
    return one == &p ? &s : &p;
}

enum fo_state state_of(const struct server *one)
{
    return fo_endpoint_state(&one->endpoint);
}

/* ------------------------------------------------------------------ a host */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct server *one = context;
    ck_assert_uint_le(one->length + length, OUT_MAX);
    memcpy(one->out + one->length, frame, length);
    one->length += length;
    one->said[frame[2] < 16 ? frame[2] : 0]++;
    return true;
}

static void on_connect(void *context)
{
    struct server *one = context;
    one->attempt = true;
    one->attempts++;
}

static void on_disconnect(void *context, bool attempt)
{
    struct server *one = context;
    if (attempt)
        one->attempt = false;
    else
        one->closing = true;
}

static void on_store(void *context)
{
    ((struct server *)context)->storing = true;
}

static bool on_next_update(void *context, bool requested, size_t room, struct fo_outgoing *next)
{
    static const uint8_t hardware[7] = {1, 2, 0, 0, 0, 0, 1};
    struct server *one = context;
    for (uint32_t i = 0; i < BINDINGS; i++) {
        if (!one->bindings[i].unacked || one->bindings[i].in_flight ||
            (requested && !one->bindings[i].requested))
            continue;
        memset(next, 0, sizeof *next);
        next->generation = one->bindings[i].generation;
        next->update.present =
            FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
            FO_HAS(FO_OPT_CLIENT_HARDWARE_ADDRESS) | FO_HAS(FO_OPT_LEASE_EXPIRATION_TIME) |
            FO_HAS(FO_OPT_POTENTIAL_EXPIRATION_TIME);
        next->update.address = BASE + i;
        next->update.status = FO_ACTIVE;
        next->update.hardware_address = (struct fo_bytes){hardware, sizeof hardware};
        next->update.lease_expiration = next->update.potential_expiration = now.seconds + MCLT;
        if (fo_update_size(&next->update) > room)
            return false;
        one->bindings[i].in_flight = true;
        return true;
    }
    return false;
}

static void on_acknowledged(void *context, const struct fo_acknowledgement *ack)
{
    struct server *one = context;
    uint32_t i = ack->address - BASE;
    ck_assert(one->bindings[i].in_flight);
    one->bindings[i].in_flight = one->bindings[i].requested = false;
    if (ack->reject_reason != FO_REJECT_NONE)
        one->rejected++;
    else
        one->acknowledged++;
    if (ack->generation == one->bindings[i].generation)
        one->bindings[i].unacked = false;
}

static void on_updates_lost(void *context)
{
    struct server *one = context;
    for (size_t i = 0; i < BINDINGS; i++)
        one->bindings[i].in_flight = one->bindings[i].requested = false;
    one->inbound_count = 0;
}

static void on_received(void *context, const struct fo_message *message)
{
    struct server *one = context;
    ck_assert_uint_lt(one->inbound_count, FO_WINDOW_MAX);
    size_t at = one->inbound_count++;
    one->inbound[at].xid = message->xid;
    one->inbound[at].count = message->update_count;
    for (size_t i = 0; i < message->update_count; i++) {
        one->inbound[at].verdicts[i] = (struct fo_verdict){
            message->updates[i].address, one->rejecting ? FO_REJECT_OUTDATED : FO_REJECT_NONE};
        one->bindings[message->updates[i].address - BASE].got = true;
    }
}

static void on_partner_forgot(void *context)
{
    ((struct server *)context)->forgot++;
}

static void on_forget(void *context)
{
    struct server *one = context;
    one->forgets++;
    memset(one->bindings, 0, sizeof one->bindings);
    one->endpoint.record.forgetting = false; /* at once */
}

static uint32_t on_updates_requested(void *context, bool all)
{
    struct server *one = context;
    uint32_t count = 0;
    for (size_t i = 0; i < BINDINGS; i++) {
        one->bindings[i].unacked |= all && one->bindings[i].exists;
        one->bindings[i].requested = one->bindings[i].unacked;
        count += one->bindings[i].unacked;
    }
    return count;
}

static bool on_requested_left(void *context)
{
    struct server *one = context;
    for (size_t i = 0; i < BINDINGS; i++)
        if (one->bindings[i].requested)
            return true;
    return false;
}

static uint32_t on_pool_requested(void *context)
{
    struct server *one = context;
    one->pool_requests++;
    return one->pool_moves;
}

static void on_entered(void *context, enum fo_state from)
{
    (void)context;
    (void)from;
}

static void on_note(void *context, enum fo_note note, const char *detail)
{
    ((struct server *)context)->noted[note]++;
    ck_assert_ptr_nonnull(detail);
}

/* ------------------------------------------------------------------ the world */

static bool deliver(struct server *from)
{
    struct server *to = partner_of(from);
    struct fo_message connect;
    struct fo_decode_error error;
    if (!wire || from->read == from->length)
        return false;
    const uint8_t *data = from->out + from->read;
    size_t length = (size_t)fo_frame_length(data, from->length - from->read);
    from->read += length;
    if (to == &s && data[2] == FO_MSG_CONNECT && s.endpoint.session.phase == FO_SESSION_CLOSED) {
        ck_assert(fo_decode(&fo_dialect_draft, data, length, &connect, &error));
        if (!fo_endpoint_accept(&s.endpoint, &connect, &now))
            s.closing = true;
    } else {
        fo_endpoint_received(&to->endpoint, data, length, &now);
    }
    return true;
}

/* One thing that is due at this moment; false where there is none. */
static bool happen(struct server *one)
{
    if (one->storing && !one->stalled) {
        one->storing = false;
        fo_endpoint_stored(&one->endpoint, &now);
        return true;
    }
    if (one->attempt && wire) {
        one->attempt = false;
        if (one == &s)
            fo_endpoint_stimulated(&p.endpoint, &now);
        fo_endpoint_connected(&one->endpoint, &now);
        return true;
    }
    if (deliver(one))
        return true;
    if (one->closing) {
        one->closing = false;
        one->length = one->read = 0;
        if (wire)
            fo_endpoint_lost(&partner_of(one)->endpoint, "closed by partner", &now);
        return true;
    }
    if (one->inbound_count > 0 && !one->holding) {
        size_t last = --one->inbound_count;
        fo_endpoint_acknowledge(&one->endpoint, one->inbound[last].xid, one->inbound[last].verdicts,
                                one->inbound[last].count, &now);
        return true;
    }
    return false;
}

void settle(void)
{
    for (int i = 0; happen(&p) || happen(&s); i++)
        ck_assert_msg(i < 100000, "it never comes to rest");
}

static void move_clock(int64_t ms)
{
    now.ms += ms;
    now.seconds = (uint32_t)(START + now.ms / 1000);
}

void run(int64_t ms)
{
    int64_t end = now.ms + ms;
    settle();
    while (now.ms < end) {
        int64_t a = fo_endpoint_deadline(&p.endpoint, &now);
        int64_t b = fo_endpoint_deadline(&s.endpoint, &now);
        int64_t at = a < b ? a : b;
        at = at <= now.ms ? now.ms + 1 : at > end ? end : at;
        move_clock(at - now.ms);
        fo_endpoint_timer(&p.endpoint, &now);
        fo_endpoint_timer(&s.endpoint, &now);
        settle();
    }
}

void start(struct server *one, const struct fo_endpoint_record *record)
{
    static const struct fo_endpoint_record none;
    struct fo_endpoint_host host = {
        one, on_send, on_connect, on_disconnect, on_store, on_next_update, on_acknowledged,
        on_updates_lost, on_received, on_partner_forgot, on_forget, on_updates_requested,
        on_requested_left, on_pool_requested, on_entered, on_note};
    one->length = one->read = one->inbound_count = 0;
    one->attempt = one->closing = one->storing = false;
    fo_endpoint_start(&one->endpoint, &one->settings, &host, record ? record : &none, &now);
}

void setup(void)
{
    memset(&p, 0, sizeof p);
    memset(&s, 0, sizeof s);
    now = (struct fo_now){.ms = 1000, .seconds = START + 1};
    wire = true;
    p.settings = (struct fo_endpoint_settings){
        .session = {.dialect = &fo_dialect_draft, .relationship_name = "east",
                    .vendor_class = "maker 1", .primary = true, .mclt = MCLT, .max_unacked = 50,
                    .receive_timer = 60},
        .startup_delay = 15,
        .connect_retry_delay = 5};
    s.settings = p.settings;
    s.settings.session.primary = false;
}

void start_both(void)
{
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}

void change(struct server *one, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        one->bindings[i].exists = one->bindings[i].unacked = true;
        one->bindings[i].generation++;
    }
    fo_endpoint_pump(&one->endpoint, &now);
}

unsigned unacked(const struct server *one)
{
    unsigned count = 0;
    for (size_t i = 0; i < BINDINGS; i++)
        count += one->bindings[i].unacked;
    return count;
}

void inject(struct server *to, struct fo_message *message)
{
    uint8_t frame[FO_MESSAGE_MAX];
    message->time = now.seconds;
    size_t length = fo_encode(&fo_dialect_draft, message, frame, sizeof frame);
    ck_assert_uint_gt(length, 0);
    fo_endpoint_received(&to->endpoint, frame, length, &now);
}

struct fo_message bare(uint8_t type, uint32_t xid)
{
    struct fo_message message;
    memset(&message, 0, sizeof message);
    message.type = type;
    message.xid = xid;
    return message;
}

bool connected(const struct server *one)
{
    return one->endpoint.session.phase == FO_SESSION_ESTABLISHED;
}
