/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One connection, both roles (7.8, 7.9, 7.11, 7.12, 8.3): what CONNECT and CONNECTACK say, every
 * refusal with its reason, the two timers, DISCONNECT, frames in pieces of every size, hostile
 * bytes, and the partner's times in our clock (5.10). A session here is driven by hand; what it
 * sends is decoded again.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/session.h"

enum { SECONDS = 1700000000, RECEIVE_TIMER = 60, OUT_MAX = 1 << 17 };

struct end {
    struct fo_session session;
    struct fo_session_settings settings;
    uint8_t out[OUT_MAX];
    size_t length, read; /* of `out` */
    unsigned established, received, ended;
    uint32_t order; /* hash of the xids received, in their order */
    struct fo_session_end why;
    bool full; /* nothing can be sent */
};

static struct end p, s; /* primary and secondary */
static struct fo_now now;
static struct fo_message sent; /* what `next` decoded */

static bool on_send(void *context, const uint8_t *frame, size_t length)
{
    struct end *end = context;
    ck_assert_uint_le(end->length + length, OUT_MAX);
    if (end->full)
        return false;
    memcpy(end->out + end->length, frame, length);
    end->length += length;
    return true;
}

static void on_established(void *context, const struct fo_now *at)
{
    (void)at;
    ((struct end *)context)->established++;
}

static void on_received(void *context, const struct fo_message *message, const struct fo_now *at)
{
    struct end *end = context;
    (void)at;
    ck_assert_uint_eq(end->ended, 0);
    end->received++;
    end->order = end->order * 31 + message->xid;
}

static void on_ended(void *context, const struct fo_session_end *why, const struct fo_now *at)
{
    struct end *end = context;
    (void)at;
    end->ended++;
    end->why = *why;
}

static struct fo_session_host host_of(struct end *end)
{
    return (struct fo_session_host){end, on_send, on_established, on_received, on_ended};
}

static void setup(void)
{
    memset(&p, 0, sizeof p);
    memset(&s, 0, sizeof s);
    now = (struct fo_now){.ms = 5000, .seconds = SECONDS};
    p.settings = (struct fo_session_settings){
        .dialect = &fo_dialect_draft, .relationship_name = "east", .vendor_class = "maker 1",
        .primary = true, .mclt = 3600, .max_unacked = 50, .receive_timer = RECEIVE_TIMER,
        .max_clock_skew = 60, .own_connections = 7, .partner_connections = 9};
    memset(p.settings.secondary_buckets, 0xf0, FO_HBA_SIZE);
    s.settings = p.settings;
    s.settings.primary = false;
    s.settings.max_unacked = 20;
    s.settings.receive_timer = 30;
}

static void later(int64_t ms)
{
    now.ms += ms;
    now.seconds = (uint32_t)(SECONDS + (now.ms - 5000) / 1000);
}

/* The next frame that an end has sent, decoded into `sent`; false where there is none. */
static bool next(struct end *end)
{
    struct fo_decode_error error;
    int length = fo_frame_length(end->out + end->read, end->length - end->read);
    if (end->read == end->length)
        return false;
    ck_assert_int_gt(length, 0);
    ck_assert_msg(fo_decode(&fo_dialect_draft, end->out + end->read, (size_t)length, &sent, &error),
                  "%s", error.text);
    end->read += (size_t)length;
    return true;
}

static void give(struct end *end, const struct fo_message *message)
{
    uint8_t frame[FO_MESSAGE_MAX];
    size_t length = fo_encode(&fo_dialect_draft, message, frame, sizeof frame);
    ck_assert_uint_gt(length, 0);
    fo_session_receive(&end->session, frame, length, &now);
}

/* What waits in one end goes to the other, in pieces of `piece` bytes. */
static void pass(struct end *from, struct end *to, size_t piece)
{
    while (from->read < from->length) {
        size_t left = from->length - from->read, take = left < piece ? left : piece;
        fo_session_receive(&to->session, from->out + from->read, take, &now);
        from->read += take;
    }
}

static void connect_primary(void)
{
    struct fo_session_host host = host_of(&p);
    fo_session_connect(&p.session, &p.settings, &host, &now);
}

static bool accept_secondary(const struct fo_message *connect)
{
    struct fo_session_host host = host_of(&s);
    return fo_session_accept(&s.session, &s.settings, &host, connect, &now, &s.why);
}

static void establish_both(void)
{
    connect_primary();
    ck_assert(next(&p));
    ck_assert(accept_secondary(&sent));
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.established, 1);
}

static struct fo_message state_message(uint32_t xid)
{
    struct fo_message message;
    memset(&message, 0, sizeof message);
    message.type = FO_MSG_STATE;
    message.time = now.seconds;
    message.xid = xid;
    message.present = FO_HAS(FO_OPT_SERVER_STATE) | FO_HAS(FO_OPT_SERVER_FLAGS) |
                      FO_HAS(FO_OPT_START_TIME_OF_STATE);
    message.server_state = FO_STATE_NORMAL;
    message.start_of_state = SECONDS;
    return message;
}

/* ------------------------------------------------------------------ the handshake */

START_TEST(connect_says_what_table_7_8_1_demands)
{
    const uint32_t must = FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                          FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) |
                          FO_HAS(FO_OPT_PROTOCOL_VERSION) | FO_HAS(FO_OPT_TLS_REQUEST) |
                          FO_HAS(FO_OPT_MCLT) | FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT);
    connect_primary();
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.type, FO_MSG_CONNECT);
    ck_assert_uint_eq(sent.present & ~FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS), must);
    ck_assert_mem_eq(sent.relationship_name.data, "east", 4);
    ck_assert_uint_eq(sent.max_unacked, 50);
    ck_assert_uint_eq(sent.receive_timer, RECEIVE_TIMER);
    ck_assert_uint_eq(sent.mclt, 3600);
    ck_assert_uint_eq(sent.protocol_version, 1);
    ck_assert_uint_eq(sent.tls_request, 0);
    ck_assert_uint_eq(sent.time, SECONDS);
    ck_assert_mem_eq(sent.hash_buckets, p.settings.secondary_buckets, FO_HBA_SIZE);
    ck_assert(!next(&p)); /* and waits */
}
END_TEST

START_TEST(connectack_answers_as_table_7_9_1_demands)
{
    connect_primary();
    ck_assert(next(&p));
    uint32_t xid = sent.xid;
    ck_assert(accept_secondary(&sent));
    ck_assert(next(&s));
    ck_assert_uint_eq(sent.type, FO_MSG_CONNECTACK);
    ck_assert_uint_eq(sent.xid, xid);
    ck_assert_uint_eq(sent.present & ~FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS),
                      FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_MAX_UNACKED_BNDUPD) |
                          FO_HAS(FO_OPT_RECEIVE_TIMER) | FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) |
                          FO_HAS(FO_OPT_PROTOCOL_VERSION) | FO_HAS(FO_OPT_TLS_REPLY));
    ck_assert_uint_eq(sent.tls_reply, 0);
    ck_assert_uint_eq(s.session.partner.mclt, 3600);
    ck_assert_mem_eq(s.session.partner.secondary_buckets, p.settings.secondary_buckets, 32);
    s.read = 0;
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.established, 1);
    ck_assert_uint_eq(p.session.partner.max_unacked, 20);
    ck_assert(p.session.partner.counts_connections); /* of our own kind */
    ck_assert_uint_eq(p.session.partner.own_connections, 7);
    ck_assert_uint_eq(p.session.partner.partner_connections, 9);
}
END_TEST

/* Each way to spoil a CONNECT, and the reason that 7.8.2 (11.1 for digests) gives. */
static const struct {
    const char *what;
    enum fo_reject_reason reason;
} spoilt[] = {
    {"version", FO_REJECT_VERSION_MISMATCH},
    {"version of a later kind, which lacks options of ours", FO_REJECT_VERSION_MISMATCH},
    {"TLS required", FO_REJECT_TLS_NOT_SUPPORTED},
    {"digest", FO_REJECT_DIGEST_NOT_CONFIGURED},
    {"role", FO_REJECT_INVALID_PARTNER},
    {"time, behind", FO_REJECT_TIME_MISMATCH},
    {"time, ahead", FO_REJECT_TIME_MISMATCH},
    {"no MCLT in it", FO_REJECT_UNKNOWN},
    {"MCLT 0", FO_REJECT_INVALID_MCLT},
    {"MCLT of years", FO_REJECT_INVALID_MCLT},
    {"window 0", FO_REJECT_UNKNOWN},
    {"receive timer 0", FO_REJECT_UNKNOWN},
};

static void spoil(struct fo_message *connect, int how)
{
    static const uint8_t digest[16] = {0};
    switch (how) {
    case 0: connect->protocol_version = 2; break;
    case 1:
        connect->protocol_version = 2;
        connect->present &= ~(FO_HAS(FO_OPT_MCLT) | FO_HAS(FO_OPT_HASH_BUCKET_ASSIGNMENT));
        break;
    case 2: connect->tls_request = 2; break;
    case 3:
        connect->present |= FO_HAS(FO_OPT_MESSAGE_DIGEST);
        connect->digest = (struct fo_bytes){digest, sizeof digest};
        break;
    case 4: s.settings.primary = true; break;
    case 5: connect->time = SECONDS - 61; break;
    case 6: connect->time = SECONDS + 61; break;
    case 7: connect->present &= ~FO_HAS(FO_OPT_MCLT); break;
    case 8: connect->mclt = 0; break;
    case 9: connect->mclt = UINT32_MAX; break;
    case 10: connect->max_unacked = 0; break;
    case 11: connect->receive_timer = 0; break;
    default: ck_abort();
    }
}

START_TEST(a_connect_is_refused_with_its_reason)
{
    connect_primary();
    ck_assert(next(&p));
    uint32_t xid = sent.xid;
    spoil(&sent, _i);
    ck_assert(!accept_secondary(&sent));
    ck_assert_int_eq(s.why.reason, spoilt[_i].reason);
    ck_assert(!s.why.by_partner);
    ck_assert_uint_gt(strlen(s.why.text), 10);
    ck_assert_uint_eq(s.ended, 0);
    ck_assert_int_eq(s.session.phase, FO_SESSION_CLOSED);
    ck_assert(next(&s));
    ck_assert_uint_eq(sent.type, FO_MSG_CONNECTACK); /* as table 7.9-1 wants a rejecting one */
    ck_assert_uint_eq(sent.xid, xid);
    ck_assert_uint_eq(sent.present,
                      FO_HAS(FO_OPT_RELATIONSHIP_NAME) | FO_HAS(FO_OPT_PROTOCOL_VERSION) |
                          FO_HAS(FO_OPT_TLS_REPLY) | FO_HAS(FO_OPT_REJECT_REASON) |
                          FO_HAS(FO_OPT_MESSAGE));
    ck_assert_uint_eq(sent.reject_reason, spoilt[_i].reason);
    ck_assert_uint_eq(sent.protocol_version, 1);
    ck_assert(!next(&s));
    s.read = 0;
    pass(&s, &p, 4096); /* and the primary hears it */
    ck_assert_uint_eq(p.ended, 1);
    ck_assert(p.why.by_partner);
    ck_assert_int_eq(p.why.reason, spoilt[_i].reason);
    ck_assert_uint_eq(p.established, 0);
}
END_TEST

/* 5.10: "arbitrarily large" differences, where none is configured. */
START_TEST(any_clock_is_accepted_where_the_limit_is_0)
{
    connect_primary();
    ck_assert(next(&p));
    sent.time = 1;
    s.settings.max_clock_skew = 0;
    ck_assert(accept_secondary(&sent));
}
END_TEST

/* 7.9.2: "it SHOULD be ignored". */
START_TEST(a_connectack_of_another_xid_is_ignored)
{
    connect_primary();
    ck_assert(next(&p));
    ck_assert(accept_secondary(&sent));
    ck_assert(next(&s));
    sent.xid += 5;
    give(&p, &sent);
    ck_assert_uint_eq(p.established + p.ended, 0);
    sent.xid -= 5;
    give(&p, &sent);
    ck_assert_uint_eq(p.established, 1);
}
END_TEST

/* 7.9.2 steps 5 and 6. By then the connection is established (7.12), so the last message is
   DISCONNECT, with the reason. */
START_TEST(a_connectack_that_does_not_suit_is_answered_by_disconnect)
{
    static const enum fo_reject_reason reasons[] = {
        FO_REJECT_VERSION_MISMATCH, FO_REJECT_TIME_MISMATCH, FO_REJECT_UNKNOWN,
        FO_REJECT_UNKNOWN, FO_REJECT_DIGEST_NOT_CONFIGURED};
    static const uint8_t digest[16] = {0};
    connect_primary();
    ck_assert(next(&p));
    ck_assert(accept_secondary(&sent));
    ck_assert(next(&s));
    switch (_i) {
    case 0: sent.protocol_version = 3; break;
    case 1: sent.time = SECONDS + 100; break;
    case 2: sent.present &= ~FO_HAS(FO_OPT_RECEIVE_TIMER); break;
    case 3: sent.max_unacked = 0; break;
    default:
        sent.present |= FO_HAS(FO_OPT_MESSAGE_DIGEST);
        sent.digest = (struct fo_bytes){digest, sizeof digest};
    }
    give(&p, &sent);
    ck_assert_uint_eq(p.established, 0);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert(!p.why.by_partner);
    ck_assert_int_eq(p.why.reason, reasons[_i]);
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.type, FO_MSG_DISCONNECT);
    ck_assert_uint_eq(sent.reject_reason, reasons[_i]);
}
END_TEST

START_TEST(a_primary_waits_only_so_long_for_connectack)
{
    connect_primary();
    ck_assert_int_eq(fo_session_deadline(&p.session), now.ms + FO_HANDSHAKE_MS);
    later(FO_HANDSHAKE_MS - 1);
    fo_session_timer(&p.session, &now);
    ck_assert_uint_eq(p.ended, 0);
    later(1);
    fo_session_timer(&p.session, &now);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert_int_eq(fo_session_deadline(&p.session), INT64_MAX);
}
END_TEST

START_TEST(nothing_but_connectack_may_answer_connect)
{
    struct fo_message state = state_message(1);
    connect_primary();
    give(&p, &state);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert_uint_eq(p.received, 0);
}
END_TEST

START_TEST(a_second_handshake_closes_an_established_connection)
{
    establish_both();
    s.read = 0; /* the CONNECTACK once more */
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert_int_eq(p.why.reason, FO_REJECT_DUPLICATE_CONNECTION);
}
END_TEST

/* ------------------------------------------------------------------ timers */

/* 7.9.1: "approximately 33 percent" of what the partner allows; "MUST be sent". */
START_TEST(contact_is_sent_when_nothing_else_was)
{
    establish_both();
    int64_t interval = 30 * 1000 / 3; /* the secondary said 30 s */
    later(interval - 1);
    fo_session_timer(&p.session, &now);
    ck_assert(!next(&p));
    later(1);
    fo_session_timer(&p.session, &now);
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.type, FO_MSG_CONTACT);
    later(interval - 1); /* "The tSend timer is reset whenever a message is sent" */
    struct fo_message state = state_message(0);
    ck_assert_uint_ne(fo_session_send(&p.session, &state, false, &now), 0);
    ck_assert(next(&p));
    later(interval - 1);
    fo_session_timer(&p.session, &now);
    ck_assert(!next(&p));
}
END_TEST

START_TEST(a_shorter_contact_interval_can_be_configured)
{
    p.settings.contact_interval = 2;
    s.settings.contact_interval = 3000; /* a longer one cannot */
    establish_both();
    ck_assert_int_eq(p.session.send_deadline, now.ms + 2000);
    ck_assert_int_eq(s.session.send_deadline, now.ms + RECEIVE_TIMER * 1000 / 3);
}
END_TEST

/* 8.3: "the connection MUST be dropped", reason 17 in DISCONNECT; any message resets it. */
START_TEST(a_silent_partner_is_given_up)
{
    establish_both();
    later(RECEIVE_TIMER * 1000 - 1);
    struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds, .xid = 3};
    give(&p, &contact);
    later(RECEIVE_TIMER * 1000 - 1);
    fo_session_timer(&p.session, &now);
    ck_assert_uint_eq(p.ended, 0);
    p.read = p.length;
    later(1);
    fo_session_timer(&p.session, &now);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert_int_eq(p.why.reason, FO_REJECT_NO_TRAFFIC);
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.type, FO_MSG_DISCONNECT);
    ck_assert_uint_eq(sent.reject_reason, 17);
    ck_assert_uint_eq(p.received, 0); /* CONTACT is nobody else's business */
}
END_TEST

START_TEST(disconnect_ends_the_session_without_an_answer)
{
    establish_both();
    fo_session_close(&s.session, FO_REJECT_OTHER, "for a reason", &now);
    ck_assert_uint_eq(s.ended, 1);
    p.read = p.length;
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert(p.why.by_partner);
    ck_assert_int_eq(p.why.reason, FO_REJECT_OTHER);
    ck_assert_ptr_nonnull(strstr(p.why.text, "for a reason"));
    ck_assert(!next(&p));
    struct fo_message state = state_message(0);
    ck_assert_uint_eq(fo_session_send(&p.session, &state, false, &now), 0);
    fo_session_lost(&p.session, "closed", &now);
    fo_session_close(&p.session, FO_REJECT_OTHER, "again", &now);
    ck_assert_uint_eq(p.ended, 1); /* once */
}
END_TEST

START_TEST(a_partner_that_does_not_read_ends_the_session_once)
{
    establish_both();
    p.full = true;
    struct fo_message state = state_message(0);
    ck_assert_uint_eq(fo_session_send(&p.session, &state, false, &now), 0);
    ck_assert_uint_eq(p.ended, 1);
}
END_TEST

/* ------------------------------------------------------------------ bytes */

START_TEST(frames_come_in_pieces_of_every_size)
{
    enum { MESSAGES = 40 };
    for (size_t piece = 1; piece < 200; piece++) {
        uint32_t order = 0;
        setup();
        establish_both();
        p.length = p.read = 0;
        for (uint32_t i = 0; i < MESSAGES; i++) {
            struct fo_message state = state_message(0);
            order = order * 31 + fo_session_send(&p.session, &state, false, &now);
        }
        pass(&p, &s, piece);
        ck_assert_uint_eq(s.received, MESSAGES);
        ck_assert_uint_eq(s.order, order);
        ck_assert_uint_eq(s.ended, 0);
    }
}
END_TEST

START_TEST(a_frame_too_short_or_too_long_ends_the_session)
{
    static const uint8_t lengths[][2] = {{0, 0}, {0, 11}, {8, 1}, {0xff, 0xff}};
    uint8_t bytes[64] = {0};
    establish_both();
    memcpy(bytes, lengths[_i / 2], 2);
    if (_i % 2) { /* its length split over two pieces */
        fo_session_receive(&p.session, bytes, 1, &now);
        fo_session_receive(&p.session, bytes + 1, sizeof bytes - 1, &now);
    } else {
        fo_session_receive(&p.session, bytes, sizeof bytes, &now);
    }
    ck_assert_uint_eq(p.ended, 1);
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.type, FO_MSG_DISCONNECT);
}
END_TEST

/* 6.1: an unknown message above 127 "SHOULD ignore", below it is an error. */
START_TEST(unknown_messages_are_ignored_or_not)
{
    uint8_t frame[12] = {0, 12, 200, 12};
    establish_both();
    fo_session_receive(&p.session, frame, sizeof frame, &now);
    ck_assert_uint_eq(p.ended + p.received, 0);
    frame[2] = 100;
    fo_session_receive(&p.session, frame, sizeof frame, &now);
    ck_assert_uint_eq(p.ended, 1);
}
END_TEST

START_TEST(hostile_bytes_end_the_session_once_and_nothing_else)
{
    static uint8_t good[2048];
    unsigned seed = 42;
    for (int round = 0; round < 20000; round++) {
        setup();
        establish_both();
        struct fo_message state = state_message(0);
        size_t length = fo_encode(&fo_dialect_draft, &state, good, sizeof good);
        for (int i = 0; i < 1 + round % 4; i++)
            good[(size_t)rand_r(&seed) % length] = (uint8_t)rand_r(&seed);
        for (int i = 0; i < 3; i++)
            fo_session_receive(&p.session, good, length, &now);
        ck_assert_uint_le(p.ended, 1);
        ck_assert(p.ended == 1 || p.session.phase == FO_SESSION_ESTABLISHED);
        p.out[p.length] = 0;
    }
}
END_TEST

/* ------------------------------------------------------------------ clocks */

START_TEST(the_partners_times_are_converted_by_the_difference_seen)
{
    establish_both();
    struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds + 30, .xid = 3};
    give(&p, &contact); /* its clock is 30 s ahead: no delay makes that */
    ck_assert_uint_eq(fo_session_permits(&p.session, SECONDS), SECONDS - 30);
    ck_assert_uint_eq(fo_session_forbids(&p.session, SECONDS), SECONDS - 30);
    ck_assert_uint_eq(fo_session_forbids(&p.session, 0), 0); /* none, and infinite */
    ck_assert_uint_eq(fo_session_permits(&p.session, UINT32_MAX), UINT32_MAX);
    ck_assert_uint_eq(fo_session_forbids(&p.session, UINT32_MAX - 1), UINT32_MAX - 1 - 30);
    ck_assert_uint_eq(fo_session_permits(&p.session, 5), 1);
}
END_TEST

START_TEST(the_delay_of_a_message_is_no_difference)
{
    establish_both();
    struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds - 40, .xid = 3};
    give(&p, &contact);
    ck_assert_uint_eq(fo_session_permits(&p.session, SECONDS), SECONDS);
    ck_assert_uint_eq(fo_session_forbids(&p.session, SECONDS), SECONDS);
}
END_TEST

/* What permits stays with the smallest difference, what forbids follows the clocks. */
START_TEST(a_difference_of_all_messages_is_one)
{
    establish_both();
    for (int64_t end = now.ms + 2 * FO_CLOCK_WINDOW_MS + 20000; now.ms < end;) {
        now.ms += 10000;
        now.seconds += 10;
        struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds - 40, .xid = 3};
        give(&p, &contact);
    }
    ck_assert_uint_eq(fo_session_permits(&p.session, SECONDS), SECONDS);
    ck_assert_uint_eq(fo_session_forbids(&p.session, SECONDS), SECONDS + 40);
}
END_TEST

START_TEST(a_second_is_no_difference)
{
    establish_both();
    struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds - 1, .xid = 3};
    give(&p, &contact);
    ck_assert_uint_eq(fo_session_forbids(&p.session, SECONDS), SECONDS);
    contact.time = now.seconds + 1;
    give(&p, &contact);
    ck_assert_uint_eq(fo_session_permits(&p.session, SECONDS), SECONDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *session = tcase_create("session");
    tcase_add_checked_fixture(session, setup, NULL);
    tcase_set_timeout(session, 60);
    tcase_add_test(session, connect_says_what_table_7_8_1_demands);
    tcase_add_test(session, connectack_answers_as_table_7_9_1_demands);
    tcase_add_loop_test(session, a_connect_is_refused_with_its_reason, 0,
                        sizeof spoilt / sizeof spoilt[0]);
    tcase_add_test(session, any_clock_is_accepted_where_the_limit_is_0);
    tcase_add_test(session, a_connectack_of_another_xid_is_ignored);
    tcase_add_loop_test(session, a_connectack_that_does_not_suit_is_answered_by_disconnect, 0, 5);
    tcase_add_test(session, a_primary_waits_only_so_long_for_connectack);
    tcase_add_test(session, nothing_but_connectack_may_answer_connect);
    tcase_add_test(session, a_second_handshake_closes_an_established_connection);
    tcase_add_test(session, contact_is_sent_when_nothing_else_was);
    tcase_add_test(session, a_shorter_contact_interval_can_be_configured);
    tcase_add_test(session, a_silent_partner_is_given_up);
    tcase_add_test(session, disconnect_ends_the_session_without_an_answer);
    tcase_add_test(session, a_partner_that_does_not_read_ends_the_session_once);
    tcase_add_test(session, frames_come_in_pieces_of_every_size);
    tcase_add_loop_test(session, a_frame_too_short_or_too_long_ends_the_session, 0, 8);
    tcase_add_test(session, unknown_messages_are_ignored_or_not);
    tcase_add_test(session, hostile_bytes_end_the_session_once_and_nothing_else);
    tcase_add_test(session, the_partners_times_are_converted_by_the_difference_seen);
    tcase_add_test(session, the_delay_of_a_message_is_no_difference);
    tcase_add_test(session, a_difference_of_all_messages_is_one);
    tcase_add_test(session, a_second_is_no_difference);
    suite_add_tcase(suite, session);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
