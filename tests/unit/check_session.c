/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * One connection that stands, both roles (7.11, 7.12, 8.3): the two timers, DISCONNECT, frames in
 * pieces of every size, hostile bytes, and the partner's times in our clock (5.10).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hook/service_internal.h"
#include "protocol/lease_time.h"
#include "tests/unit/two_sessions.h"

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
    ck_assert_uint_eq(fo_session_permits(&p.session, FO_TIME_LAST), FO_TIME_LAST); /* no end */
    ck_assert_uint_eq(fo_session_forbids(&p.session, FO_TIME_LAST), FO_TIME_LAST);
    ck_assert_uint_eq(fo_session_forbids(&p.session, FO_TIME_LAST - 1), FO_TIME_LAST - 1 - 30);
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

/* Clocks that are equal show a second less now and then: what forbids is the same by both. */
START_TEST(a_second_less_forbids_no_sooner)
{
    establish_both();
    struct fo_message contact = {.type = FO_MSG_CONTACT, .time = now.seconds + 1, .xid = 3};
    give(&p, &contact);
    ck_assert_uint_eq(fo_session_forbids(&p.session, SECONDS), SECONDS);
    ck_assert_uint_eq(fo_session_permits(&p.session, SECONDS), SECONDS - 1);
}
END_TEST

/* The primary's clock is ahead by so many ms, and this is its message of that true moment. */
static void hear_at(int64_t moment, int64_t ahead)
{
    struct fo_message contact = {.type = FO_MSG_CONTACT, .xid = 3,
                                 .time = SECONDS + (uint32_t)(moment / 1000)};
    now.seconds = (uint32_t)((SECONDS * INT64_C(1000) + moment + ahead) / 1000);
    give(&p, &contact);
}

/* Both ends of a lease, in parts of a second: its client asked so much after the whole one from which both
   servers count. None may be over for the other server before that, nor before a second of drift. */
static void check_ends(int64_t ahead, int64_t asked)
{
    enum { LEASE = 60, DRIFT_MS = 1000 };
    const int64_t client = SECONDS * INT64_C(1000) + LEASE * 1000 + asked;
    /* The partner gave it, and has told us its end. */
    const uint32_t end = fo_session_forbids(&p.session, SECONDS + LEASE);
    ck_assert(!fo_is_over(end, (uint32_t)((client + ahead + DRIFT_MS - 1) / 1000)));
    /* We gave it, until a bound that the partner has told us. */
    const uint32_t bound = fo_session_permits(&p.session, SECONDS + LEASE);
    const int64_t last = bound * INT64_C(1000) + asked - ahead;
    ck_assert(!fo_is_over(SECONDS + LEASE, (uint32_t)((last + DRIFT_MS - 1) / 1000)));
}

/* The sum of FO_EXPIRY_GUARD: in whatever part of a second a lease begins and a message comes, and of
   whatever part the clocks differ. */
START_TEST(the_guard_covers_whole_seconds_and_drift)
{
    for (int64_t ahead = -3500; ahead <= 3500; ahead += 97)
        for (int64_t heard = 0; heard < 1000; heard += 111) {
            setup();
            establish_both();
            p.session.delta_known = p.session.lately_known = false;
            hear_at(10000 + heard, ahead);
            for (int64_t asked = 0; asked < 1000; asked += 111)
                check_ends(ahead, asked);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tests = tcase_create("session");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, contact_is_sent_when_nothing_else_was);
    tcase_add_test(tests, a_shorter_contact_interval_can_be_configured);
    tcase_add_test(tests, a_silent_partner_is_given_up);
    tcase_add_test(tests, disconnect_ends_the_session_without_an_answer);
    tcase_add_test(tests, a_partner_that_does_not_read_ends_the_session_once);
    tcase_add_test(tests, frames_come_in_pieces_of_every_size);
    tcase_add_loop_test(tests, a_frame_too_short_or_too_long_ends_the_session, 0, 8);
    tcase_add_test(tests, unknown_messages_are_ignored_or_not);
    tcase_add_test(tests, hostile_bytes_end_the_session_once_and_nothing_else);
    tcase_add_test(tests, the_partners_times_are_converted_by_the_difference_seen);
    tcase_add_test(tests, the_delay_of_a_message_is_no_difference);
    tcase_add_test(tests, a_difference_of_all_messages_is_one);
    tcase_add_test(tests, a_second_less_forbids_no_sooner);
    tcase_add_test(tests, the_guard_covers_whole_seconds_and_drift);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
