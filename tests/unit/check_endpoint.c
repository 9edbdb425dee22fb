/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Two endpoints against each other, with fake hosts, one wire between them and a virtual clock: what
 * sections 7 to 9 say of whole connections and states. A host here keeps some bindings as flags; a
 * disk, the wire or the acknowledgements can be made to wait.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/endpoint.h"

enum { BINDINGS = 300, BASE = 0x0a000000, START = 1700000000, MCLT = 300, OUT_MAX = 1 << 18 };

struct server {
    struct fo_endpoint endpoint;
    struct fo_endpoint_settings settings;
    bool attempt, closing, storing, stalled, holding, rejecting;
    uint8_t out[OUT_MAX];
    size_t length, read;
    struct {
        bool exists, unacked, in_flight, requested, got;
        uint32_t generation;
    } bindings[BINDINGS];
    struct {
        uint32_t xid;
        size_t count;
        struct fo_verdict verdicts[FO_UPDATES_MAX];
    } inbound[FO_WINDOW_MAX];
    size_t inbound_count;
    unsigned said[16], noted[FO_NOTE_RECOVER_WAIT + 1], attempts, acknowledged, rejected;
    uint32_t pool_moves; /* what the next POOLREQ moves */
    unsigned pool_requests, forgot;
};

static struct server p, s; /* primary and secondary */
static struct fo_now now;
static bool wire; /* carries what is sent, and lets connections be made */

static struct server *partner_of(const struct server *one)
{
    return one == &p ? &s : &p;
}

static enum fo_state state_of(const struct server *one)
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

static void settle(void)
{
    for (int i = 0; happen(&p) || happen(&s); i++)
        ck_assert_msg(i < 100000, "it never comes to rest");
}

static void move_clock(int64_t ms)
{
    now.ms += ms;
    now.seconds = (uint32_t)(START + now.ms / 1000);
}

/* Lets a time pass, timers on both sides when they are due. */
static void run(int64_t ms)
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

static void start(struct server *one, const struct fo_endpoint_record *record)
{
    static const struct fo_endpoint_record none;
    struct fo_endpoint_host host = {
        one, on_send, on_connect, on_disconnect, on_store, on_next_update, on_acknowledged,
        on_updates_lost, on_received, on_partner_forgot, on_updates_requested, on_requested_left,
        on_pool_requested, on_entered, on_note};
    one->length = one->read = one->inbound_count = 0;
    one->attempt = one->closing = one->storing = false;
    fo_endpoint_start(&one->endpoint, &one->settings, &host, record ? record : &none, &now);
}

static void setup(void)
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

static void start_both(void)
{
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}

static void change(struct server *one, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        one->bindings[i].exists = one->bindings[i].unacked = true;
        one->bindings[i].generation++;
    }
    fo_endpoint_pump(&one->endpoint, &now);
}

static unsigned unacked(const struct server *one)
{
    unsigned count = 0;
    for (size_t i = 0; i < BINDINGS; i++)
        count += one->bindings[i].unacked;
    return count;
}

/* A message as from the partner, written by hand. */
static void inject(struct server *to, struct fo_message *message)
{
    uint8_t frame[FO_MESSAGE_MAX];
    message->time = now.seconds;
    size_t length = fo_encode(&fo_dialect_draft, message, frame, sizeof frame);
    ck_assert_uint_gt(length, 0);
    fo_endpoint_received(&to->endpoint, frame, length, &now);
}

static struct fo_message bare(uint8_t type, uint32_t xid)
{
    struct fo_message message;
    memset(&message, 0, sizeof message);
    message.type = type;
    message.xid = xid;
    return message;
}

static bool connected(const struct server *one)
{
    return one->endpoint.session.phase == FO_SESSION_ESTABLISHED;
}

/* ------------------------------------------------------------------ starting */

/* 9.3.2, 9.6.2: both new, each hears from the other that they never spoke: no wait. */
START_TEST(two_new_servers_reach_normal_at_once)
{
    start_both();
    ck_assert_uint_eq(p.said[FO_MSG_UPDREQ], 1);
    ck_assert_uint_eq(p.said[FO_MSG_UPDREQALL] + s.said[FO_MSG_UPDREQALL], 0);
    ck_assert_uint_eq(p.noted[FO_NOTE_RECOVER_WAIT] + s.noted[FO_NOTE_RECOVER_WAIT], 0);
}
END_TEST

START_TEST(what_one_of_two_new_servers_has_reaches_the_other_before_normal)
{
    change(&p, 0, 100);
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    for (size_t i = 0; i < 100; i++)
        ck_assert(s.bindings[i].got);
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

/* 9.2: "MUST record the state ... in stable storage", 9.8.3 */
START_TEST(no_state_is_said_before_it_is_durable)
{
    start(&p, NULL);
    start(&s, NULL);
    p.stalled = true;
    run(2000);
    ck_assert(connected(&p));
    ck_assert_uint_eq(p.said[FO_MSG_STATE], 0);
    ck_assert_uint_gt(s.said[FO_MSG_STATE], 0);
    p.stalled = false;
    run(2000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.3.2 step 6, with a record of NORMAL: as after losing the partner. */
START_TEST(a_server_without_partner_serves_after_the_startup_delay)
{
    start_both();
    struct fo_endpoint_record record = p.endpoint.record;
    wire = false;
    start(&p, &record);
    run(14000);
    ck_assert_int_eq(state_of(&p), FO_STATE_STARTUP);
    run(2000);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
}
END_TEST

/* 9.5.2, 9.6.2: "it MUST send an UPDREQALL", MCLT from its start, when it went down is unknown. */
START_TEST(a_lost_store_is_restored_and_mclt_is_waited)
{
    start_both();
    change(&p, 0, 100);
    run(1000);
    ck_assert_uint_eq(unacked(&p), 0);
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    memset(s.bindings, 0, sizeof s.bindings);
    start(&s, NULL);
    int64_t begun = now.ms;
    run(2000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQALL], 1);
    ck_assert_uint_eq(p.forgot, 1);
    ck_assert_uint_eq(s.forgot, 0);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    for (size_t i = 0; i < 100; i++)
        ck_assert(s.bindings[i].got);
    run(begun + MCLT * 1000 - 1500 - now.ms);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    run(3000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.6.2: from "the time the server went down (if known)"; the timer runs without the partner, too. */
START_TEST(recover_wait_counts_from_when_the_server_went_down)
{
    start_both();
    struct fo_endpoint_record record = s.endpoint.record;
    fo_endpoint_lost(&p.endpoint, "gone", &now);
    record.state = FO_STATE_RECOVER;
    record.last_operational = now.seconds - 200;
    start(&s, &record);
    run(2000);
    ck_assert_uint_eq(s.said[FO_MSG_UPDREQALL], 0); /* its store is whole */
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    wire = false;
    run((MCLT - 200 - 4) * 1000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
    run(4000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_DONE);
}
END_TEST

/* 9.3.2 step 5 */
START_TEST(a_server_learns_at_start_that_the_partner_was_alone)
{
    for (int later = 0; later < 2; later++) {
        setup();
        start_both();
        struct fo_endpoint_record record = s.endpoint.record;
        record.last_operational = now.seconds;
        fo_endpoint_lost(&p.endpoint, "gone", &now);
        p.endpoint.record.state = FO_STATE_PARTNER_DOWN;
        p.endpoint.record.state_since = now.seconds + (later ? 5 : -5U);
        start(&s, &record);
        run(2000);
        if (later) {
            ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER_WAIT);
            ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
        } else { /* it ran after that: both compare bindings, the primary first (9.10.3) */
            ck_assert_uint_eq(p.said[FO_MSG_UPDREQ], 1 + 1);
            ck_assert_uint_eq(s.said[FO_MSG_UPDREQ], 1 + 1);
            ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
            ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
        }
    }
}
END_TEST

/* ------------------------------------------------------------------ interruption */

START_TEST(an_interruption_and_the_return)
{
    start_both();
    wire = false;
    run(61000); /* tReceive */
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert_int_eq(state_of(&s), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    p.length = p.read = s.length = s.read = 0;
    change(&p, 0, 50);
    change(&s, 50, 80);
    ck_assert_uint_eq(unacked(&p) + unacked(&s), 80);
    wire = true;
    run(62000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
    ck_assert_uint_eq(unacked(&p) + unacked(&s), 0); /* 9.8.1 */
}
END_TEST

/* 8.2: the primary hears by the secondary's attempt that it is back. */
START_TEST(a_stimulus_brings_the_primarys_connection)
{
    start_both();
    wire = false;
    run(600000);
    p.length = p.read = s.length = s.read = 0;
    p.attempt = false; /* its last attempt has just failed: the next is a minute away */
    fo_endpoint_attempt_failed(&p.endpoint, "no route", &now);
    int64_t planned = p.endpoint.attempt_at - now.ms;
    ck_assert_int_gt(planned, 30000);
    wire = true;
    fo_endpoint_stimulated(&p.endpoint, &now);
    run(1000);
    ck_assert_int_eq(state_of(&p), FO_STATE_NORMAL);
}
END_TEST

/* 9.13 */
START_TEST(paused_is_said_and_no_attempt_follows)
{
    start_both();
    unsigned attempts = s.attempts;
    fo_endpoint_pause(&s.endpoint, &now);
    settle();
    ck_assert_int_eq(state_of(&p), FO_STATE_COMMUNICATIONS_INTERRUPTED);
    ck_assert_int_eq(p.endpoint.record.partner_state, FO_STATE_PAUSED);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_NORMAL); /* what a restart begins from */
    wire = false;
    run(120000);
    ck_assert_uint_eq(s.attempts, attempts);
}
END_TEST

/* 7.9: "wait a minute or two after sending or receiving a CONNECTACK message with a reject-reason". */
START_TEST(after_a_reject_both_wait_a_minute)
{
    p.settings.session.mclt = FO_MCLT_MAX + 1;
    start(&p, NULL);
    start(&s, NULL);
    run(1000);
    ck_assert_uint_eq(s.noted[FO_NOTE_REFUSED], 1);
    ck_assert_uint_eq(p.noted[FO_NOTE_REJECTED], 1);
    unsigned connects = p.said[FO_MSG_CONNECT];
    run(57000);
    ck_assert_uint_eq(p.said[FO_MSG_CONNECT], connects);
    run(70000);
    ck_assert_uint_gt(p.said[FO_MSG_CONNECT], connects);
}
END_TEST

/* ------------------------------------------------------------------ updates */

/* 8.4: "MUST send only a restricted number"; 7.3.2 */
START_TEST(no_more_updates_are_under_way_than_the_partner_allows)
{
    s.settings.session.max_unacked = 3;
    start_both();
    s.holding = true;
    change(&p, 0, BINDINGS);
    run(5000);
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], 3);
    ck_assert_uint_eq(s.inbound_count, 3);
    s.holding = false;
    run(5000);
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

START_TEST(a_partner_that_sends_more_than_allowed_is_disconnected)
{
    s.settings.session.max_unacked = 2;
    start_both();
    s.holding = true;
    for (uint32_t i = 0; i < 3; i++) {
        struct fo_message update = bare(FO_MSG_BNDUPD, 1000 + i);
        update.update_count = 1;
        update.updates[0].present =
            FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS);
        update.updates[0].address = BASE;
        update.updates[0].status = FO_FREE;
        ck_assert(connected(&s));
        inject(&s, &update);
    }
    ck_assert(!connected(&s));
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
}
END_TEST

/* 6.3, 7.2: the BNDACK must fit its BNDUPD: xid, number of bindings, addresses. */
START_TEST(a_bndack_that_does_not_fit_ends_the_connection)
{
    for (int how = 0; how < 3; how++) {
        setup();
        start_both();
        s.holding = true;
        change(&p, 0, 2);
        settle();
        ck_assert_uint_eq(s.inbound_count, 1);
        struct fo_message ack = bare(FO_MSG_BNDACK, s.inbound[0].xid + (how == 0 ? 100 : 0));
        ack.update_count = how == 1 ? 1 : 2;
        for (uint32_t i = 0; i < 2; i++) {
            ack.updates[i].present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS);
            ack.updates[i].address = BASE + i + (how == 2 ? 7 : 0);
        }
        inject(&p, &ack);
        ck_assert(!connected(&p));
        ck_assert_uint_eq(p.said[FO_MSG_DISCONNECT], 1);
        ck_assert_uint_eq(p.acknowledged, 0);
        ck_assert_uint_eq(unacked(&p), 2); /* nothing is forgotten */
    }
}
END_TEST

/* An acknowledgement of an older generation does not settle a newer one. */
START_TEST(an_acknowledgement_settles_what_it_was_sent_for)
{
    start_both();
    s.holding = true;
    change(&p, 0, 1);
    settle();
    p.bindings[0].generation++;
    s.holding = false;
    settle();
    ck_assert_uint_ge(p.acknowledged, 1);
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], 2); /* the newer one followed */
    ck_assert_uint_eq(unacked(&p), 0);
}
END_TEST

/* ------------------------------------------------------------------ UPDREQ */

/* 7.5: "identical to the xid in the UPDREQ"; one of another request says nothing. */
START_TEST(only_the_upddone_of_its_request_counts)
{
    change(&p, 0, 10);
    s.holding = true; /* p waits for acknowledgements, so s for UPDDONE */
    start(&p, NULL);
    start(&s, NULL);
    run(2000);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER);
    struct fo_message done = bare(FO_MSG_UPDDONE, s.endpoint.request_xid + 3);
    inject(&s, &done);
    ck_assert_int_eq(state_of(&s), FO_STATE_RECOVER);
    ck_assert_uint_eq(p.said[FO_MSG_UPDDONE], 0); /* 7.3.2: not before all are answered */
    s.holding = false;
    run(2000);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}
END_TEST

/* 7.5: "such NAK would count as a response". */
START_TEST(rejected_updates_do_not_hold_upddone_back)
{
    change(&p, 0, 10);
    s.rejecting = true;
    start(&p, NULL);
    start(&s, NULL);
    run(3000);
    ck_assert_uint_eq(p.rejected, 10);
    ck_assert_int_eq(state_of(&s), FO_STATE_NORMAL);
}
END_TEST

/* 7.4.2: "treat every subsequent UPDREQ message as an UPDREQALL message until" UPDDONE. */
START_TEST(an_updreqall_is_remembered_until_upddone)
{
    start_both();
    p.bindings[5].exists = true; /* acknowledged long ago */
    p.endpoint.record.update_all_owed = true;
    struct fo_message request = bare(FO_MSG_UPDREQ, 77);
    inject(&p, &request);
    settle();
    ck_assert(s.bindings[5].got);
    ck_assert(!p.endpoint.record.update_all_owed);
    unsigned updates = p.said[FO_MSG_BNDUPD];
    request.xid = 78;
    inject(&p, &request);
    settle();
    ck_assert_uint_eq(p.said[FO_MSG_BNDUPD], updates); /* this one found nothing to send */
    ck_assert_uint_eq(p.said[FO_MSG_UPDDONE], 2 + 1);  /* and one at the start */
}
END_TEST

/* 9.5.2: "the connection SHOULD be dropped". */
START_TEST(a_partner_that_never_ends_its_updates_is_dropped)
{
    change(&p, 0, 10);
    s.holding = true;
    start(&p, NULL);
    start(&s, NULL);
    run(100000);
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 0);
    run(30000);
    ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
    ck_assert_int_eq(s.endpoint.record.state, FO_STATE_RECOVER);
}
END_TEST

/* ------------------------------------------------------------------ messages out of place */

/* 8.2: "The second message sent over a new connection ... is a STATE message." */
START_TEST(nothing_may_come_before_state)
{
    static const uint8_t types[] = {FO_MSG_POOLREQ, FO_MSG_UPDREQ, FO_MSG_UPDREQALL,
                                    FO_MSG_UPDDONE};
    for (size_t i = 0; i < sizeof types; i++) {
        setup();
        start(&p, NULL);
        start(&s, NULL);
        p.stalled = true; /* its STATE waits for its disk */
        run(1000);
        ck_assert(connected(&s));
        struct fo_message early = bare(types[i], 50);
        inject(&s, &early);
        ck_assert(!connected(&s));
        ck_assert_uint_eq(s.said[FO_MSG_DISCONNECT], 1);
    }
}
END_TEST

/* 9.4.3: "it ignores all STATE messages from its partner that have the STARTUP bit set". */
START_TEST(partner_down_ignores_a_partner_that_is_starting)
{
    start_both();
    p.endpoint.record.state = FO_STATE_PARTNER_DOWN;
    struct fo_message state = bare(FO_MSG_STATE, 60);
    state.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                    FO_HAS(FO_OPT_START_TIME_OF_STATE);
    state.server_state = FO_STATE_NORMAL;
    state.server_flags = FO_SERVER_FLAG_STARTUP;
    state.start_of_state = now.seconds;
    inject(&p, &state);
    ck_assert_int_eq(state_of(&p), FO_STATE_PARTNER_DOWN);
    state.server_flags = 0;
    state.xid++;
    inject(&p, &state);
    ck_assert_int_eq(state_of(&p), FO_STATE_POTENTIAL_CONFLICT);
}
END_TEST

/* ------------------------------------------------------------------ POOLREQ */

/* 7.6, 7.7.2: asked on entry to NORMAL, and again after an answer that moved something. */
START_TEST(poolreq_is_sent_in_normal_and_again_while_it_moves_addresses)
{
    p.pool_moves = 5;
    start_both();
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 1);
    ck_assert_uint_eq(p.said[FO_MSG_POOLRESP], 1);
    ck_assert_uint_eq(p.said[FO_MSG_POOLREQ], 0);
    p.pool_moves = 0;
    run(FO_POOLREQ_MS + 1000);
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 2);
    run(4 * FO_POOLREQ_MS);
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 2);
    fo_endpoint_request_pool(&s.endpoint, &now); /* it has to refuse clients */
    settle();
    fo_endpoint_request_pool(&s.endpoint, &now);
    settle();
    ck_assert_uint_eq(s.said[FO_MSG_POOLREQ], 3); /* once a second */
    ck_assert_uint_eq(p.pool_requests, 3);
}
END_TEST

/* 7.6.2: "it SHOULD report an error". */
START_TEST(a_secondary_moves_nothing_on_poolreq)
{
    start_both();
    struct fo_message request = bare(FO_MSG_POOLREQ, 70);
    unsigned before = s.noted[FO_NOTE_PROTOCOL];
    s.pool_moves = 9;
    inject(&s, &request);
    ck_assert_uint_eq(s.noted[FO_NOTE_PROTOCOL], before + 1);
    ck_assert_uint_eq(s.pool_requests, 0);
    ck_assert(connected(&s));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *endpoint = tcase_create("endpoint");
    tcase_add_checked_fixture(endpoint, setup, NULL);
    tcase_set_timeout(endpoint, 60);
    tcase_add_test(endpoint, two_new_servers_reach_normal_at_once);
    tcase_add_test(endpoint, what_one_of_two_new_servers_has_reaches_the_other_before_normal);
    tcase_add_test(endpoint, no_state_is_said_before_it_is_durable);
    tcase_add_test(endpoint, a_server_without_partner_serves_after_the_startup_delay);
    tcase_add_test(endpoint, a_lost_store_is_restored_and_mclt_is_waited);
    tcase_add_test(endpoint, recover_wait_counts_from_when_the_server_went_down);
    tcase_add_test(endpoint, a_server_learns_at_start_that_the_partner_was_alone);
    tcase_add_test(endpoint, an_interruption_and_the_return);
    tcase_add_test(endpoint, a_stimulus_brings_the_primarys_connection);
    tcase_add_test(endpoint, paused_is_said_and_no_attempt_follows);
    tcase_add_test(endpoint, after_a_reject_both_wait_a_minute);
    tcase_add_test(endpoint, no_more_updates_are_under_way_than_the_partner_allows);
    tcase_add_test(endpoint, a_partner_that_sends_more_than_allowed_is_disconnected);
    tcase_add_test(endpoint, a_bndack_that_does_not_fit_ends_the_connection);
    tcase_add_test(endpoint, an_acknowledgement_settles_what_it_was_sent_for);
    tcase_add_test(endpoint, only_the_upddone_of_its_request_counts);
    tcase_add_test(endpoint, rejected_updates_do_not_hold_upddone_back);
    tcase_add_test(endpoint, an_updreqall_is_remembered_until_upddone);
    tcase_add_test(endpoint, a_partner_that_never_ends_its_updates_is_dropped);
    tcase_add_test(endpoint, nothing_may_come_before_state);
    tcase_add_test(endpoint, partner_down_ignores_a_partner_that_is_starting);
    tcase_add_test(endpoint, poolreq_is_sent_in_normal_and_again_while_it_moves_addresses);
    tcase_add_test(endpoint, a_secondary_moves_nothing_on_poolreq);
    suite_add_tcase(suite, endpoint);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
