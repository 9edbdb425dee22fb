/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * How a connection is established, both roles (7.8, 7.9): what CONNECT and CONNECTACK say, every
 * refusal with its reason, and what may not come in their place.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/two_sessions.h"

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

/* ------------------------------------------------------------------ what two of us tell beside */

static void put_option(struct fo_message *message, uint8_t code, uint8_t length, uint8_t space[256])
{
    const size_t before = message->vendor_options.length;
    memcpy(space, message->vendor_options.data, before);
    const uint8_t head[] = {0, code, 0, length};
    memcpy(space + before, head, sizeof head);
    memset(space + before + sizeof head, 2, length);
    message->vendor_options = (struct fo_bytes){space, (uint16_t)(before + sizeof head + length)};
}

/* A number less than 100 for everybody (7.8.1); one of us is told what is more, an older version is not. */
START_TEST(a_larger_window_is_told_beside)
{
    static const uint32_t said[][3] = {{20, 20, 20}, {99, 99, 99}, {FO_WINDOW_MAX, 99, FO_WINDOW_MAX}};
    p.settings.max_unacked = s.settings.max_unacked = said[_i][0];
    connect_primary();
    ck_assert(next(&p));
    ck_assert_uint_eq(sent.max_unacked, said[_i][1]);
    ck_assert(accept_secondary(&sent));
    ck_assert_uint_eq(s.session.partner.max_unacked, said[_i][2]);
    ck_assert(next(&s));
    ck_assert_uint_eq(sent.max_unacked, said[_i][1]);
    s.read = 0;
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.session.partner.max_unacked, said[_i][2]);
}
END_TEST

START_TEST(both_tell_how_they_serve)
{
    p.settings.serving = (struct fo_serving){FO_MODE_HOT_STANDBY, FO_HASH_HARDWARE};
    s.settings.serving = (struct fo_serving){FO_MODE_LOAD_BALANCING, FO_HASH_IDENTIFIER};
    establish_both();
    ck_assert_uint_eq(s.session.partner.serving.mode, FO_MODE_HOT_STANDBY);
    ck_assert_uint_eq(s.session.partner.serving.hash_input, FO_HASH_HARDWARE);
    ck_assert_uint_eq(p.session.partner.serving.mode, FO_MODE_LOAD_BALANCING);
    ck_assert_uint_eq(p.session.partner.serving.hash_input, FO_HASH_IDENTIFIER);
    fo_session_tell_serving(&s.session, &p.settings.serving, &now);
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.received, 1);
    ck_assert_uint_eq(p.session.partner.told, FO_TOLD_SERVING);
    ck_assert_uint_eq(p.session.partner.serving.mode, FO_MODE_HOT_STANDBY);
    ck_assert_uint_eq(p.session.partner.serving.hash_input, FO_HASH_HARDWARE);
}
END_TEST

/* Rolling upgrades: what an older version does not say is not known, what a later one says besides is
   passed over, alone in a CONTACT, too. */
START_TEST(versions_may_differ_in_what_they_tell)
{
    uint8_t space[2][256];
    s.settings.serving = (struct fo_serving){FO_MODE_LOAD_BALANCING, FO_HASH_IDENTIFIER};
    connect_primary(); /* an older one */
    ck_assert(next(&p));
    put_option(&sent, 77, 9, space[0]);
    if (_i == 1)
        put_option(&sent, 5, 3, space[1]); /* mode, hash-input, and something that is not known yet */
    if (_i == 2)
        put_option(&sent, 5, 1, space[1]);
    ck_assert(accept_secondary(&sent));
    ck_assert(s.session.partner.counts_connections && s.session.partner.tells_pools);
    ck_assert_uint_eq(s.session.partner.serving.mode, _i == 1 ? FO_MODE_HOT_STANDBY : 0);
    pass(&s, &p, 4096);
    ck_assert_uint_eq(p.established, 1);
    sent = (struct fo_message){.type = FO_MSG_CONTACT, .time = SECONDS, .xid = 99, .present =
        FO_HAS(FO_OPT_VENDOR_CLASS_IDENTIFIER) | FO_HAS(FO_OPT_VENDOR_SPECIFIC_OPTIONS),
        .vendor_class = {(const uint8_t *)"maker 2", 7}};
    sent.vendor_options.data = space[1];
    put_option(&sent, 78, 4, space[0]);
    give(&s, &sent);
    ck_assert_uint_eq(s.received + s.ended, 0);
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

int main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *tests = tcase_create("handshake");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, connect_says_what_table_7_8_1_demands);
    tcase_add_test(tests, connectack_answers_as_table_7_9_1_demands);
    tcase_add_loop_test(tests, a_larger_window_is_told_beside, 0, 3);
    tcase_add_test(tests, both_tell_how_they_serve);
    tcase_add_loop_test(tests, versions_may_differ_in_what_they_tell, 0, 3);
    tcase_add_loop_test(tests, a_connect_is_refused_with_its_reason,
                        0, sizeof spoilt / sizeof spoilt[0]);
    tcase_add_test(tests, any_clock_is_accepted_where_the_limit_is_0);
    tcase_add_test(tests, a_connectack_of_another_xid_is_ignored);
    tcase_add_loop_test(tests, a_connectack_that_does_not_suit_is_answered_by_disconnect, 0, 5);
    tcase_add_test(tests, a_primary_waits_only_so_long_for_connectack);
    tcase_add_test(tests, nothing_but_connectack_may_answer_connect);
    tcase_add_test(tests, a_second_handshake_closes_an_established_connection);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
