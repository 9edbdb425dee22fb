/* SPDX-License-Identifier: MPL-2.0 */
/* Copyright (C) 2026 the kea-failover contributors. */
/*
 * Connections whose messages are signed (11.1): two sessions with a secret, or with two, and somebody
 * between them who changes, leaves out, records and repeats; and an endpoint whose frames are full.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/a_secret.h"

/* ------------------------------------------------------------------ two sessions */

static struct fo_digest digests[2]; /* the primary's, and the secondary's */

static struct fo_digest *digest_at(struct end *end)
{
    return &digests[end == &s];
}

static void set_secret(struct end *end, enum fo_digest_type type, const char *text)
{
    struct fo_digest *digest = digest_at(end);
    fo_secret_close(digest);
    if (text != NULL)
        *digest = digest_of(type, text, strlen(text));
    end->settings.digest = text != NULL ? digest : NULL;
}

static void setup_signed(void)
{
    setup();
    set_secret(&p, FO_DIGEST_HMAC_SHA256, secret);
    set_secret(&s, FO_DIGEST_HMAC_SHA256, secret);
}

static void teardown(void)
{
    fo_secret_close(&digests[0]);
    fo_secret_close(&digests[1]);
}

/* A new connection: what waits is forgotten, and there are new nonces. */
static void fresh(void)
{
    static uint8_t count;
    for (struct end *end = &p; end != NULL; end = end == &p ? &s : NULL) {
        end->length = end->read = 0;
        end->established = end->received = end->ended = 0;
        end->session.phase = FO_SESSION_CLOSED;
        memset(end->settings.nonce, ++count, FO_NONCE_SIZE);
    }
    later(1000);
}

static const uint8_t *next_frame(struct end *end, size_t *length)
{
    const uint8_t *frame = end->out + end->read;
    int whole = fo_frame_length(frame, end->length - end->read);
    ck_assert_int_gt(whole, 0);
    *length = (size_t)whole;
    end->read += *length;
    return frame;
}

static struct fo_message decoded(const uint8_t *frame, size_t length)
{
    struct fo_decode_error error;
    static struct fo_message message;
    ck_assert_msg(fo_decode(&fo_dialect_draft, frame, length, &message, &error), "%s", error.text);
    return message;
}

/* The secondary judges a CONNECT as its endpoint does. */
static enum fo_reject_reason secondary_takes(const uint8_t *frame, size_t length)
{
    char text[320] = "";
    uint8_t answer[FO_MESSAGE_MAX];
    struct fo_message connect = decoded(frame, length);
    enum fo_reject_reason reason = FO_REJECT_NONE;
    if (s.settings.digest != NULL)
        reason = fo_session_admit(&s.settings, &connect, frame, length, text, sizeof text);
    if (reason != FO_REJECT_NONE)
        put_out(&s, answer,
                fo_session_refuse(&fo_dialect_draft, s.settings.digest, &connect, reason, text,
                                  now.seconds, answer));
    else if (!accept_secondary(&connect))
        reason = s.why.reason;
    return reason;
}

static void establish(void)
{
    size_t length;
    fresh();
    connect_primary();
    const uint8_t *frame = next_frame(&p, &length);
    ck_assert_int_eq(secondary_takes(frame, length), FO_REJECT_NONE);
    pass(&s, &p, OUT_MAX);
    ck_assert_uint_eq(p.established, 1);
}

static void say(struct end *end)
{
    struct fo_message message = state_message(0);
    ck_assert_uint_ne(fo_session_send(&end->session, &message, false, &now), 0);
}

/* The last message of an end was a DISCONNECT with this reason. */
static void closed_for(struct end *end, enum fo_reject_reason reason)
{
    struct fo_message message;
    size_t length = 0;
    const uint8_t *frame = NULL;
    ck_assert_uint_eq(end->ended, 1);
    ck_assert_int_eq(end->why.reason, reason);
    ck_assert(!end->why.by_partner);
    while (end->read < end->length)
        frame = next_frame(end, &length);
    ck_assert_ptr_nonnull(frame);
    message = decoded(frame, length);
    ck_assert_int_eq(message.type, FO_MSG_DISCONNECT);
    ck_assert_int_eq(message.reject_reason, reason);
}

START_TEST(everything_is_signed_and_accepted)
{
    set_secret(&p, (enum fo_digest_type)_i, secret);
    set_secret(&s, (enum fo_digest_type)_i, secret);
    establish();
    for (int i = 0; i < 5; i++) {
        say(&p);
        say(&s);
        pass(&p, &s, OUT_MAX);
        pass(&s, &p, OUT_MAX);
    }
    ck_assert_uint_eq(p.received, 5);
    ck_assert_uint_eq(s.received, 5);
    fo_session_close(&p.session, FO_REJECT_OTHER, "enough", &now);
    pass(&p, &s, OUT_MAX);
    ck_assert(s.why.by_partner && s.why.reason == FO_REJECT_OTHER);
    p.read = s.read = 0;
    for (size_t length; p.read < p.length;)
        ck_assert_mem_eq(next_frame(&p, &length) + FO_HEADER_SIZE, "\0\21", 2);
    for (size_t length; s.read < s.length;)
        ck_assert_mem_eq(next_frame(&s, &length) + FO_HEADER_SIZE, "\0\21", 2);
}
END_TEST

/* A partner of another kind gives no nonce: the draft's digest is all there is. */
START_TEST(another_vendor_signs_as_the_draft_says)
{
    s.settings.vendor_class = "other 1";
    establish();
    ck_assert(!p.session.bound && !s.session.bound);
    say(&p);
    size_t length;
    const uint8_t *frame = next_frame(&p, &length);
    ck_assert_int_eq(check(digest_at(&s), frame, length), FO_REJECT_NONE);
    fo_session_receive(&s.session, frame, length, &now);
    ck_assert_uint_eq(s.received, 1);
    establish(); /* and signed messages of before are repeated in vain: 11.1 wants a greater xid */
    fo_session_receive(&s.session, p.out, p.length, &now);
    closed_for(&s, FO_REJECT_DIGEST_FAILED);
}
END_TEST

START_TEST(one_changed_bit_ends_the_connection)
{
    static const size_t places[] = {4, 11, 14, FO_HEADER_SIZE + 5, FO_HEADER_SIZE + 36};
    size_t length;
    establish();
    say(_i % 2 ? &p : &s);
    struct end *from = _i % 2 ? &p : &s, *to = _i % 2 ? &s : &p;
    uint8_t *frame = (uint8_t *)(uintptr_t)next_frame(from, &length);
    frame[places[_i / 2]] ^= 1;
    fo_session_receive(&to->session, frame, length, &now);
    ck_assert_uint_eq(to->received, 0);
    closed_for(to, places[_i / 2] == 14 ? FO_REJECT_MISSING_DIGEST : FO_REJECT_DIGEST_FAILED);
}
END_TEST

START_TEST(an_unsigned_message_ends_the_connection)
{
    struct fo_message message = state_message(77);
    uint8_t frame[FO_MESSAGE_MAX];
    establish();
    size_t length = fo_encode(&fo_dialect_draft, &message, frame, sizeof frame);
    fo_session_receive(&p.session, frame, length, &now);
    ck_assert_uint_eq(p.received, 0);
    closed_for(&p, FO_REJECT_MISSING_DIGEST);
    ck_assert_ptr_nonnull(strstr(p.why.text, "give both servers the same secret"));
}
END_TEST

/* ------------------------------------------------------------------ the handshake, one side against the other */

/* Who has which secret: "" is none. What the secondary finds in CONNECT, and the primary in its answer. */
static const struct {
    enum fo_digest_type primary, secondary;
    const char *other; /* the secondary's secret; NULL: the same */
    enum fo_reject_reason found, then;
} unequal[] = {
    {FO_DIGEST_HMAC_SHA256, FO_DIGEST_NONE, NULL, FO_REJECT_DIGEST_NOT_CONFIGURED,
     FO_REJECT_MISSING_DIGEST},
    {FO_DIGEST_NONE, FO_DIGEST_HMAC_SHA256, NULL, FO_REJECT_MISSING_DIGEST,
     FO_REJECT_DIGEST_NOT_CONFIGURED},
    {FO_DIGEST_HMAC_SHA256, FO_DIGEST_HMAC_SHA256, "another", FO_REJECT_DIGEST_FAILED,
     FO_REJECT_DIGEST_FAILED},
    {FO_DIGEST_HMAC_SHA256, FO_DIGEST_HMAC_MD5, NULL, FO_REJECT_DIGEST_FAILED,
     FO_REJECT_DIGEST_FAILED},
};

START_TEST(both_sides_say_what_is_wrong)
{
    size_t length;
    set_secret(&p, unequal[_i].primary, unequal[_i].primary ? secret : NULL);
    set_secret(&s, unequal[_i].secondary,
               !unequal[_i].secondary ? NULL : unequal[_i].other ? unequal[_i].other : secret);
    fresh();
    connect_primary();
    const uint8_t *frame = next_frame(&p, &length);
    ck_assert_int_eq(secondary_takes(frame, length), unequal[_i].found);
    frame = next_frame(&s, &length);
    struct fo_message answer = decoded(frame, length);
    ck_assert_int_eq(answer.reject_reason, unequal[_i].found);
    ck_assert_int_eq((answer.present & FO_HAS(FO_OPT_MESSAGE_DIGEST)) != 0,
                     unequal[_i].secondary != FO_DIGEST_NONE);
    fo_session_receive(&p.session, frame, length, &now);
    ck_assert_uint_eq(p.established, 0);
    ck_assert_uint_eq(p.ended, 1);
    ck_assert_int_eq(p.why.reason, unequal[_i].then);
    ck_assert_ptr_nonnull(strstr(p.why.text, "it refuses: "));
    ck_assert_ptr_nonnull(strstr(p.why.text, fo_reject_name((uint8_t)unequal[_i].found)));
}
END_TEST

/* An answer that accepts, but is not signed: the same, by DISCONNECT (7.12). */
START_TEST(an_accepting_answer_must_be_signed_too)
{
    size_t length;
    uint8_t plain[FO_MESSAGE_MAX];
    fresh();
    connect_primary();
    const uint8_t *frame = next_frame(&p, &length);
    ck_assert_int_eq(secondary_takes(frame, length), FO_REJECT_NONE);
    frame = next_frame(&s, &length);
    struct fo_message ack = decoded(frame, length);
    ack.present &= ~FO_HAS(FO_OPT_MESSAGE_DIGEST);
    length = fo_encode(&fo_dialect_draft, &ack, plain, sizeof plain);
    fo_session_receive(&p.session, plain, length, &now);
    ck_assert_uint_eq(p.established, 0);
    closed_for(&p, FO_REJECT_MISSING_DIGEST);
}
END_TEST

START_TEST(a_connect_of_our_kind_has_a_nonce)
{
    char text[160];
    uint8_t bytes[FO_MESSAGE_MAX];
    size_t length;
    fresh();
    connect_primary();
    const uint8_t *frame = next_frame(&p, &length);
    struct fo_message connect = decoded(frame, length);
    connect.vendor_options.length -= 4 + FO_NONCE_SIZE; /* it is the last */
    length = signed_frame(&digests[0], &connect, bytes);
    ck_assert_int_eq(fo_session_admit(&s.settings, &connect, bytes, length, text, sizeof text),
                     FO_REJECT_DIGEST_FAILED);
}
END_TEST

/* ------------------------------------------------------------------ recorded, and sent again */

START_TEST(a_message_counts_once)
{
    establish();
    say(&p);
    say(&p);
    pass(&p, &s, OUT_MAX);
    ck_assert_uint_eq(s.received, 2);
    size_t length;
    p.read = 0;
    next_frame(&p, &length); /* CONNECT */
    const uint8_t *first = next_frame(&p, &length);
    fo_session_receive(&s.session, first, length, &now);
    ck_assert_uint_eq(s.received, 2);
    closed_for(&s, FO_REJECT_DIGEST_FAILED);
}
END_TEST

START_TEST(a_message_of_another_connection_counts_nothing)
{
    uint8_t recorded[FO_MESSAGE_MAX];
    size_t length;
    struct end *from = _i ? &p : &s, *to = _i ? &s : &p;
    establish();
    for (int i = 0; i < 9; i++)
        say(from); /* so its xid is higher than what comes then */
    for (int i = 0; i < 9; i++)
        memcpy(recorded, next_frame(from, &length), FO_MESSAGE_MAX);
    establish();
    fo_session_receive(&to->session, recorded, length, &now);
    ck_assert_uint_eq(to->received, 0);
    closed_for(to, FO_REJECT_DIGEST_FAILED);
}
END_TEST

START_TEST(what_a_server_said_itself_does_not_come_back)
{
    size_t length;
    establish();
    say(&p);
    const uint8_t *frame = next_frame(&p, &length);
    fo_session_receive(&p.session, frame, length, &now);
    ck_assert_uint_eq(p.received, 0);
    closed_for(&p, FO_REJECT_DIGEST_FAILED);
}
END_TEST

START_TEST(a_recorded_connectack_answers_no_other_connect)
{
    uint8_t recorded[FO_MESSAGE_MAX];
    size_t length;
    establish();
    s.read = 0;
    memcpy(recorded, next_frame(&s, &length), FO_MESSAGE_MAX);
    fresh();
    connect_primary();
    fo_session_receive(&p.session, recorded, length, &now);
    ck_assert_uint_eq(p.established + p.ended, 0); /* another xid: ignored (7.9.2) */
    struct fo_message ack = decoded(recorded, length);
    p.session.connect_xid = ack.xid; /* suppose that it were the same */
    fo_session_receive(&p.session, recorded, length, &now);
    ck_assert_uint_eq(p.established, 0);
    closed_for(&p, FO_REJECT_DIGEST_FAILED);
}
END_TEST

/* With CONNECT repeated to a server that has forgotten all, one gets a CONNECTACK, and no further. */
START_TEST(a_recorded_connection_ends_with_its_second_message)
{
    size_t length;
    establish();
    say(&p);
    const size_t recorded = p.length;
    static uint8_t record[OUT_MAX];
    memcpy(record, p.out, recorded);
    fresh();
    length = (size_t)fo_frame_length(record, recorded);
    ck_assert_int_eq(secondary_takes(record, length), FO_REJECT_NONE);
    fo_session_receive(&s.session, record + length, recorded - length, &now);
    ck_assert_uint_eq(s.received, 0);
    closed_for(&s, FO_REJECT_DIGEST_FAILED);
}
END_TEST

/* ------------------------------------------------------------------ full frames */

static struct fo_endpoint endpoint; /* the primary's, in NORMAL */
static unsigned told;

static bool host_send(void *context, const uint8_t *frame, size_t length)
{
    (void)context;
    return put_out(&p, frame, length);
}

static void host_nothing(void *context)
{
    (void)context;
}

static void host_disconnect(void *context, bool attempt)
{
    (void)context, (void)attempt;
    p.ended++;
}

static void host_entered(void *context, enum fo_state from)
{
    (void)context, (void)from;
}

static void host_note(void *context, enum fo_note note, const char *detail)
{
    (void)context, (void)note, (void)detail;
}

/* Bindings whose client identifiers make them of every size. */
static bool host_next_update(void *context, bool requested, size_t room, struct fo_outgoing *next)
{
    static const uint8_t identifier[255] = {1};
    (void)context, (void)requested;
    memset(next, 0, sizeof *next);
    next->update.present = FO_HAS(FO_OPT_ASSIGNED_IP_ADDRESS) | FO_HAS(FO_OPT_BINDING_STATUS) |
                           FO_HAS(FO_OPT_CLIENT_IDENTIFIER);
    next->update.address = 0xc0000200 + told;
    next->update.status = 2;
    next->update.client_identifier = (struct fo_bytes){identifier, (uint16_t)(1 + told * 7 % 255)};
    if (told == 2000 || fo_update_size(&next->update) > room)
        return false;
    told++;
    return true;
}

/* A full BNDUPD has room for its digest. */
START_TEST(a_digest_fits_into_every_frame)
{
    const struct fo_endpoint_host host = {
        .send = host_send, .connect = host_nothing, .disconnect = host_disconnect,
        .store = host_nothing, .next_update = host_next_update, .updates_lost = host_nothing,
        .entered = host_entered, .note = host_note};
    struct fo_endpoint_record record = {
        .state = FO_STATE_NORMAL, .partner_state = FO_STATE_NORMAL, .connections = 9};
    struct fo_endpoint_settings settings = {.session = p.settings, .connect_retry_delay = 1};
    size_t length, fullest = 0;
    told = 0;
    s.settings.max_unacked = 50;
    fresh();
    settings.session.digest = &digests[0];
    fo_endpoint_start(&endpoint, &settings, &host, &record, &now);
    fo_endpoint_connected(&endpoint, &now);
    const uint8_t *frame = next_frame(&p, &length);
    ck_assert_int_eq(secondary_takes(frame, length), FO_REJECT_NONE);
    say(&s);
    fo_endpoint_received(&endpoint, s.out, s.length, &now);
    fo_endpoint_stored(&endpoint, &now);
    ck_assert(endpoint.communicating);
    while (p.read < p.length) {
        frame = next_frame(&p, &length);
        fullest = length > fullest ? length : fullest;
        fo_session_receive(&s.session, frame, length, &now);
    }
    ck_assert_uint_eq(p.ended + s.ended, 0);
    ck_assert_uint_gt(told, 300);
    ck_assert_uint_gt(fullest, FO_MESSAGE_MAX - FO_DIGEST_OPTION_MAX + 1); /* where it would not fit */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("signed");
    TCase *sessions = tcase_create("sessions");
    tcase_add_checked_fixture(sessions, setup_signed, teardown);
    tcase_add_loop_test(sessions, everything_is_signed_and_accepted, 1, 3);
    tcase_add_test(sessions, another_vendor_signs_as_the_draft_says);
    tcase_add_loop_test(sessions, one_changed_bit_ends_the_connection, 0, 10);
    tcase_add_test(sessions, an_unsigned_message_ends_the_connection);
    tcase_add_loop_test(sessions, both_sides_say_what_is_wrong, 0,
                        (int)(sizeof unequal / sizeof unequal[0]));
    tcase_add_test(sessions, an_accepting_answer_must_be_signed_too);
    tcase_add_test(sessions, a_connect_of_our_kind_has_a_nonce);
    tcase_add_test(sessions, a_message_counts_once);
    tcase_add_loop_test(sessions, a_message_of_another_connection_counts_nothing, 0, 2);
    tcase_add_test(sessions, what_a_server_said_itself_does_not_come_back);
    tcase_add_test(sessions, a_recorded_connectack_answers_no_other_connect);
    tcase_add_test(sessions, a_recorded_connection_ends_with_its_second_message);
    tcase_add_test(sessions, a_digest_fits_into_every_frame);
    suite_add_tcase(suite, sessions);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
